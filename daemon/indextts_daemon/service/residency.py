"""Which models stay in memory: who sleeps after a while, and who makes room for another."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
import logging
from typing import Protocol

from indextts_daemon.errors import EngineUnavailableError, Problem, place_of
from indextts_daemon.worker.handle import WorkerHandle, WorkerSpec, WorkerState

from .generation import Generations
from .operations import Operations, Result

LOGGER = logging.getLogger(__name__)

EMBEDDED = "embedded"  # the engine that needs no card
IDLE = "idle"
RETRY_S = 0.2


class Resident(Protocol):
    """A model, as far as its coming and going is concerned."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def spec(self) -> WorkerSpec:
        """What runs it."""
        ...

    @property
    def state(self) -> WorkerState:
        """What its process is doing; `unloaded` once that is gone."""
        ...

    @property
    def busy(self) -> bool:
        """Whether anybody waits for it, is spoken to, or still listens."""
        ...

    @property
    def last_used_at(self) -> float:
        """When a request last came or went, on the monotonic clock."""
        ...

    @property
    def memory_bytes(self) -> int | None:
        """What it held of the card when it was last ready; None before it was measured."""
        ...

    def keep(self) -> None:
        """Load it, and keep it loaded."""

    async def ready(self, priority: str = ...) -> WorkerHandle:
        """Load it if need be, and wait for that. Raises EngineUnavailableError, QueueFullError."""
        ...

    async def unload(
        self, *, timeout_s: float, reason: str | None = None, turn_away: bool = False
    ) -> None:
        """Let who came be spoken to within the time, then end its process; gives up a load."""


def on_card(model: Resident) -> bool:
    """Whether a model has to go when the card is left to others."""
    return model.spec.engine != EMBEDDED and model.spec.options.get("device") != "cpu"


class Residency:
    """Unloads who is not needed; never one that is busy or pinned."""

    def __init__(self, generations: Generations, operations: Operations) -> None:
        self._generations = generations
        self._operations = operations
        self._leaving: set[Resident] = set()
        self._welcomed: dict[Resident, float] = {}  # when it was first seen loaded, or prewarmed
        self._tasks: set[asyncio.Task[None]] = set()

    def rest(self, now: float, *, spare: Collection[Resident] = ()) -> None:
        """Begin to unload who has not been used for the time that is set, but for `spare`."""
        generation = self._generations.current
        ready = [one for one in generation.models.values() if one.state is WorkerState.ready]
        self._welcomed = {model: self._welcomed.get(model, now) for model in ready}
        keep_alive_s = generation.settings.models.keep_alive_s
        if keep_alive_s <= 0:
            return
        default = generation.models[generation.default]
        for model in self._movable():
            is_voice_of_last_resort = model is default and model.spec.engine == EMBEDDED
            idle_s = now - max(model.last_used_at, self._welcomed[model])
            if is_voice_of_last_resort or model in spare or idle_s < keep_alive_s:
                continue
            task = asyncio.create_task(self._put_to_sleep(model))
            self._leaving.add(model)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def evict(self, models: Iterable[Resident], *, reason: str) -> bool:
        """Unload them once they have finished their sentences; tell whether all are gone.

        `reason` is one of the metrics' EVICTIONS.
        """
        going = tuple(models)
        timeout_s = self._generations.current.settings.models.drain_timeout_s
        self._leaving.update(going)
        try:
            outcomes = await asyncio.gather(
                *(
                    model.unload(timeout_s=timeout_s, reason=reason, turn_away=reason != IDLE)
                    for model in going
                ),
                return_exceptions=True,
            )
        finally:
            self._leaving.difference_update(going)
        for model, outcome in zip(going, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                LOGGER.error("model %s was not unloaded: %s", model.id, place_of(outcome))
        return not any(isinstance(outcome, BaseException) for outcome in outcomes)

    async def load(self, model: Resident, *, require: Callable[[], None]) -> None:
        """Load a model; before each attempt, `require` may raise.

        Raises SpeechError, TimeoutError.
        """
        async with asyncio.timeout(self._generations.current.settings.worker.load_timeout_s):
            while True:
                require()
                try:
                    await model.ready()
                except EngineUnavailableError:
                    require()
                    if model.state is WorkerState.failed:
                        raise
                else:
                    self._welcomed.pop(model, None)  # its time begins anew
                    return
                await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _movable(self) -> Iterator[Resident]:
        generation = self._generations.current
        pinned = generation.settings.models.pinned
        for model in generation.models.values():
            loaded = model.state is WorkerState.ready and model not in self._leaving
            if loaded and not model.busy and model.id not in pinned:
                yield model

    async def _put_to_sleep(self, model: Resident) -> None:
        running = self._operations.begin("sharing", "unload", who=IDLE, subject=model.id)
        if await self.evict((model,), reason="idle"):
            LOGGER.info("model %s was not used for long, and is unloaded", model.id)
            running.end(Result.applied, generation=self._generations.current.number)
        else:
            running.end(Result.rejected, code="internal", errors=(STUCK,))


STUCK = Problem(message="A model did not leave the GPU; the daemon's log says where.")
