"""Who is let in, and who has to be there again before anybody passes: bounds, gates and ends."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from indextts_daemon.errors import EngineUnavailableError, SpeechError
from indextts_daemon.service import promotion
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.gate import Gate
from indextts_daemon.service.generation import Generations
from indextts_daemon.service.operations import Operations, Running
from indextts_daemon.service.promotion import Entrance, Promoter, Seat
from indextts_daemon.speech import Say, say_nothing
from indextts_daemon.worker.handle import WorkerSpec, WorkerState
from tests.daemon.rooms import generations_of, until

READY, LOADING, UNLOADED = WorkerState.ready, WorkerState.loading, WorkerState.unloaded
DRAIN_S = 45.0


@dataclass(eq=False)
class Guest:
    """A model that does as it is told, and notes what is asked of it."""

    id: str
    state: WorkerState = READY
    returns: bool | None = True  # whether a load ends well, or None for never
    patience: int = 0  # how often who waits is told that it is still loading
    held: bool = False
    kept: bool = True
    load_failed: bool = False
    reason: str | None = None
    on_progress: Say = say_nothing
    unloaded: list[float] = field(default_factory=list)  # with how much patience

    @property
    def spec(self) -> WorkerSpec:
        return WorkerSpec(model=self.id, engine="embedded")

    @property
    def present(self) -> bool:
        return self.state is not UNLOADED

    def keep(self) -> None:
        self.kept = True

    async def trial(self) -> None:
        self.state = READY

    async def ready(self, _: str) -> None:
        assert not self.held
        self.state = LOADING
        self.patience -= 1
        if self.returns is None or self.patience >= 0:
            raise EngineUnavailableError("It is still loading.")
        if not self.returns:
            self.state, self.load_failed, self.reason = UNLOADED, True, "A file is missing."
            raise EngineUnavailableError(self.reason)
        self.state = READY

    async def unload(self, *, timeout_s: float, reason: str | None = None) -> None:
        self.unloaded.append(timeout_s)
        self.state = UNLOADED


class House:
    """A promoter, with room and ears as told."""

    def __init__(self, *guests: Guest, **settings: Any) -> None:
        settings = {f"models.{name}": value for name, value in settings.items()}
        bounds = {"models.drain_timeout_s": DRAIN_S, **settings}
        self.generations: Generations = generations_of(*guests, settings=bounds)
        self.gate = Gate()
        self.when_paused = asyncio.Event()
        self.leaving: tuple[Guest, ...] = ()
        self.residents: list[Guest] = []
        self.deaf = False
        room: Any = self
        self.promoter = Promoter(
            self.generations, room=room, audience=room, gate=self.gate, absent=room
        )

    def may_use_gpu(self, _: Guest) -> bool:
        return not self.when_paused.is_set()

    def refusal(self) -> EngineUnavailableError:
        return EngineUnavailableError("Somebody plays.", code="paused")

    async def entrance(
        self, _: WorkerSpec, *, residents: Sequence[Guest], replaced: Guest | None
    ) -> Entrance:
        self.residents = list(residents)
        leaving: Any = self.leaving
        return Entrance(mode="in_place", reason="It is tight.", leaving=leaving)

    async def hear(self, _model: Guest, _say: Say) -> Mapping[str, object]:
        if self.deaf:
            raise SpeechError("It made silence.")
        return {}

    async def admit(self, model: Guest) -> None:
        """Take note of nothing."""

    def running(self) -> Running:
        return Operations(EventBus()).begin("models", "load", who="api")

    async def promote(self, guest: Guest, *, leaving: tuple[Guest, ...] = ()) -> Seat:
        self.leaving = leaving
        model: Any = guest
        return await self.promoter.promote(model, replaced=None, running=self.running())


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "RETRY_S", 0.0)


async def test_who_made_room_is_waited_for_longer_than_its_queue_bears_with(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = Guest("big", patience=5)
    house = House(old)
    house.deaf = True
    with pytest.raises(SpeechError, match="silence"):
        await house.promote(Guest("big", UNLOADED), leaving=(old,))
    assert (old.state, old.held, house.gate._shut) == (READY, False, {})
    assert caplog.messages == []


async def test_the_gate_stays_shut_until_who_made_room_is_back() -> None:
    old = Guest("big", returns=None)
    house = House(old)
    house.deaf = True
    promoting = asyncio.create_task(house.promote(Guest("big", UNLOADED), leaving=(old,)))
    await until(lambda: old.state is LOADING)
    await asyncio.sleep(0.01)
    assert set(house.gate._shut) == {"big"}
    old.returns = True
    with pytest.raises(SpeechError, match="silence"):
        await promoting
    assert house.gate._shut == {}


async def test_who_never_comes_back_is_waited_for_no_longer_than_the_hold(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = Guest("big", returns=None)
    house = House(old, max_hold_s=0.05)
    house.deaf = True
    async with asyncio.timeout(10):
        with pytest.raises(SpeechError, match="silence"):
            await house.promote(Guest("big", UNLOADED), leaving=(old,))
    assert (house.gate._shut, caplog.messages) == ({}, [])


async def test_who_does_not_load_any_more_is_told_and_not_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = Guest("big", returns=False, load_failed=True)
    house = House(old)
    house.deaf = True
    with pytest.raises(SpeechError, match="silence"):
        await house.promote(Guest("big", UNLOADED), leaving=(old,))
    assert caplog.messages == ["model big does not come back: A file is missing."]


async def test_who_may_not_come_back_is_neither_waited_for_nor_told_as_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = Guest("big", returns=None)
    house = House(old)
    house.deaf = True
    promoting = asyncio.create_task(house.promote(Guest("big", UNLOADED), leaving=(old,)))
    await until(lambda: old.state is LOADING)
    house.when_paused.set()
    async with asyncio.timeout(10):
        with pytest.raises(SpeechError, match="silence"):
            await promoting
    assert (house.gate._shut, caplog.messages) == ({}, [])


async def test_who_has_a_seat_counts_as_there_until_it_is_taken_or_given_back() -> None:
    house = House(Guest("big"), Guest("small"))
    first, second = Guest("big", UNLOADED), Guest("small", UNLOADED)
    seats = [await house.promote(one) for one in (first, second)]
    assert [*house.residents][-1] is first
    await seats[0].take()
    await seats[1].give_back()
    assert house.generations.newcomers == set()
    house.deaf = True
    with pytest.raises(SpeechError, match="silence"):
        await house.promote(first)
    assert house.generations.newcomers == set()


@pytest.mark.parametrize("is_known", [True, False])
async def test_who_is_spoken_with_already_ends_its_sentences_before_it_is_given_back(
    *, is_known: bool
) -> None:
    model = Guest("big", UNLOADED)
    house = House(model if is_known else Guest("big"))
    house.deaf = True
    with pytest.raises(SpeechError, match="silence"):
        await house.promote(model)
    assert model.unloaded == [DRAIN_S if is_known else 0]


@pytest.mark.parametrize("stops", [True, False])
async def test_a_seat_given_back_loads_nothing_for_a_daemon_that_stops(*, stops: bool) -> None:
    async def operation() -> None:
        seat = await house.promote(newer, leaving=(old,))
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.shield(seat.give_back())

    async def failing() -> None:
        seat = await house.promote(newer, leaving=(old,))
        await seat.give_back()

    old, newer, begun = Guest("big"), Guest("big", UNLOADED), asyncio.Event()
    house = House(old)
    working = asyncio.create_task(operation() if stops else failing())
    if stops:
        await begun.wait()
        working.cancel()
    await asyncio.wait({working})
    assert newer.unloaded
    assert (old.state, old.held, house.gate._shut) == (UNLOADED if stops else READY, False, {})
