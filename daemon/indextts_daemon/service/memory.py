"""Whether a model fits beside those that are loaded, in the place of one, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from indextts_daemon.errors import SpeechError
from indextts_daemon.worker.footprint import Footprint
from indextts_daemon.worker.handle import WorkerSpec, WorkerState

from .generation import Generations
from .headroom import available
from .models import Model
from .needs import Need, Needs, estimated
from .promotion import Entrance
from .routing import FALLBACK

GIB = 2**30
TAKES_NO_MORE = {WorkerState.ready, WorkerState.draining, WorkerState.failed}
MARGIN = 1.15  # of what was measured: a long sentence takes more than the first one did
RESERVE = GIB // 2  # of the machine's own memory, for everything else

CardFree = Callable[[], Awaitable[int | None]]  # bytes; None without a card that tells


class InsufficientMemoryError(SpeechError):
    """There is no room for the model, whoever leaves."""

    code = "insufficient_memory"


class Mode(StrEnum):
    """How a model comes in."""

    side_by_side = "side_by_side"
    in_place = "in_place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a loaded model holds, and whether it may be unloaded to make room."""

    id: str
    everywhere: int  # bytes, of the card and of the machine's own memory
    here: int  # of that which the newcomer needs
    may_leave: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much there is; None where nothing bounds it."""

    free: int | None  # bytes, without the reserve
    budget: int | None  # of all loaded models together


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How a model comes in, why, and who has to leave before."""

    mode: Mode
    why: str
    leaving: tuple[str, ...] = ()


def decide(
    need: int | None, room: Room, residents: Sequence[Held], replaced: str | None
) -> Decision:
    """Find the way in that keeps most of the house talking. Raises InsufficientMemoryError.

    `residents` stand in the order in which they may leave; the one `replaced` leaves only where
    nothing else helps. A need that is not known is none, but there has to be some room.
    """
    wanted = max(1, round((need or 0) * MARGIN))
    fits = _Fit(wanted, room, sum(one.everywhere for one in residents))
    if fits(()):
        return Decision(mode=Mode.side_by_side, why=_why(need, room, "It fits beside the others."))
    idle = [one for one in residents if one.may_leave and one.id != replaced]
    idle.sort(key=_speaks_for_others)
    if (leaving := _fewest(fits, idle)) is not None:
        return Decision(
            mode=Mode.side_by_side,
            why=_why(need, room, "It fits once who is not in use has left."),
            leaving=leaving,
        )
    going = [one for one in residents if one.id == replaced]
    others = [one for one in idle if not _speaks_for_others(one)]  # nobody else is there meanwhile
    if going and (leaving := _fewest(fits, others, going)) is not None:
        return Decision(
            mode=Mode.in_place,
            why=_why(need, room, "It fits only in the place of the one before."),
            leaving=leaving,
        )
    raise InsufficientMemoryError(
        _why(need, room, "There is too little memory for this model, whichever other one leaves.")
    )


class _Fit:
    """Tells whether the newcomer fits once some have left."""

    def __init__(self, wanted: int, room: Room, held: int) -> None:
        self._wanted, self._room, self._held = wanted, room, held

    def __call__(self, leaving: Sequence[Held]) -> bool:
        free, budget = self._room.free, self._room.budget
        freed = sum(one.here for one in leaving)
        left = self._held - sum(one.everywhere for one in leaving)
        return (free is None or free + freed >= self._wanted) and (
            budget is None or budget - left >= self._wanted
        )


def _fewest(fits: _Fit, idle: Sequence[Held], going: Sequence[Held] = ()) -> tuple[str, ...] | None:
    """Name who leaves: those `going`, and who of the idle is needed besides; None if no use."""
    for count in range(len(idle) + 1):
        leaving = [*going, *idle[:count]]
        if not fits(leaving):
            continue
        for one in reversed(idle[:count]):
            without = [other for other in leaving if other is not one]
            leaving = without if fits(without) else leaving
        return tuple(one.id for one in leaving)
    return None


def _speaks_for_others(one: Held) -> bool:
    return one.id == FALLBACK


def _why(need: int | None, room: Room, verdict: str) -> str:
    told = [verdict]
    told.append("What it needs is not known yet." if need is None else f"It needs {_gib(need)}.")
    if room.free is not None:
        told.append(f"{_gib(max(0, room.free))} can be used.")
    if room.budget is not None:
        told.append(f"All models together may hold {_gib(room.budget)}.")
    return " ".join(told)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


