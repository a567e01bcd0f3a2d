"""Promotion: a model loads and speaks to nobody before anybody hears it.

Beside the one whose place it takes where the memory allows, else after that one has left, while
those who come wait at the gate.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
import logging
from typing import Protocol

from indextts_daemon.errors import EngineUnavailableError, SpeechError
from indextts_daemon.speech import Say, say_nothing
from indextts_daemon.worker.handle import WorkerSpec, WorkerState

from .gate import Gate
from .generation import Generations
from .inspection import inspect
from .models import Model
from .operations import Running

LOGGER = logging.getLogger(__name__)

RETRY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How a model can come in."""

    mode: str  # side_by_side or in_place
    reason: str
    leaving: Sequence[Model] = ()  # who has to make room before


class Room(Protocol):
    """Knows how much memory there is, and who needs how much."""

    async def entrance(
        self, spec: WorkerSpec, *, residents: Sequence[Model], replaced: Model | None
    ) -> Entrance:
        """Say how a model can come in. Raises SpeechError where it cannot at all."""
        ...


class Audience(Protocol):
    """Listens to models before anybody else does."""

    async def hear(self, model: Model, say: Say) -> Mapping[str, object]:
        """Have a model speak, and return figures. Raises SpeechError for what is no speech."""
        ...

    async def admit(self, model: Model) -> None:
        """Note that a model was let in."""
        ...


class Absent(Protocol):
    """Knows whether the GPU was left to somebody else."""

    @property
    def when_paused(self) -> asyncio.Event:
        """Set while it is."""
        ...

    def may_use_gpu(self, model: Model) -> bool:
        """Whether the model may be loaded and speak."""
        ...

    def refusal(self) -> EngineUnavailableError:
        """Return why it may not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A model's place, until it is taken with a commit or given back."""

    take: Callable[[], Awaitable[None]]
    give_back: Callable[[], Awaitable[None]]


async def _nothing() -> None:
    """There is nothing to give back."""


class Promoter:
    """Has models loaded and heard; used by one operation at a time."""

    def __init__(
        self,
        generations: Generations,
        *,
        room: Room,
        audience: Audience,
        gate: Gate,
        absent: Absent,
    ) -> None:
        self._generations = generations
        self._room = room
        self._audience = audience
        self._gate = gate
        self._absent = absent

    def may_load(self, model: Model) -> bool:
        """Whether a model may be loaded now."""
        return self._absent.may_use_gpu(model)

    async def promote(self, model: Model, *, replaced: Model | None, running: Running) -> Seat:
        """Load a model and hear it. Raises SpeechError; it is then ended, and all is as before."""
        if not self._absent.may_use_gpu(model):
            raise self._absent.refusal()
        if model.state is WorkerState.ready:
            await self._loaded_and_heard(model, running)
            return Seat(take=lambda: self._take(model, ()), give_back=_nothing)
        await inspect(model.spec, running.say)
        self._generations.newcomers.add(model)
        try:
            entrance = await self._entrance(model, replaced)
        except BaseException:
            self._generations.newcomers.discard(model)
            raise
        running.detail(mode=entrance.mode, why=entrance.reason)
        leaving, kept = tuple(entrance.leaving), model.kept
        try:
            if leaving:
                await self._make_room(leaving, running)
            await self._loaded_and_heard(model, running)
        except Exception:
            await asyncio.shield(self._give_back(model, leaving))
            if kept and self._absent.may_use_gpu(model):
                model.keep()
            raise
        except BaseException:  # the daemon stops
            await asyncio.shield(self._let_go(model, leaving))
            raise
        operation = asyncio.current_task()

        async def give_back() -> None:
            stops = operation is not None and operation.cancelling()  # the daemon does
            await (self._let_go if stops else self._give_back)(model, leaving)

        return Seat(take=lambda: self._take(model, leaving), give_back=give_back)

    async def _entrance(self, model: Model, replaced: Model | None) -> Entrance:
        residents = [other for other in self._generations.residents if other is not model]
        return await self._room.entrance(model.spec, residents=residents, replaced=replaced)

    async def _make_room(self, leaving: Sequence[Model], running: Running) -> None:
        """Let models finish and end them; whoever comes for one of them waits at the gate."""
        limits = self._generations.current.settings.models
        self._gate.shut({model.id for model in leaving}, hold_s=limits.max_hold_s)
        running.say("It waits for its place: what is being spoken is finished first.")
        for model in leaving:
            with suppress(TimeoutError):
                async with asyncio.timeout(limits.drain_timeout_s):
                    await self._generations.unneeded(model)
            model.held = True
            await model.unload(timeout_s=0, reason="budget")

    async def _loaded_and_heard(self, model: Model, running: Running) -> None:
        model.on_progress = running.say
        work = asyncio.create_task(self._audit(model, running))
        paused = asyncio.create_task(self._absent.when_paused.wait())
        try:
            await asyncio.wait({work, paused}, return_when=asyncio.FIRST_COMPLETED)
            heard = work.done() and work.exception() is None
            if not heard and not self._absent.may_use_gpu(model):  # it has not failed
                raise self._absent.refusal()
            await work
        finally:
            for task in (work, paused):
                task.cancel()
            await asyncio.wait({work, paused})
            model.on_progress = say_nothing

    async def _audit(self, model: Model, running: Running) -> None:
        await model.trial()
        running.detail(canary=dict(await self._audience.hear(model, running.say)))

    async def _take(self, model: Model, leaving: Sequence[Model]) -> None:
        self._generations.newcomers.discard(model)
        for other in leaving:
            other.held = False
        self._gate.open([other.id for other in leaving])
        await self._audience.admit(model)

    async def _let_go(self, model: Model, leaving: Sequence[Model]) -> None:
        """End the model, and let everybody come and go again."""
        try:
            await model.unload(timeout_s=0)
        finally:
            self._generations.newcomers.discard(model)
            for other in leaving:
                other.held = False
            self._gate.open([other.id for other in leaving])

    async def _give_back(self, model: Model, leaving: Sequence[Model]) -> None:
        """End the model, and have those back that made room for it, as far as they may come.

        People may speak with one of the current generation already; they are heard to the end.
        """
        current = self._generations.current
        limits = current.settings.models
        is_known = current.models.get(model.id) is model
        try:
            await model.unload(timeout_s=limits.drain_timeout_s if is_known else 0)
            self._generations.newcomers.discard(model)
            for other in leaving:
                other.held = False
                with suppress(TimeoutError):
                    async with asyncio.timeout(limits.max_hold_s):
                        await self._back(other)
                self._gate.open([other.id])
        finally:
            self._generations.newcomers.discard(model)
            for other in leaving:
                other.held = False
            self._gate.open([other.id for other in leaving])

    async def _back(self, model: Model) -> None:
        """Have a model back that made room, for as long as it loads and may come."""
        while self._absent.may_use_gpu(model):
            with suppress(SpeechError):  # a load may take longer than its queue bears with
                await model.ready("critical")
            if model.load_failed:
                LOGGER.error("model %s does not come back: %s", model.id, model.reason)
            if model.load_failed or model.state is WorkerState.ready:
                return
            await asyncio.sleep(RETRY_S)
