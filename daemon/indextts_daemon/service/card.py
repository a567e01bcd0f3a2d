"""The graphics card, looked at beside the event loop: a driver that hangs holds up nobody."""

import asyncio
from collections.abc import Callable

from indextts_daemon.gpu import GpuUsage, usage
from indextts_daemon.metrics import CardFigures, Metrics
from indextts_daemon.posix import children

PATIENCE_S = 2.0

Look = Callable[[Callable[[], object]], GpuUsage | None]  # is told whom to call for each error


def look(failed: Callable[[], object]) -> GpuUsage | None:
    """Measure the card; every process that this one has started is ours."""
    return usage(children(), failed=failed)


class Card:
    """Measures the card when asked, once at a time."""

    def __init__(self, metrics: Metrics, look: Look = look) -> None:
        self._metrics = metrics
        self._look = look
        self._looking: asyncio.Task[GpuUsage | None] | None = None

    async def usage(self) -> GpuUsage | None:
        """Return who holds how much of it now; None without one, or if that is not told in time."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(asyncio.to_thread(self._look, self._failed))
        try:
            async with asyncio.timeout(PATIENCE_S):
                seen = await asyncio.shield(self._looking)
        except TimeoutError:
            self._failed()
            return None
        if seen is not None:
            ours = seen.ours_bytes or 0
            foreign = seen.foreign_bytes
            self._metrics.card_is(
                CardFigures(
                    used=seen.used_bytes,
                    total=seen.total_bytes,
                    ours=ours,
                    foreign=seen.used_bytes - ours if foreign is None else foreign,
                )
            )
        return seen

    async def free(self) -> int | None:
        """Return how many bytes of it nobody holds; None without one, or if that is not told."""
        seen = await self.usage()
        return None if seen is None else seen.free_bytes

    def _failed(self) -> None:
        self._metrics.gpu_collector_errors.inc()