class MemoryGuard:
    """Decides for the house as it is now, by what was measured or can be guessed."""

    def __init__(self, generations: Generations, needs: Needs, *, card_free: CardFree) -> None:
        self._generations = generations
        self._needs = needs
        self._card_free = card_free
        self._turn = asyncio.Lock()  # of who makes room: the same room is given to one only

    async def entrance(
        self, spec: WorkerSpec, *, residents: Sequence[Model], replaced: Model | None
    ) -> Entrance:
        """Say how a model can come in. Raises InsufficientMemoryError."""
        async with self._turn:
            return await self._entrance(spec, residents=residents, replaced=replaced)

    async def _entrance(
        self, spec: WorkerSpec, *, residents: Sequence[Model], replaced: Model | None
    ) -> Entrance:
        self.look()
        residents = [model for model in residents if self._counts(model)]
        limits = self._generations.current.settings
        on_card = await self._card_free() if may_use_card(spec) else None
        free = await asyncio.to_thread(available) if on_card is None else on_card
        reserve = RESERVE if on_card is None else round(limits.sharing.free_gib * GIB)
        promised = sum([await self._promised(model, on_card) for model in residents])
        budget = limits.models.memory_budget_gib
        decision = decide(
            await self._needed(spec, replaced, on_card),
            Room(
                free=None if free is None else free - reserve - promised,
                budget=None if budget is None else round(budget * GIB),
            ),
            [
                self._held(model, on_card)
                for model in sorted(residents, key=lambda model: model.last_used_at)
            ],
            None if replaced is None else replaced.id,
        )
        by_id = {self._name(model): model for model in residents}
        leaving = [by_id[id_] for id_ in decision.leaving]
        return Entrance(mode=decision.mode, reason=decision.why, leaving=leaving)

    async def _needed(
        self, spec: WorkerSpec, replaced: Model | None, on_card: int | None
    ) -> int | None:
        """Return what a model was measured to need, or what its files and its kin let expect."""
        if (known := self._needs.of(spec)) is not None:
            return _share(known, on_card)
        guess = await asyncio.to_thread(estimated, spec)
        is_kin = replaced is not None and replaced.id == spec.model
        kin = self._needs.of(replaced.spec) if replaced is not None and is_kin else None
        told = (guess, None if kin is None else _share(kin, on_card))
        return max((size for size in told if size is not None), default=None)

    async def _promised(self, model: Model, on_card: int | None) -> int:
        """Return what a model that is loading will still take of what is free, if it is known."""
        elsewhere = on_card is not None and not may_use_card(model.spec)
        if elsewhere or model.state in TAKES_NO_MORE:
            return 0
        need = await self._needed(model.spec, None, on_card) or 0
        now = _told(None if model.worker is None else await model.worker.held())
        return max(0, need - (0 if now is None else _here(now, on_card)))

    async def make_room(self, model: Model) -> None:
        """Unload who has to go before a model is loaded. Raises InsufficientMemoryError."""
        async with self._turn:
            while (other := await self._in_the_way(model)) is not None:
                if not (other.busy or self._generations.chosen(other)):  # it was idle just now
                    await other.unload(timeout_s=0, reason="budget")

    async def _in_the_way(self, model: Model) -> Model | None:
        """Return who has to go first. Raises InsufficientMemoryError."""
        others = [one for one in self._generations.residents if one is not model]
        entrance = await self._entrance(model.spec, residents=others, replaced=None)
        return entrance.leaving[0] if entrance.leaving else None

    def _counts(self, model: Model) -> bool:
        """Whether a model has memory, or was told that it may; else it will still ask."""
        told = model.state is WorkerState.loading or model in self._generations.newcomers
        return model.worker is not None or told

    def _name(self, model: Model) -> str:
        """Tell two versions of one model apart: who is about to come in is another."""
        counts = self._generations.current.models.get(model.id) is model
        return model.id if counts else f"{model.id}+"

    def look(self) -> None:
        """Note what the models hold that are loaded now."""
        for model in self._generations.current.models.values():
            self.note(model)

    def note(self, model: Model) -> None:
        """Note what a model holds, if it is loaded."""
        if (held := _measured(model)) is not None:
            self._needs.note(model.spec, held)

    async def save(self) -> None:
        """Note what the models hold, and write down what is new of it."""
        self.look()
        await self._needs.save()

    def _held(self, model: Model, on_card: int | None) -> Held:
        """Say what a loaded model holds; one that is loading holds what it is known to need."""
        current = self._generations.current
        held = _measured(model) or self._needs.of(model.spec) or Need(resident=0)
        needed = (
            model.id in {current.default, *current.settings.models.pinned}
            or model in self._generations.newcomers
        )
        return Held(
            id=self._name(model),
            everywhere=held.resident + (held.gpu or 0),
            here=_here(held, on_card),
            may_leave=not (needed or model.busy or self._generations.chosen(model)),
        )


def may_use_card(spec: WorkerSpec) -> bool:
    """Whether a model goes onto the card, if there is one."""
    return spec.engine == "indextts" and spec.options.get("device") != "cpu"


def _share(need: Need, on_card: int | None) -> int:
    """Return what of a need is bounded by what is free."""
    return need.resident if on_card is None or need.gpu is None else need.gpu


def _here(held: Need, on_card: int | None) -> int:
    """Return how much of that is held which is looked at: the card, or the machine's own."""
    return held.resident if on_card is None else held.gpu or 0


def _measured(model: Model) -> Need | None:
    return _told(None if model.worker is None else model.worker.footprint)


def _told(footprint: Footprint | None) -> Need | None:
    return None if footprint is None else Need(resident=footprint.resident, gpu=footprint.gpu)
