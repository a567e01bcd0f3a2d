"""Swaps between real processes: what is new is heard first; the old one speaks until then."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from indextts_daemon.errors import EngineUnavailableError, SynthesisError
from indextts_daemon.service.models import Model
from indextts_daemon.service.operations import Result
from indextts_daemon.service.routing import SpeechOrder
from indextts_daemon.speech import Say
from indextts_daemon.worker.handle import WorkerEnd, WorkerSpec, WorkerState
from tests.daemon.rooms import is_running, until
from tests.daemon.swap_house import STORY, House, MuteError, living, spec


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with living() as house:
        yield house


async def test_the_next_sentence_is_the_new_models_and_the_old_process_goes(house: House) -> None:
    assert await house.speak() == {1}
    old = house.pid()
    done = await house.swap(spec(2))
    assert (done.result, done.generation) == (Result.applied, 2)
    assert done.details["mode"] == "side_by_side"
    assert done.details["canary"] == {"lines": 1}
    assert house.heard == [2]
    assert await house.speak() == {2}
    assert house.admitted == ["v2"]
    await until(lambda: not is_running(old))
    assert house.model.spec.version == "v2"


async def test_a_story_ends_in_the_voice_that_it_began_in(house: House) -> None:
    story = asyncio.create_task(house.speak(STORY))
    await until(lambda: house.model.queue.in_flight)
    old = house.pid()
    assert (await house.swap(spec(2))).result is Result.applied
    assert is_running(old)
    assert await house.speak() == {2}
    assert await story == {1}
    await until(lambda: not is_running(old))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (spec(2, load="fail"), "The settings ask the fake engine to fail."),
        (spec(2, load="crash"), "The worker ended unexpectedly"),
        (spec(2), "It made silence."),
    ],
    ids=["fails", "crashes", "silent"],
)
async def test_what_does_not_speak_is_not_promoted_and_the_old_one_speaks_on(
    house: House, bad: WorkerSpec, reason: str, *, in_place: bool
) -> None:
    house.room.in_place, house.deaf_to = in_place, {2}
    done = await house.swap(bad)
    assert done.result is Result.rejected
    assert reason in done.errors[0].message
    assert house.swapper.refusal is not None
    assert reason in house.swapper.refusal.failed
    assert (house.swapper.refusal.model, house.swapper.refusal.version) == ("fake", "v2")
    assert house.generations.current.number == 1
    assert await house.speak() == {1}
    assert house.model.state is WorkerState.ready


async def test_a_good_one_afterwards_lets_the_refusal_be_forgotten(house: House) -> None:
    await house.swap(spec(2, load="fail"))
    assert (await house.swap(spec(3))).result is Result.applied
    assert house.swapper.refusal is None


async def test_in_place_whoever_comes_meanwhile_waits_and_nobody_is_lost(house: House) -> None:
    house.room.in_place = True
    story = asyncio.create_task(house.speak(STORY))
    await until(lambda: house.model.queue.in_flight)
    old = house.pid()
    swap = asyncio.create_task(house.swap(spec(2, load="slow", load_s=0.5)))
    await until(lambda: house.gate._shut)
    crowd = [asyncio.create_task(house.speak()) for _ in range(5)]
    await until(lambda: house.gate.waiting == 5)
    assert await story == {1}  # who was there first is heard to the end
    await until(lambda: not is_running(old))
    assert (await swap).result is Result.applied
    assert await asyncio.gather(*crowd) == [{2}] * 5


async def test_in_place_a_failure_brings_the_old_one_back_before_anybody_passes(
    house: House,
) -> None:
    house.room.in_place = True
    swap = asyncio.create_task(house.swap(spec(2, load="fail")))
    await until(lambda: house.gate._shut)
    crowd = [asyncio.create_task(house.speak()) for _ in range(3)]
    assert (await swap).result is Result.rejected
    assert await asyncio.gather(*crowd) == [{1}] * 3


async def test_a_game_ends_a_swap_and_what_was_there_is_there_again(house: House) -> None:
    swap = asyncio.create_task(house.swap(spec(2, load="hang")))
    await until(lambda: any(one.progress for one in house.operations.listed()))
    house.absent.when_paused.set()
    done = await swap
    assert (done.result, done.code) == (Result.rejected, "paused")
    assert house.swapper.refusal is None  # nothing is wrong with the model
    house.absent.when_paused.clear()
    assert await house.speak() == {1}


async def test_what_was_coming_anyway_still_comes_when_a_wish_for_it_fails(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hear(model: Model, _: Say) -> Mapping[str, object]:
        raise MuteError("It was killed.")

    await house.model.unload(timeout_s=0)
    house.model.keep()
    monkeypatch.setattr(house, "hear", hear)
    running = house.operations.begin("models", "load", who="api")
    with pytest.raises(MuteError):
        await house.swapper._promoter.promote(house.model, replaced=None, running=running)
    await until(lambda: house.model.state is WorkerState.ready)


async def test_what_is_sent_away_while_it_is_heard_has_not_failed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hear(model: Model, _: Say) -> Mapping[str, object]:
        house.absent.when_paused.set()
        await model.unload(timeout_s=0)
        raise MuteError("It is draining.")

    monkeypatch.setattr(house, "hear", hear)
    running = house.operations.begin("models", "load", who="api")
    with pytest.raises(EngineUnavailableError) as refusal:
        await house.swapper._promoter.promote(house.model, replaced=None, running=running)
    assert refusal.value.error_code == "paused"


async def test_a_model_that_dies_on_probation_is_sent_back(house: House) -> None:
    assert (await house.swap(spec(2))).result is Result.applied
    for _ in range(3):
        async with asyncio.timeout(30):
            with pytest.raises((SynthesisError, EngineUnavailableError)):
                await house.speak(SpeechOrder(text="Bad. {{nan}}", language="en"))
    assert house.undone == ["fake"]
    assert house.swapper.refusal is not None
    assert "3 times soon after" in house.swapper.refusal.failed


async def test_new_limits_alone_need_no_other_process(house: House) -> None:
    before = house.pid()
    patient = replace(spec(1), step_timeout_s=7.0)
    done = await house.swap(patient)
    assert done.result is Result.applied
    assert house.pid() == before
    assert house.model.spec.step_timeout_s == 7.0
    assert house.heard == []


async def test_whose_model_dies_before_it_sounds_is_spoken_by_the_next(house: House) -> None:
    speaking = asyncio.create_task(
        house.speak(SpeechOrder(text="{{sleep 1}} Hello again.", language="en"))
    )
    await until(lambda: house.model.queue.in_flight)
    await asyncio.sleep(0.2)
    assert house.model.worker is not None
    house.model.worker._put_down(WorkerEnd.hang, "As a watchdog would.")
    assert await speaking == {1}


async def test_a_crowd_without_pause_does_not_keep_a_model_from_being_unloaded(
    house: House,
) -> None:
    async def chatter() -> set[int]:
        heard: set[int] = set()
        while len(pids) < 2:
            heard |= await house.speak()
        return heard

    pids = {house.pid()}
    crowd = [asyncio.create_task(chatter()) for _ in range(6)]
    await until(lambda: house.model.queue.in_flight > 2)
    async with asyncio.timeout(20):
        await house.model.unload(timeout_s=20)
    assert not is_running(*pids)
    await until(lambda: house.model.worker is not None and house.model.worker.pid is not None)
    pids.add(house.pid())
    assert await asyncio.gather(*crowd) == [{1}] * 6  # nobody was lost, and the next one served


async def test_who_waits_for_a_model_that_leaves_for_others_is_turned_away_at_once(
    house: House,
) -> None:
    story = [asyncio.create_task(house.speak(STORY)) for _ in range(house.model.queue.slots)]
    await until(lambda: house.model.queue.in_flight == house.model.queue.slots)
    late = asyncio.create_task(house.speak())
    await until(lambda: house.model.queue.waiting == 1)
    leaving = asyncio.create_task(house.model.unload(timeout_s=20, turn_away=True))
    async with asyncio.timeout(20):
        with pytest.raises(EngineUnavailableError):
            await late
        assert await asyncio.gather(*story) == [{1}] * len(story)
        await leaving
    assert house.model.state is WorkerState.unloaded
