"""The gate before admission: shut for a model while another version takes its place in memory."""

import asyncio
from collections.abc import Collection

from indextts_daemon.errors import EngineUnavailableError, QueueFullError

from .generation import Generation
from .routing import OPENAI_MODELS, SpeechOrder


class Gate:
    """Lets orders pass, or holds those for one model until it is opened, within bounds."""

    def __init__(self) -> None:
        self._shut: dict[str, asyncio.Event] = {}  # by model; set once it is open again
        self._hold_s = 0.0
        self.waiting = 0

    def shut(self, models: Collection[str], *, hold_s: float) -> None:
        """Hold the orders for these models too until `open`, each for `hold_s` at most."""
        self._hold_s = hold_s
        for model in models:
            self._shut.setdefault(model, asyncio.Event())

    def open(self, models: Collection[str]) -> None:
        """Let pass who comes for these models; harmless where it is open."""
        for model in self._shut.keys() & set(models):
            self._shut.pop(model).set()

    async def passed(self, order: SpeechOrder, generation: Generation) -> None:
        """Wait until the order may be admitted; a critical one never waits.

        Raises QueueFullError when too many wait, EngineUnavailableError when it takes too long.
        """
        named = order.model is not None and order.model not in OPENAI_MODELS
        wanted = order.model if named else generation.default
        if wanted not in self._shut or order.priority == "critical":
            return
        capacity = generation.settings.queue.capacity
        if self.waiting >= capacity:
            raise QueueFullError(
                f"{self.waiting} requests are waiting already. Try again shortly.",
                retry_after_s=self._hold_s,
            )
        self.waiting += 1
        try:
            async with asyncio.timeout(self._hold_s):
                while (shut := self._shut.get(wanted)) is not None:
                    await shut.wait()
        except TimeoutError as err:
            raise EngineUnavailableError(
                f"The model {wanted} is still being replaced. Try again shortly.",
                retry_after_s=self._hold_s,
            ) from err
        finally:
            self.waiting -= 1
