"""The bounded wait in front of a model: first come, first served, and honest about how long."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
import time

from indextts_daemon.errors import QueueFullError
from indextts_daemon.metrics import Metrics

SMOOTHING = 0.2  # weight of the newest job in the moving average of the time a place is held
FIRST_GUESS_S = 1.0


@dataclass(slots=True, eq=False)
class Place:
    """A job's place at the model; given back once, early or at the latest on leaving."""

    waited_s: float
    release: Callable[[], None]


class JobQueue:
    """Admits as many jobs as the model can use at once; a bounded number waits behind them.

    Who has been spoken but is still listening counts among those who wait, since its audio is
    kept. One place to wait beyond `capacity` is for critical requests.
    """

    def __init__(
        self, *, capacity: int, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.capacity = capacity
        self.slots = 1
        self.in_flight = 0
        self.listening = 0  # spoken to the end, and not yet heard to it
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held_s: float | None = None
        self._metrics = metrics
        self._clock = clock

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether one more request may wait."""
        return self.waiting + self.listening < self.capacity

    def retry_after_s(self) -> float:
        """When the queue should have room again.

        A job holds its place for a known mean time, and `slots` of them run side by side, so
        one ends, and one of those waiting moves up, every mean / slots seconds.
        """
        return (FIRST_GUESS_S if self._held_s is None else self._held_s) / self.slots

    def resize(self, slots: int) -> None:
        """Admit `slots` jobs at once from now on."""
        self.slots = slots
        self._wake()

    @asynccontextmanager
    async def place(self, priority: str) -> AsyncIterator[Place]:
        """Hold a place while inside, or until it is released. Raises QueueFullError."""
        waited_s = await self._enter(priority)
        self._metrics.queue_wait.labels(priority).observe(waited_s)
        since = self._clock()
        held = True

        def release() -> None:
            nonlocal held
            if held:
                held = False
                self.listening += 1
                self._leave(self._clock() - since)

        try:
            yield Place(waited_s=waited_s, release=release)
        finally:
            release()
            self.listening -= 1

    async def _enter(self, priority: str) -> float:
        ahead = self.waiting + self.listening
        if ahead >= self.capacity + (priority == "critical"):
            raise QueueFullError(
                f"{ahead} requests are waiting already. Try again shortly.",
                retry_after_s=self.retry_after_s(),
            )
        if self.in_flight < self.slots and not self._waiting:
            self._admit()
            return 0.0
        return await self._wait(priority)

    async def _wait(self, priority: str) -> float:
        turn = asyncio.get_running_loop().create_future()
        since = self._clock()
        self._waiting.append(turn)
        length = self._metrics.queue_length.labels(priority)
        length.inc()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # admitted in the moment of leaving
                self._leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise
        finally:
            length.dec()
        return self._clock() - since

    def _admit(self) -> None:
        self.in_flight += 1
        self._metrics.in_flight.inc()

    def _leave(self, held_s: float | None = None) -> None:
        if held_s is not None:
            past = held_s if self._held_s is None else self._held_s
            self._held_s = past + SMOOTHING * (held_s - past)
        self.in_flight -= 1
        self._metrics.in_flight.dec()
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self.in_flight < self.slots:
            turn = self._waiting.popleft()
            if not turn.done():
                self._admit()
                turn.set_result(None)
