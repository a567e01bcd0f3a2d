"""Who fits beside whom: the house goes on talking where it can, and nobody is loaded on hope."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given, strategies as st
import pytest

from indextts_daemon.api.problems import STATUS
from indextts_daemon.config import load_settings
from indextts_daemon.service import memory as place
from indextts_daemon.service.memory import (
    GIB,
    MARGIN,
    Decision,
    Held,
    InsufficientMemoryError,
    MemoryGuard,
    Mode,
    Room,
    decide,
    may_use_card,
)
from indextts_daemon.service.needs import Need, Needs
from indextts_daemon.worker.handle import Footprint, WorkerSpec, WorkerState

NEED = 10 * GIB


def held(identity: str, gib: float, *, may_leave: bool = True) -> Held:
    size = round(gib * GIB)
    return Held(id=identity, everywhere=size, here=size, may_leave=may_leave)


def room(free: float | None = None, budget: float | None = None) -> Room:
    free_bytes = None if free is None else round(free * GIB)
    return Room(free=free_bytes, budget=None if budget is None else round(budget * GIB))


OLD = held("old", 10, may_leave=False)
# free and budget in GiB, who is there, and what is decided for 10 GiB in place of "old"
CASES: list[tuple[Room, list[Held], Mode | None, tuple[str, ...]]] = [
    (room(), [OLD], Mode.side_by_side, ()),
    (room(free=11.5), [OLD], Mode.side_by_side, ()),
    (room(free=11.4), [OLD], Mode.in_place, ("old",)),
    (room(free=1.5), [OLD], Mode.in_place, ("old",)),
    (room(free=1.4), [OLD], None, ()),
    (room(free=2), [held("idle", 9.5), OLD], Mode.side_by_side, ("idle",)),
    (room(free=2), [held("busy", 9.5, may_leave=False), OLD], Mode.in_place, ("old",)),
    (room(free=2), [held("a", 5), held("b", 5), held("c", 5)], Mode.side_by_side, ("a", "b")),
    (room(free=0), [held("idle", 1.5), OLD], Mode.in_place, ("old", "idle")),
    (room(free=1), [held("none", 0), held("idle", 11), OLD], Mode.side_by_side, ("idle",)),
    (room(free=1), [held("none", 0), held("idle", 1), OLD], Mode.in_place, ("old", "idle")),
    (room(free=0), [held("a", 5), held("b", 2), held("c", 7)], Mode.side_by_side, ("a", "c")),
    (room(budget=21.5), [OLD], Mode.side_by_side, ()),
    (room(budget=21), [OLD], Mode.in_place, ("old",)),
    (room(budget=11), [OLD], None, ()),
    (room(free=100, budget=21), [OLD], Mode.in_place, ("old",)),
    (room(free=5, budget=100), [], None, ()),
    (room(free=-1), [OLD], None, ()),
]


@pytest.mark.parametrize(("given_room", "residents", "mode", "leaving"), CASES, ids=str)
def test_the_way_in_is_the_one_that_keeps_most_of_the_house_talking(
    given_room: Room, residents: list[Held], mode: Mode | None, leaving: tuple[str, ...]
) -> None:
    if mode is None:
        with pytest.raises(InsufficientMemoryError):
            decide(NEED, given_room, residents, "old")
    else:
        decision = decide(NEED, given_room, residents, "old")
        assert (decision.mode, decision.leaving) == (mode, leaving)


def test_a_model_that_takes_nobodys_place_never_makes_the_default_leave() -> None:
    with pytest.raises(InsufficientMemoryError):
        decide(NEED, room(free=2), [OLD], None)


def test_what_is_not_known_is_no_reason_unless_there_is_no_room_at_all() -> None:
    assert decide(None, room(free=3, budget=11), [OLD], "old").mode is Mode.side_by_side
    assert decide(None, room(budget=10), [OLD], "old").mode is Mode.in_place
    assert decide(None, room(free=0), [OLD], "old").mode is Mode.in_place


def test_the_reason_names_what_there_is_and_what_it_takes() -> None:
    why = decide(NEED, room(free=20, budget=40), [OLD], "old").why
    assert why == (
        "It fits beside the others. It needs 10.0 GiB. 20.0 GiB can be used. "
        "All models together may hold 40.0 GiB."
    )
    with pytest.raises(InsufficientMemoryError) as caught:
        decide(NEED, room(free=1), [], None)
    assert "It needs 10.0 GiB" in caught.value.message
    assert STATUS[caught.value.error_code] == 507


sizes = st.floats(0, 30)


@given(
    need=sizes,
    free=st.none() | st.floats(-2, 40),
    budget=st.none() | st.floats(0.1, 60),
    residents=st.lists(st.tuples(sizes, st.booleans()), max_size=4),
    replaces=st.booleans(),
)
def test_whatever_is_decided_fits_and_nobody_leaves_who_may_not(
    need: float,
    free: float | None,
    budget: float | None,
    residents: list[tuple[float, bool]],
    *,
    replaces: bool,
) -> None:
    people = [held(str(n), gib, may_leave=free_) for n, (gib, free_) in enumerate(residents)]
    replaced = people[-1].id if people and replaces else None
    there = room(free, budget)
    try:
        decision = decide(round(need * GIB), there, people, replaced)
    except InsufficientMemoryError:
        return
    going = {one.id: one for one in people if one.id in decision.leaving}
    assert all(one.may_leave or one.id == replaced for one in going.values())
    assert (replaced in going) == (decision.mode is Mode.in_place)
    assert all(may_not_stay(one, going, need, there, people) for one in going.values())
    wanted = need * GIB * MARGIN
    if there.free is not None:
        assert there.free + sum(one.here for one in going.values()) >= wanted - 1
    if there.budget is not None:
        left = sum(one.everywhere for one in people if one.id not in going)
        assert there.budget - left >= wanted - 1


def may_not_stay(
    one: Held, going: dict[str, Held], need: float, there: Room, people: list[Held]
) -> bool:
    """Tell whether it does not fit if this one stays."""
    wanted = max(1, round(round(need * GIB) * MARGIN))
    staying = [other for other in people if other is one or other.id not in going]
    freed = sum(other.here for other in going.values() if other is not one)
    return (there.free is not None and there.free + freed < wanted) or (
        there.budget is not None
        and there.budget - sum(other.everywhere for other in staying) < wanted
    )


@dataclass(eq=False)
class Loaded:
    """A model that is loaded, or none."""

    id: str
    spec: WorkerSpec
    footprint: Footprint | None = None
    busy: bool = False
    last_used_at: float = 0.0
    present: bool = True
    when_gone: Callable[[], object] = lambda: None

    state: WorkerState = WorkerState.ready
    takes: Footprint | None = None  # so far

    @property
    def worker(self) -> Any:
        return None if self.state is WorkerState.unloaded else self

    async def held(self) -> Footprint | None:
        return self.takes

    async def unload(self, *, timeout_s: float, reason: str | None = None) -> None:
        assert (timeout_s, reason, self.busy) == (0, "budget", False)
        await asyncio.sleep(0)
        self.present, self.state = False, WorkerState.unloaded
        self.when_gone()


@dataclass(eq=False)
class House:
    """Models, settings and a card as the guard sees them."""

    models: dict[str, Any]
    default: str
    flags: dict[str, object] = field(default_factory=dict)
    card: int | None = None
    needs: Needs = field(default_factory=Needs)
    asked: tuple[str, ...] = ()
    newcomers: set[Any] = field(default_factory=set)

    @property
    def residents(self) -> tuple[Any, ...]:
        return (*self.models.values(), *self.newcomers)

    @property
    def current(self) -> Any:
        settings = load_settings(file=None, environment={}, flags=self.flags)
        return SimpleNamespace(settings=settings, models=self.models, default=self.default)

    def chosen(self, model: Any) -> int:
        return model.id in self.asked

    def guard(self) -> MemoryGuard:
        async def card_free() -> int | None:
            return self.card

        return MemoryGuard(self, self.needs, card_free=card_free)  # type: ignore[arg-type]

    async def decided(self, spec: WorkerSpec, replaced: str | None = None) -> Decision:
        models = list(self.residents)
        taken = None if replaced is None else self.models[replaced]
        entrance = await self.guard().entrance(spec, residents=models, replaced=taken)
        return Decision(
            mode=Mode(entrance.mode),
            why=entrance.reason,
            leaving=tuple(model.id for model in entrance.leaving),
        )


def indextts(model: str, **options: str) -> WorkerSpec:
    return WorkerSpec(model=model, engine="indextts", options=options)


def loaded(model: str, *, gpu: float, **how: Any) -> Loaded:
    footprint = Footprint(resident=GIB, gpu=round(gpu * GIB))
    return Loaded(model, indextts(model), footprint, **how)


async def test_a_model_for_the_card_is_weighed_by_what_is_free_there() -> None:
    house = House({"big": loaded("big", gpu=6)}, "big", card=8 * GIB)
    newer = replace(indextts("big"), version="b")
    house.needs.note(newer, Need(resident=100 * GIB, gpu=6 * GIB))
    assert (await house.decided(newer, "big")).mode is Mode.side_by_side
    house.flags = {"sharing.free_gib": 2.0}
    decision = await house.decided(newer, "big")
    assert (decision.mode, decision.leaving) == (Mode.in_place, ("big",))
    house.card = 0
    with pytest.raises(InsufficientMemoryError):
        await house.decided(newer, "big")


async def test_without_a_card_the_machines_own_memory_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = [16 * GIB]
    monkeypatch.setattr(place, "available", lambda: free[0])
    house = House({"big": Loaded("big", indextts("big"), Footprint(resident=4 * GIB))}, "big")
    newer = replace(indextts("big"), version="b")
    house.needs.note(newer, Need(resident=4 * GIB))
    assert (await house.decided(newer, "big")).mode is Mode.side_by_side
    free[0] = 3 * GIB
    assert (await house.decided(newer, "big")).mode is Mode.in_place
    free[0] = GIB
    with pytest.raises(InsufficientMemoryError):
        await house.decided(newer, "big")


async def test_what_a_loaded_model_holds_is_what_it_needs_the_next_time() -> None:
    house = House({"big": loaded("big", gpu=6)}, "big", card=5 * GIB)
    decision = await house.decided(indextts("big"), "big")
    assert decision.mode is Mode.in_place
    assert "It needs 6.0 GiB" in decision.why


async def test_a_version_that_was_never_loaded_is_expected_to_need_what_the_one_before_does() -> (
    None
):
    house = House({"big": loaded("big", gpu=6)}, "big", card=80 * GIB)
    house.flags = {"models.memory_budget_gib": 13.0}  # it is 14 for both
    newer = replace(indextts("big"), version="b")
    assert (await house.decided(newer, "big")).mode is Mode.in_place
    house.flags = {"models.memory_budget_gib": 14.0}
    assert (await house.decided(newer, "big")).mode is Mode.side_by_side


async def test_only_who_is_of_no_use_now_makes_room_and_the_longest_unused_first() -> None:
    def house(**flags: object) -> House:
        models = {
            "default": loaded("default", gpu=4, last_used_at=0),
            "pinned": loaded("pinned", gpu=4, last_used_at=1),
            "busy": loaded("busy", gpu=4, last_used_at=2, busy=True),
            "bound": loaded("bound", gpu=4, last_used_at=3),
            "late": loaded("late", gpu=4, last_used_at=9),
            "early": loaded("early", gpu=4, last_used_at=5),
        }
        found = House(models, "default", flags={"models.pinned": ["pinned"], **flags})
        found.card, found.asked = 4 * GIB, ("bound",)
        found.needs.note(indextts("new"), Need(resident=0, gpu=5 * GIB))
        return found

    assert (await house().decided(indextts("new"))).leaving == ("early",)
    two = house()
    two.card = 2 * GIB
    assert (await two.decided(indextts("new"))).leaving == ("early", "late")
    two.card = 0
    two.flags |= {"sharing.free_gib": 4.0}
    with pytest.raises(InsufficientMemoryError):
        await two.decided(indextts("new"))


async def test_the_voice_of_last_resort_leaves_last_and_never_while_nobody_else_is_there() -> None:
    small = Footprint(resident=GIB // 4)
    models = {
        "embedded": Loaded("embedded", WorkerSpec(model="embedded", engine="embedded"), small),
        "idle": loaded("idle", gpu=1, last_used_at=1),
        "big": loaded("big", gpu=6, last_used_at=2),
    }
    house = House(models, "big", card=0)
    house.needs.note(indextts("big", weights="b"), Need(resident=0, gpu=round(4.5 * GIB)))
    assert (await house.decided(indextts("big", weights="b"), "big")).leaving == ("big", "idle")
    house.card, house.flags = 80 * GIB, {"models.memory_budget_gib": 12.3}
    beside = await house.decided(indextts("big", weights="b"), "big")
    assert (beside.mode, beside.leaving) == ("side_by_side", ("idle", "embedded"))
    house.flags = {"models.memory_budget_gib": 5.3}  # it would fit only with nobody else at all
    with pytest.raises(InsufficientMemoryError):
        await house.decided(indextts("big", weights="b"), "big")


@pytest.mark.parametrize("comes", [False, True])
async def test_nobody_makes_room_who_became_busy_while_another_left(*, comes: bool) -> None:
    models = {
        "default": loaded("default", gpu=1),
        "early": loaded("early", gpu=1, last_used_at=1),
        "late": loaded("late", gpu=1, last_used_at=2),
        "new": Loaded("new", indextts("new"), present=False),
    }
    house = House(models, "default", {"models.memory_budget_gib": 6.2}, card=80 * GIB)
    house.needs.note(indextts("new"), Need(resident=0, gpu=round(3.5 * GIB)))

    def come() -> None:
        models["late"].busy = comes

    models["early"].when_gone = come
    if comes:
        with pytest.raises(InsufficientMemoryError):
            await house.guard().make_room(models["new"])  # type: ignore[arg-type]
    else:
        await house.guard().make_room(models["new"])  # type: ignore[arg-type]
    assert not models["early"].present
    assert models["late"].present == comes


@pytest.mark.parametrize("bound", ["budget", "card"])
async def test_the_same_room_is_given_to_one_only_and_to_who_asked_first(bound: str) -> None:
    models = {
        "default": loaded("default", gpu=1),
        "idle": loaded("idle", gpu=1, last_used_at=1),
        "one": Loaded("one", indextts("one"), busy=True),  # somebody waits for each
        "two": Loaded("two", indextts("two"), busy=True),
    }
    house = House(models, "default", card=6 * GIB)
    if bound == "budget":
        house.flags, house.card = {"models.memory_budget_gib": 6.2}, 80 * GIB
    for name in ("one", "two"):
        house.needs.note(indextts(name), Need(resident=0, gpu=3 * GIB))
        models[name].present, models[name].state = False, WorkerState.unloaded
    guard = house.guard()

    async def load(name: str) -> bool:
        models[name].present = True
        await asyncio.sleep(0)
        try:
            await guard.make_room(models[name])  # type: ignore[arg-type]
            models[name].state = WorkerState.loading  # at once: nothing is awaited in between
        except InsufficientMemoryError:
            models[name].present = False
        return models[name].present

    one, two = await asyncio.gather(load("one"), load("two"))
    assert (one, two) == (True, False)
    assert models["idle"].present == (bound == "card")


@pytest.mark.parametrize(("gpu", "resident"), [(6, 0), (None, 6)], ids=["card", "machine"])
async def test_what_a_model_that_loads_has_taken_already_is_not_free_and_not_counted_twice(
    monkeypatch: pytest.MonkeyPatch, gpu: int | None, resident: int
) -> None:
    def taking(gib: int) -> int:
        """Have the default take some of its memory, of 14 GiB with the reserve."""
        models["big"].takes = Footprint(
            resident=min(resident, gib) * GIB, gpu=None if gpu is None else gib * GIB
        )
        return (14 - gib) * GIB

    models = {
        "big": Loaded("big", indextts("big"), state=WorkerState.loading),
        "new": Loaded("new", indextts("new"), present=False),
    }
    house = House(models, "big")
    need = Need(resident=resident * GIB, gpu=None if gpu is None else gpu * GIB)
    for name in models:
        house.needs.note(indextts(name), need)
    for gib in (0, 3, 6):
        free = taking(gib)
        house.card = None if gpu is None else free
        monkeypatch.setattr(place, "available", lambda free=free: free)
        await house.guard().make_room(models["new"])  # type: ignore[arg-type]
        models["big"].takes = None  # nobody tells: better nobody else than both without
        if gib:
            with pytest.raises(InsufficientMemoryError):
                await house.guard().make_room(models["new"])  # type: ignore[arg-type]


async def test_all_models_together_hold_no_more_than_the_budget() -> None:
    house = House({"big": loaded("big", gpu=6)}, "big", card=80 * GIB)
    house.flags = {"models.memory_budget_gib": 20.0}
    house.needs.note(indextts("new"), Need(resident=0, gpu=6 * GIB))
    assert (await house.decided(indextts("new"))).mode is Mode.side_by_side
    house.flags = {"models.memory_budget_gib": 12.0}
    with pytest.raises(InsufficientMemoryError):
        await house.decided(indextts("new"))


async def test_who_is_about_to_come_in_counts_and_does_not_make_room() -> None:
    newer = loaded("big", gpu=6)  # it is heard just now, in the place of the one before
    models = {
        "big": Loaded("big", indextts("big"), present=False),
        "new": Loaded("new", indextts("new"), present=False),
    }
    house = House(models, "big", {"models.memory_budget_gib": 12.0}, card=80 * GIB)
    house.needs.note(indextts("new"), Need(resident=0, gpu=6 * GIB))
    house.newcomers, house.default = {newer}, "new"
    with pytest.raises(InsufficientMemoryError):
        await house.guard().make_room(models["new"])  # type: ignore[arg-type]
    house.newcomers = set()
    await house.guard().make_room(models["new"])  # type: ignore[arg-type]


async def test_nobody_who_is_coming_in_makes_room_in_the_name_of_the_one_before() -> None:
    old, newer = loaded("a", gpu=4, last_used_at=1), loaded("a", gpu=4, last_used_at=9)
    asked = Loaded("c", indextts("c"), present=False, state=WorkerState.unloaded)
    models = {"default": loaded("default", gpu=1), "a": old, "c": asked}
    house = House(models, "default", {"models.memory_budget_gib": 13.0}, card=80 * GIB)
    house.needs.note(indextts("c"), Need(resident=0, gpu=3 * GIB))
    house.newcomers = {newer}
    await house.guard().make_room(asked)  # type: ignore[arg-type]
    assert (old.present, newer.present) == (False, True)


@pytest.mark.parametrize("measured", [False, True])
async def test_who_has_been_let_in_has_its_room_before_it_has_a_process(*, measured: bool) -> None:
    comes = Loaded("comes", indextts("comes"), present=False, state=WorkerState.unloaded)
    asked = Loaded("asked", indextts("asked"), present=False, state=WorkerState.unloaded)
    models = {"default": loaded("default", gpu=1), "asked": asked}
    house = House(models, "default", {"models.memory_budget_gib": 7.0}, card=80 * GIB)
    house.needs.note(indextts("asked"), Need(resident=0, gpu=3 * GIB))
    house.needs.note(indextts("comes"), Need(resident=0, gpu=(3 if measured else 1) * GIB))
    house.newcomers = {comes}  # those that leave for it still speak
    if not measured:
        await house.guard().make_room(asked)  # type: ignore[arg-type]
        return
    with pytest.raises(InsufficientMemoryError):
        await house.guard().make_room(asked)  # type: ignore[arg-type]


async def test_needs_are_noted_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "needs.json"
    house = House({"big": loaded("big", gpu=6)}, "big", needs=Needs(file))
    await house.guard().save()
    assert Needs(file).of(indextts("big")) == Need(resident=GIB, gpu=6 * GIB)


def test_who_may_go_onto_the_card_is_known_before_it_is_loaded() -> None:
    assert may_use_card(indextts("big", device="auto"))
    assert not may_use_card(indextts("big", device="cpu"))
    assert not may_use_card(WorkerSpec(model="fake", engine="fake"))
