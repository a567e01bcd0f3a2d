"""Swaps: what a new line-up asks for is promoted, and committed as a whole or not at all."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from indextts_daemon.config import Settings
from indextts_daemon.errors import SpeechError
from indextts_daemon.speech import Voice
from indextts_daemon.worker.handle import WorkerSpec

from .generation import Generation, Generations
from .lineup import Lineup, same
from .models import Model
from .operations import Running
from .pool import ModelPool
from .probation import Probation
from .promotion import Promoter, Seat
from .reloading import Change

PROBATION = "probation"  # who asks for what takes back a promotion
Undo = Callable[[str], str]  # has the model of that id go back; returns why it cannot, if so


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The last promotion that did not come about, or did not last."""

    failed: str  # why, in a sentence
    model: str
    version: str
    content: str  # of the version


class _Voices:
    """The voices of models that are about to come in; nobody changes voices until they have."""

    def __init__(self, turn: asyncio.Lock) -> None:
        self.found: dict[Model, tuple[Voice, ...]] = {}
        self._turn = turn
        self._held = False

    async def recast(self, models: Collection[Model], running: Running) -> None:
        """Look which voices there are for each model. Raises SpeechError."""
        casting = [model for model in models if model.recast is not None]
        if casting:
            await self._turn.acquire()
            self._held = True
        for model in casting:
            assert model.recast is not None  # noqa: S101 those that can
            self.found[model] = await model.recast(running.say)

    def let_go(self) -> None:
        """Let others change voices again; harmless when they may."""
        if self._held:
            self._held = False
            self._turn.release()


class Swapper:
    """Turns line-ups into changes; used by one operation at a time."""

    def __init__(
        self,
        generations: Generations,
        pool: ModelPool,
        *,
        make: Callable[[WorkerSpec], Model],
        promoter: Promoter,
        probation: Probation,
    ) -> None:
        self.voices_turn = asyncio.Lock()  # of who changes voices: none may be lost to a swap
        self.refusal: Refusal | None = None
        self._generations = generations
        self._pool = pool
        self._make = make
        self._promoter = promoter
        self._probation = probation

    async def staged(
        self,
        lineup: Lineup,
        settings: Settings,
        running: Running,
        *,
        undo: Undo,
        wanted: Collection[str] = (),
    ) -> Change:
        """Make everything ready for a line-up, with the models `wanted` loaded.

        `undo` is called should what was promoted fail in its probation. Raises SpeechError when a
        model that has to speak does not; nothing has changed then.
        """
        current = self._generations.current
        goes_back = running.now.who == PROBATION  # to what has proved itself; why, is still told
        fresh = self._fresh(lineup, current)
        seats: dict[Model, Seat] = {}
        voices = _Voices(self.voices_turn)
        try:
            for id_ in self._to_prove(lineup, fresh, wanted):
                model = fresh.get(id_) or current.models[id_]
                replaced = current.models.get(id_) if id_ in fresh else None
                if id_ == lineup.default != current.default:
                    replaced = current.models[current.default]
                seats[model] = await self._promoted(model, replaced, running)
            await voices.recast(seats, running)  # others may have come while they loaded
        except BaseException:
            voices.let_go()
            await asyncio.shield(_give_back(seats.values(), fresh.values()))
            raise

        def apply(generation: Generation) -> Generation:
            for model in seats:
                if model.id == lineup.default and not goes_back:
                    self.refusal = None
                    lasts_s = settings.models.probation_s
                    undone = self._undoing(model, undo)
                    self._probation.begin(model, lasts_s=lasts_s, undo=undone)
            now = _applied(generation, lineup, settings, fresh=fresh, proven=seats)
            voices.let_go()
            return replace(now, voices={**now.voices, **voices.found})

        async def after() -> None:
            gone = set(current.models.values()) - set(self._pool)
            self._pool.part(gone)  # should the daemon stop meanwhile
            await asyncio.gather(*(seat.take() for seat in seats.values()))
            timeout_s = settings.models.drain_timeout_s
            await asyncio.gather(*(self._pool.retire(model, timeout_s=timeout_s) for model in gone))

        async def give_up() -> None:
            voices.let_go()
            await _give_back(seats.values(), fresh.values())

        return Change(apply=apply, after=after, give_up=give_up)

    def _fresh(self, lineup: Lineup, current: Generation) -> dict[str, Model]:
        """Make the models that are new, or other than they were; nothing is told of them yet."""
        fresh = {
            id_: self._make(spec)
            for id_, spec in lineup.specs.items()
            if id_ not in current.models or not same(current.models[id_].spec, spec)
        }
        for model in fresh.values():
            model.shown = False
        return fresh

    def _to_prove(
        self, lineup: Lineup, fresh: Mapping[str, Model], wanted: Collection[str]
    ) -> list[str]:
        """Name the models that have to speak before the line-up may count.

        What has left the GPU to somebody else is proven by nothing but its return.
        """
        current = self._generations.current
        changed = {id_ for id_ in fresh if id_ in current.models and current.models[id_].worker}
        if lineup.default in fresh or lineup.default != current.default:
            changed.add(lineup.default)
        here = {
            id_ for id_ in changed if self._promoter.may_load(fresh.get(id_) or current.models[id_])
        }
        return [id_ for id_ in lineup.specs if id_ in {*here, *wanted}]

    async def _promoted(self, model: Model, replaced: Model | None, running: Running) -> Seat:
        try:
            return await self._promoter.promote(model, replaced=replaced, running=running)
        except SpeechError as err:
            if err.error_code not in {"paused", "paused_gpu_busy", "insufficient_memory"}:
                self._refuse(model, err.message)
            raise

    def _undoing(self, model: Model, undo: Undo) -> Callable[[str], None]:
        def undone(why: str) -> None:
            self._refuse(model, " ".join(filter(None, (why, undo(model.id)))))

        return undone

    def _refuse(self, model: Model, why: str) -> None:
        spec = model.spec
        self.refusal = Refusal(
            failed=why, model=spec.model, version=spec.version, content=spec.content
        )


def _applied(
    generation: Generation,
    lineup: Lineup,
    settings: Settings,
    *,
    fresh: Mapping[str, Model],
    proven: Collection[Model],
) -> Generation:
    """Return the generation with a line-up in it; its models are told, the proven ones kept."""
    models = {id_: fresh.get(id_) or generation.models[id_] for id_ in lineup.specs}
    for id_, model in models.items():
        model.adopt(lineup.specs[id_], capacity=settings.queue.capacity)
    for id_, model in fresh.items():
        if id_ in generation.models:
            generation.models[id_].shown = False
        model.show()
    for model in proven:
        model.admit()
    return replace(
        generation,
        settings=settings,
        models=models,
        default=lineup.default,
        reason=lineup.reason,
        voices={model: v for model, v in generation.voices.items() if model in models.values()},
    )


async def _give_back(seats: Collection[Seat], fresh: Collection[Model]) -> None:
    for seat in seats:
        await seat.give_back()
    for model in fresh:
        await model.close()
