"""Who sleeps after a while, and who makes room: never one that is busy, pinned or asked for."""

from typing import Any

import pytest

from indextts_daemon.errors import EngineUnavailableError, SpeechError
from indextts_daemon.service.operations import Result
from indextts_daemon.worker.handle import WorkerState
from tests.daemon.shared_card import House, make_house, settle

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


async def test_a_model_on_the_processor_sleeps_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = make_house(monkeypatch, models__keep_alive_s=60)
    options: Any = house.model.spec.options
    options["device"] = "cpu"
    await house.ticks(62)
    assert house.model.state is UNLOADED


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
