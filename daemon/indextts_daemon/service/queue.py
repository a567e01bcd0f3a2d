"""The bounded wait in front of a model: first come, first served, and honest about how long."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
import time

from indextts_daemon.errors import EngineUnavailableError, QueueFullError
from indextts_daemon.metrics import Metrics

SMOOTHING = 0.2  # weight of the newest job in the moving averages
FIRST_GUESS_S = 1.0
HOLD_S = 10.0  # how long one waits while the model cannot speak at all


@dataclass(slots=True, eq=False)
class Place:
    """A job's place at the model; given back once, early or at the latest on leaving."""

    waited_s: float
    release: Callable[[], None]


class JobQueue:
    """Admits as many jobs as the model can use at once; a bounded number waits behind them.

    Who has been spoken but is still listening counts among those who wait, since its audio is
    kept. One place to wait beyond `capacity` is for critical requests. While the queue is closed
    it admits nobody, and each waits for `hold_s` at most.
    """

    def __init__(
        self,
        *,
        capacity: int,
        metrics: Metrics,
        hold_s: float = HOLD_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capacity = capacity
        self.slots = 1
        self.in_flight = 0
        self.listening = 0  # spoken to the end, and not yet heard to it
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.last_used_at = clock()  # when somebody last came or went
        self._still = asyncio.Event()  # nobody is spoken to
        self._still.set()
        self._held_s: float | None = None  # mean times, in a place and listening after it
        self._heard_s: float | None = None
        self._hold_s = self._patience_s = hold_s
        self._why_closed: Callable[[], EngineUnavailableError] | None = None
        self._closings = 0
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

        One who listens leaves every mean / listening seconds. A place falls free every
        mean / slots seconds, but who held it then listens as well.
        """
        if self._why_closed is not None:
            return self._why_closed().retry_after_s
        held_s = FIRST_GUESS_S if self._held_s is None else self._held_s
        heard_s = FIRST_GUESS_S if self._heard_s is None else self._heard_s
        moving_up_s = held_s / self.slots + (self._heard_s or 0.0)
        return min(moving_up_s, heard_s / self.listening) if self.listening else moving_up_s

    def resize(self, slots: int) -> None:
        """Admit `slots` jobs at once from now on."""
        self.slots, self._why_closed = slots, None
        self._touch()
        self._wake()

    def close(self, why: Callable[[], EngineUnavailableError], *, hold: bool = True) -> None:
        """Admit nobody until resized; who has waited for as long as that may last is told why.

        Without `hold`, nobody waits any longer.
        """
        self.slots, self._why_closed = 0, why
        self._closings += 1
        self._patience_s = self._hold_s if hold else 0.0
        for turn in self._waiting:
            self._bear_with(turn)

    async def still(self) -> None:
        """Wait until nobody is spoken to."""
        await self._still.wait()

    async def opened(self, priority: str) -> None:
        """Wait as for a place, but only until the queue is not closed; take none.

        Raises QueueFullError and EngineUnavailableError.
        """
        if not self.slots:
            await self._enter(priority)
            self._leave()

    @asynccontextmanager
    async def place(self, priority: str) -> AsyncIterator[Place]:
        """Hold a place while inside, or until it is released.

        Raises QueueFullError, and EngineUnavailableError when the queue stays closed.
        """
        waited_s = await self._enter(priority)
        self._metrics.queue_wait.labels(priority).observe(waited_s)
        since = self._clock()
        made_at: float | None = None

        def release() -> None:
            nonlocal made_at
            if made_at is None:
                made_at = self._clock()
                self._held_s = _mean(self._held_s, made_at - since)
                self.listening += 1
                self._leave()

        try:
            yield Place(waited_s=waited_s, release=release)
        finally:
            release()
            self.listening -= 1
            self._touch()
            self._heard_s = _mean(self._heard_s, self._clock() - (made_at or since))

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
        self._touch()
        if not self.slots:
            self._bear_with(turn)
        length = self._metrics.queue_length.labels(priority)
        length.inc()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:  # admitted while leaving
                self._leave()
            raise
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
            length.dec()
            self._touch()
        return self._clock() - since

    def _bear_with(self, turn: asyncio.Future[None]) -> None:
        turn.get_loop().call_later(self._patience_s, self._turn_away, turn, self._closings)

    def _turn_away(self, turn: asyncio.Future[None], closing: int) -> None:
        """Tell one who waits why the queue is closed, if it still is for the same reason."""
        why = self._why_closed
        if why is not None and closing == self._closings and not turn.done():
            self._waiting.remove(turn)
            turn.set_exception(why())

    def _touch(self) -> None:
        self.last_used_at = self._clock()
        if self.in_flight:
            self._still.clear()
        else:
            self._still.set()

    def _admit(self) -> None:
        self.in_flight += 1
        self._touch()
        self._metrics.in_flight.inc()

    def _leave(self) -> None:
        self.in_flight -= 1
        self._metrics.in_flight.dec()
        self._wake()
        self._touch()

    def _wake(self) -> None:
        while self._waiting and self.in_flight < self.slots:
            turn = self._waiting.popleft()
            if not turn.done():
                self._admit()
                turn.set_result(None)


def _mean(past: float | None, newest: float) -> float:
    return newest if past is None else past + SMOOTHING * (newest - past)
