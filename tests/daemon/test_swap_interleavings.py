"""What comes while models change places: nobody is lost, held for ever or loaded when away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.service.models import Model
from indextts_daemon.service.operations import Result
from indextts_daemon.service.probation import Probation
from indextts_daemon.service.residency import Residency
from indextts_daemon.service.routing import SpeechOrder
from indextts_daemon.worker.handle import WorkerState
from tests.daemon.rooms import is_running, until
from tests.daemon.swap_house import HELLO, House, living, spec


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with living() as house:
        yield house


async def test_a_trial_ends_with_its_outcome_whoever_asks_meanwhile(house: House) -> None:
    async def pester() -> None:
        while True:
            with pytest.raises(EngineUnavailableError):
                await bad.ready()
            await asyncio.sleep(0.01)

    bad = house.make(spec(2, load="fail"))
    crowd = asyncio.create_task(pester())
    try:
        async with asyncio.timeout(20):
            with pytest.raises(EngineUnavailableError, match="to fail"):
                await bad.trial()
    finally:
        crowd.cancel()
        await asyncio.wait({crowd})
        await bad.close()


async def test_who_comes_while_an_idle_model_goes_to_sleep_is_heard(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, gone = house.model, asyncio.Event()
    assert old.worker is not None
    stop = old.worker.stop

    async def stop_late(*, timeout_s: float) -> None:
        await gone.wait()  # as a process that gives back a card's memory
        await stop(timeout_s=timeout_s)

    monkeypatch.setattr(old.worker, "stop", stop_late)
    residency = Residency(house.generations, house.operations)
    going = asyncio.create_task(residency.evict((old,), reason="idle"))
    await until(lambda: old.state is WorkerState.draining)
    named = SpeechOrder(text="Hello there.", language="en", model="fake")
    crowd = [asyncio.create_task(house.speak(order)) for order in (HELLO, named, HELLO)]
    await until(lambda: old.queue.waiting == len(crowd) or any(one.done() for one in crowd))
    gone.set()
    assert await asyncio.gather(*crowd) == [{1}] * len(crowd)
    assert await going


async def test_a_failure_while_room_is_made_leaves_the_gate_open_and_nobody_held(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(**_: Any) -> None:
        raise RuntimeError

    house.room.in_place, old = True, house.model
    with monkeypatch.context() as broken_for_now:
        broken_for_now.setattr(old, "unload", broken)
        done = await house.swap(spec(2))
    assert (done.result, done.code) == (Result.rejected, "internal")
    assert not old.held
    assert await house.speak() == {1}
    assert (await house.swap(spec(2))).result is Result.applied
    assert await house.speak() == {2}


async def test_a_pause_during_a_swap_in_place_wins_over_the_return_of_the_old_one(
    house: House,
) -> None:
    house.room.in_place, old = True, house.model
    swap = asyncio.create_task(house.swap(spec(2, load="hang")))
    await until(lambda: old.held and old.worker is None)
    house.absent.when_paused.set()
    with house.events.subscribe() as heard:
        done = await swap
        told = [heard.get_nowait() for _ in range(heard.qsize())]
    assert (done.result, done.code) == (Result.rejected, "paused")
    assert {event.data["state"] for event in told if event.name == "model"} <= {"unloaded"}
    assert not old.present
    assert not old.held
    house.absent.when_paused.clear()
    assert await house.speak() == {1}


async def test_too_little_memory_is_not_the_models_fault(house: House) -> None:
    done = await house.swap(spec(2, load="oom"))
    assert (done.result, done.code) == (Result.rejected, "insufficient_memory")
    assert house.swapper.refusal is None
    assert await house.speak() == {1}


async def test_a_commit_that_fails_gives_everything_up_and_the_next_swap_works(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError

    made = []
    make = house.make
    monkeypatch.setattr(
        house.swapper, "_make", lambda wanted: made.append(make(wanted)) or made[-1]
    )
    with monkeypatch.context() as broken_for_now:
        broken_for_now.setattr(Probation, "begin", broken)
        done = await house.swap(spec(2))
    assert (done.result, done.code, done.generation) == (Result.rejected, "internal", 1)
    assert house.heard == [2]  # it was ready, and has gone again
    assert made[0].worker is None
    assert not house.swapper.voices_turn.locked()
    assert await house.speak() == {1}
    assert (await house.swap(spec(3))).result is Result.applied
    assert await house.speak() == {3}


async def test_a_stop_right_after_a_swap_leaves_no_process_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def admit(_: Model) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(house, "admit", admit)
    old = house.pid()
    assert (await house.swap(spec(2))).result is Result.applied
    await begun.wait()
    await house.reloader.close()
    await house.pool.close()
    assert not is_running(old)
