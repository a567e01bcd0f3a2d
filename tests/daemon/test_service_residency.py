"""Who sleeps after a while, and who makes room: never one that is busy, pinned or asked for."""

from typing import Any

import pytest

from indextts_daemon.errors import EngineUnavailableError, SpeechError
from indextts_daemon.service.operations import Result
from indextts_daemon.worker.handle import WorkerState
from tests.daemon.shared_card import GIB, House, make_house, settle

THREE = ("indextts-2", "indextts-2-5", "lena", "embedded")
READY, UNLOADED = WorkerState.ready, WorkerState.unloaded


def states(house: House) -> dict[str, str]:
    return {id_: str(guest.state) for id_, guest in house.guests.items()}


async def test_without_a_time_that_is_set_nobody_is_sent_to_sleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = make_house(monkeypatch)
    await house.clock.pass_by(1_000_000)
    await house.ticks(3)
    assert house.model.state is READY


async def test_who_is_not_used_for_the_time_sleeps_and_the_operation_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = make_house(monkeypatch, models__keep_alive_s=60)
    await house.ticks(60)
    assert states(house) == {"indextts-2": "ready", "embedded": "ready"}
    await house.ticks(2)
    assert states(house) == {"indextts-2": "unloaded", "embedded": "unloaded"}
    assert house.figure("model_evictions_total", reason="idle") == 2
    told = {(one.action, one.subject, one.who, one.result) for one in house.operations.listed()}
    assert told == {("unload", id_, "idle", Result.applied) for id_ in ("indextts-2", "embedded")}


async def test_every_use_counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(monkeypatch, models__keep_alive_s=60)
    for _ in range(5):
        await house.ticks(50)
        house.model.speak()
        house.model.finish()
    assert house.model.state is READY


async def test_who_has_just_come_back_or_been_asked_for_has_its_whole_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = make_house(monkeypatch, models__keep_alive_s=60)
    await house.ticks(1)
    await house.done(await house.sharing.pause(who="api"))
    await house.clock.pass_by(600)
    await house.done(await house.sharing.resume(who="api"))
    await house.ticks(50)
    assert house.model.state is READY
    await house.done(house.sharing.prewarm(who="api"))
    await house.ticks(50)
    assert house.model.state is READY
    await house.ticks(20)
    assert house.model.state is UNLOADED


async def test_who_is_busy_or_pinned_does_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: Any = ["indextts-2-5"]
    house = make_house(monkeypatch, models=THREE, models__keep_alive_s=60, models__pinned=pinned)
    house.model.speak()
    await house.ticks(200)
    assert states(house) == {
        "indextts-2": "ready",
        "indextts-2-5": "ready",
        "lena": "unloaded",
        "embedded": "unloaded",
    }


async def test_the_embedded_voice_does_not_sleep_as_the_default_or_as_the_only_one_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = make_house(monkeypatch, models=("embedded", "indextts-2"), models__keep_alive_s=60)
    await house.ticks(100)
    assert states(house) == {"embedded": "ready", "indextts-2": "unloaded"}
    house = make_house(monkeypatch, models__keep_alive_s=60)
    await house.done(await house.sharing.pause(who="api"))
    await house.ticks(100)
    assert states(house) == {"indextts-2": "unloaded", "embedded": "ready"}


async def test_one_that_cannot_be_unloaded_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = make_house(monkeypatch, models__keep_alive_s=60)
    house.model.stuck = True
    await house.ticks(62)
    assert {one.result for one in house.operations.listed() if one.subject == "indextts-2"} == {
        Result.rejected
    }
    assert "model indextts-2 was not unloaded: RuntimeError" in caplog.text
    house.model.stuck = False
    await house.ticks(1)
    assert house.model.state is UNLOADED


def chosen(models: Any) -> list[str] | None:
    return None if models is None else [model.id for model in models]


@pytest.mark.parametrize(
    ("need", "budget", "going"),
    [
        (2, None, []),  # 4 of 16 are free
        (4, None, []),
        (5, None, ["lena"]),
        (9, None, ["lena", "indextts-2"]),
        (13, None, None),
        (3, 11, []),  # 8 of 11 are held
        (4, 11, ["lena"]),
        (5, 100, ["lena"]),  # the card is smaller than the budget
        (12, 11, None),
    ],
)
async def test_the_least_recently_used_make_room(
    need: float, budget: float | None, going: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 16 GiB others hold 4, and two models 4 each."""
    flags = {} if budget is None else {"models__memory_budget_gib": budget}
    house = make_house(monkeypatch, models=THREE, **flags)
    house.screen.others = {5: 4.0}
    for guest, used_at in (("indextts-2", 3.0), ("lena", 1.0), ("embedded", 0.0)):
        house.guests[guest].memory_bytes = 4 * GIB
        house.guests[guest].last_used_at = used_at
    new = house.guests["indextts-2-5"]
    new.state = UNLOADED
    found = await house.residency.evict_for(int(need * GIB), keep=new)
    assert chosen(found) == going


async def test_nobody_who_speaks_is_pinned_or_is_asked_for_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pinned: Any = ["lena"]
    house = make_house(
        monkeypatch, models=THREE, models__pinned=pinned, models__memory_budget_gib=12
    )
    house.guests["indextts-2-5"].speak()
    assert chosen(await house.residency.evict_for(GIB, keep=house.model)) is None
    house.guests["indextts-2-5"].finish()
    assert chosen(await house.residency.evict_for(GIB, keep=house.model)) == ["indextts-2-5"]


async def test_without_a_card_everything_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(monkeypatch)
    house.screen.dead = True
    assert await house.residency.evict_for(99 * GIB, keep=house.model) == ()


async def test_a_load_sends_away_who_has_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(monkeypatch, models=THREE, models__memory_budget_gib=13)
    new = house.guests["indextts-2-5"]
    new.state = UNLOADED
    house.guests["lena"].last_used_at = 1.0
    operation = house.sharing.prewarm("indextts-2-5", who="api")
    await settle()
    await house.ticks(2)
    assert (await house.done(operation)).result is Result.applied
    assert states(house) == {
        "indextts-2": "ready",
        "indextts-2-5": "ready",
        "lena": "unloaded",
        "embedded": "ready",
    }
    assert house.figure("model_evictions_total", reason="budget") == 1


async def test_a_load_that_nobody_can_make_room_for_is_refused_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = make_house(monkeypatch, models=THREE, models__memory_budget_gib=5)
    house.model.state = UNLOADED
    before = states(house)
    operation = await house.done(house.sharing.prewarm(who="api"))
    assert (operation.result, operation.code) == (Result.rejected, "insufficient_memory")
    assert states(house) == before


async def test_a_load_asks_before_each_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(monkeypatch)
    house.model.state = UNLOADED

    def forbid() -> None:
        raise SpeechError("No.")

    with pytest.raises(SpeechError, match="No"):
        await house.residency.load(house.model, require=forbid)
    assert house.model.loads == 0


async def test_a_load_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(monkeypatch)
    house.model.state, house.model.fails = UNLOADED, "A file is missing."
    operation = house.sharing.prewarm(who="api")
    await settle()
    await house.ticks(1)
    ended = await house.done(operation)
    assert (ended.result, ended.code) == (Result.rejected, EngineUnavailableError.code)
    assert [problem.message for problem in ended.errors] == ["A file is missing."]
