"""The card is shared: paused by hand or for a game, the models go, and come back in the end."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
import json
from pathlib import Path
import threading
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from indextts_daemon.errors import EngineUnavailableError, ModelNotFoundError
from indextts_daemon.service import pause as pause_module, sharing
from indextts_daemon.service.operations import Result
from indextts_daemon.service.sharing import ResumeFirstError
from indextts_daemon.storage import atomic_write
from indextts_daemon.worker.handle import WorkerState
from tests.daemon.shared_card import CORE, DRAIN_S, GIB, Guest, House, make_house, settle

READY, UNLOADED, LOADING = WorkerState.ready, WorkerState.unloaded, WorkerState.loading
GAME = 77


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    return make_house(monkeypatch)


async def test_a_pause_sends_away_whoever_needs_the_card_and_nobody_else(house: House) -> None:
    operation = await house.sharing.pause(who="api", reason="Films")
    assert house.sharing.when_paused.is_set()
    assert not house.sharing.may_use_gpu(house.model)
    assert house.sharing.may_use_gpu(house.guests["embedded"])
    ended = await house.done(operation)
    assert (ended.scope, ended.action, ended.who) == ("sharing", "pause", "api")
    assert (ended.result, ended.details) == (Result.applied, {"unloaded": ["indextts-2"]})
    assert (house.model.state, house.guests["embedded"].state) == (UNLOADED, READY)
    assert house.told == ["api"]
    assert house.figure("paused", reason="paused") == 1
    assert house.figure("model_evictions_total", reason="admin") == 1


async def test_each_pause_and_resume_is_logged_with_who_asked(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", sharing.__name__)
    await house.sharing.resume(who="api")
    await house.sharing.pause(who="cli", reason="a secret")
    await house.sharing.resume(who="api")
    assert caplog.messages == ["paused by cli", "resumed by api"]


async def test_a_sentence_is_finished_first(house: House) -> None:
    house.model.speak()
    operation = await house.sharing.pause(who="api")
    await house.ticks(30)
    assert house.model.state is READY
    house.model.finish()
    await house.done(operation)
    assert (house.model.state, house.model.wronged) == (UNLOADED, [])


async def test_a_sentence_without_end_is_cut_off_in_the_end(house: House) -> None:
    house.model.speak()
    operation = await house.sharing.pause(who="api")
    await house.ticks(int(DRAIN_S) - 1)
    assert house.model.state is READY
    await house.ticks(2)
    await house.done(operation)
    assert house.model.state is UNLOADED


async def test_a_load_under_way_is_given_up(house: House) -> None:
    house.model.state = UNLOADED
    warming = house.sharing.prewarm(who="api")
    await settle()
    assert house.model.state is LOADING
    await house.done(await house.sharing.pause(who="api"))
    assert house.model.state is UNLOADED
    ended = await house.done(warming)
    assert (ended.result, ended.code) == (Result.rejected, "resume_first")
    assert house.model.wronged == []


async def test_pausing_twice_keeps_the_beginning_and_takes_the_new_words(house: House) -> None:
    await house.done(await house.sharing.pause(who="api", reason="Films"))
    since = house.clock.now
    await house.ticks(10)
    again = await house.done(await house.sharing.pause(who="cli", reason="Work", until=5000.0))
    assert again.result is Result.applied
    paused = house.sharing.paused
    assert paused is not None
    assert paused.shape() == {"reason": "Work", "who": "cli", "since": since, "until": 5000.0}
    same = await house.done(await house.sharing.pause(who="cli", reason="Work", until=5000.0))
    assert same.result is Result.unchanged
    assert house.told == ["api", "cli"]
    assert house.model.unloads == 1


async def test_resuming_has_the_default_and_the_pinned_back_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pinned: Any = ["lena", "nobody"]
    models = ("indextts-2", "indextts-2-5", "lena", "embedded")
    house = make_house(monkeypatch, models=models, models__pinned=pinned)
    await house.done(await house.sharing.pause(who="api"))
    ended = await house.done(await house.sharing.resume(who="api"))
    assert ended.result is Result.applied
    assert not house.sharing.when_paused.is_set()
    await house.ticks(1)
    assert {id_: guest.state for id_, guest in house.guests.items()} == {
        "indextts-2": READY,
        "indextts-2-5": UNLOADED,
        "lena": READY,
        "embedded": READY,
    }
    again = await house.done(await house.sharing.resume(who="api"))
    assert again.result is Result.unchanged
    assert house.told == ["api", None]
    assert house.figure("paused", reason="paused") == 0


async def test_who_resumes_while_a_sentence_is_finished_has_the_model_back_after_it(
    house: House,
) -> None:
    house.model.speak()
    leaving = await house.sharing.pause(who="api")
    await settle()
    back = await house.sharing.resume(who="api")
    assert house.sharing.may_use_gpu(house.model)
    house.model.finish()
    assert (await house.done(leaving)).result is Result.applied
    assert (await house.done(back)).result is Result.applied
    await house.ticks(1)
    assert (house.model.state, house.model.wronged) == (READY, [])


async def test_the_last_wish_counts(house: House) -> None:
    operations = [
        await move
        for move in (
            house.sharing.pause(who="api"),
            house.sharing.resume(who="api"),
            house.sharing.pause(who="api"),
        )
    ]
    results = [(await house.done(one)).result for one in operations]
    assert results[-1] is Result.applied
    await house.ticks(3)
    assert (house.model.state, house.model.wronged) == (UNLOADED, [])


async def test_a_pause_taken_back_before_it_began_sends_nobody_away(house: House) -> None:
    first, second = await asyncio.gather(
        house.sharing.pause(who="api"), house.sharing.resume(who="cli")
    )
    ended = await house.done(first)
    assert (ended.result, ended.code) == (Result.rejected, "resumed")
    assert (await house.done(second)).result is Result.applied
    assert house.model.unloads == 0


async def test_a_model_that_comes_while_paused_is_sent_away_again(house: House) -> None:
    await house.done(await house.sharing.pause(who="api"))
    house.model.state = READY
    await house.ticks(2)
    assert house.model.state is UNLOADED


async def test_a_model_that_does_not_go_is_told_and_the_pause_holds(house: House) -> None:
    house.model.stuck = True
    ended = await house.done(await house.sharing.pause(who="api"))
    assert (ended.result, ended.code) == (Result.rejected, "internal")
    assert not house.sharing.may_use_gpu(house.model)


@pytest.mark.parametrize(
    ("who", "until", "code", "after_s"),
    [
        ("api", None, "paused", 60.0),
        ("api", 1300.0, "paused", 300.0),
        ("api", 999.0, "paused", 1.0),
        ("game_mode", None, "paused_gpu_busy", 60.0),
    ],
)
async def test_a_refusal_says_why_and_until_when(
    house: House, who: str, until: float | None, code: str, after_s: float
) -> None:
    await house.sharing.pause(who=who, until=until)
    refusal = house.sharing.refusal()
    assert (refusal.error_code, refusal.retry_after_s) == (code, after_s)
    assert "/v1/resume" in refusal.message


async def test_a_refusal_that_comes_late_asks_for_a_moment(house: House) -> None:
    assert house.sharing.refusal().error_code == EngineUnavailableError.code


async def test_a_pause_ends_by_itself_when_its_time_is_over(house: House) -> None:
    await house.done(await house.sharing.pause(who="cli", until=house.clock.now + 90))
    await house.ticks(89)
    assert house.sharing.paused is not None
    await house.ticks(2)
    assert (house.sharing.paused, house.model.state) == (None, READY)
    assert house.operations.listed()[0].action == "resume"


async def test_a_prewarm_loads_the_default_and_says_when_it_was_there_already(
    house: House,
) -> None:
    house.model.state = UNLOADED
    operation = house.sharing.prewarm(who="cli")
    await settle()
    await house.ticks(1)
    ended = await house.done(operation)
    assert (ended.result, ended.subject, ended.who) == (Result.applied, "indextts-2", "cli")
    assert (await house.done(house.sharing.prewarm(who="cli"))).result is Result.unchanged


async def test_a_prewarm_is_refused_while_paused_but_for_the_embedded_voice(
    house: House,
) -> None:
    await house.done(await house.sharing.pause(who="api"))
    with pytest.raises(ResumeFirstError, match="Resume first"):
        house.sharing.prewarm(who="api")
    operation = await house.done(house.sharing.prewarm("embedded", who="api"))
    assert operation.result is Result.unchanged


async def test_a_prewarm_of_nobody_is_not_found(house: House) -> None:
    with pytest.raises(ModelNotFoundError):
        house.sharing.prewarm("zork", who="api")


async def test_a_prewarm_that_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(monkeypatch, worker__load_timeout_s=1)
    house.model.state = UNLOADED
    ended = await house.done(house.sharing.prewarm(who="api"))
    assert (ended.result, ended.code) == (Result.rejected, "loading")


async def test_a_daemon_that_was_paused_comes_up_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "paused.json"
    house = make_house(monkeypatch, file=file)
    await house.sharing.pause(who="api", reason="Films", until=1300.0)
    await house.sharing.close()
    again = make_house(monkeypatch, file=file, clock=house.clock)
    again.model.state = UNLOADED
    assert again.sharing.paused == house.sharing.paused
    assert not again.sharing.may_use_gpu(again.model)
    await again.ticks(5)
    assert again.model.loads == 0
    await again.clock.pass_by(300)
    await again.ticks(2)
    assert again.model.state is READY
    third = make_house(monkeypatch, file=file)
    assert third.sharing.paused is None


async def test_stopping_in_the_middle_leaves_nothing_running_and_the_pause_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house(monkeypatch, file=tmp_path / "paused.json", models__keep_alive_s=60)
    house.model.speak()
    await house.sharing.pause(who="api")
    await house.sharing.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not {task for task in others if not task.done()}
    assert json.loads((tmp_path / "paused.json").read_text())["paused"]["who"] == "api"


def play(house: House, gib: float = 8.6) -> None:
    house.screen.others[GAME], house.screen.load = gib, 0.95


def stop_playing(house: House) -> None:
    house.screen.others.pop(GAME, None)
    house.screen.load = 0.0


async def test_a_game_gets_the_card_and_gives_it_back(house: House) -> None:
    await house.ticks(5)
    play(house)
    await house.ticks(2)
    paused = house.sharing.paused
    assert paused is not None
    assert (paused.who, paused.code) == ("game_mode", "paused_gpu_busy")
    assert house.model.state is UNLOADED
    assert house.figure("paused", reason="gpu_busy") == 1
    assert house.figure("model_evictions_total", reason="foreign") == 1
    await house.ticks(200)
    assert house.model.state is UNLOADED
    stop_playing(house)
    await house.ticks(12)
    assert (house.model.state, house.sharing.paused) == (READY, None)
    assert house.told == ["game_mode", None]


async def test_a_sentence_is_finished_before_a_game_gets_the_card(house: House) -> None:
    await house.ticks(1)
    house.model.speak()
    play(house)
    await house.ticks(5)
    assert (house.model.state, house.model.busy) == (READY, True)
    house.model.finish()
    await house.ticks(1)
    assert (house.model.state, house.model.wronged) == (UNLOADED, [])


async def test_a_desktop_does_not_drive_the_voice_away(house: House) -> None:
    for second in range(600):
        house.screen.others = {CORE: 0.8 + (second % 7) / 10, 6 + second % 3: 0.4}
        house.screen.load = (second % 10) / 10
        await house.ticks(1)
    assert (house.sharing.paused, house.model.unloads) == (None, 0)


async def test_game_mode_that_is_switched_off_watches_nobody_and_ends_what_it_began(
    house: House,
) -> None:
    await house.ticks(1)
    play(house)
    await house.ticks(2)
    assert house.sharing.paused is not None
    house.set(sharing__game_mode=False)
    await house.ticks(2)
    assert (house.sharing.paused, house.model.state) == (None, READY)
    await house.ticks(50)
    assert house.sharing.paused is None


async def test_a_pause_by_hand_is_never_ended_by_the_watch(house: House) -> None:
    await house.ticks(1)
    play(house)
    await house.ticks(2)
    await house.done(await house.sharing.pause(who="api", reason="A long evening"))
    stop_playing(house)
    await house.ticks(200)
    paused = house.sharing.paused
    assert paused is not None
    assert (paused.who, house.model.state) == ("api", UNLOADED)


async def test_a_pause_by_hand_that_comes_while_the_watch_looks_is_not_ended_by_what_it_sees(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ticks(1)
    play(house)
    await house.ticks(2)
    stop_playing(house)
    await house.ticks(10)
    look = house.sharing._card.usage

    async def looked() -> Any:
        await house.sharing.pause(who="api")
        return await look()

    monkeypatch.setattr(house.sharing._card, "usage", looked)
    await house.ticks(1)
    assert house.sharing.paused is not None
    assert house.sharing.paused.who == "api"


async def test_who_hangs_up_while_a_pause_is_written_down_leaves_the_last_wish_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, slow = tmp_path / "paused.json", threading.Event()

    def write_slowly(path: Path, content: bytes) -> None:
        if b"Films" in content:
            slow.wait(20)
        atomic_write(path, content)

    monkeypatch.setattr(pause_module, "atomic_write", write_slowly)
    house = make_house(monkeypatch, file=file)
    asking = asyncio.create_task(house.sharing.pause(who="api", reason="Films"))
    await settle()
    asking.cancel()
    await settle()
    taking_back = asyncio.create_task(house.sharing.resume(who="api"))
    await asyncio.sleep(0.05)
    slow.set()
    await taking_back
    assert json.loads(file.read_text())["paused"] is None
    assert house.sharing.paused is None


async def test_the_watch_changes_nothing_about_a_pause_by_hand(house: House) -> None:
    await house.done(await house.sharing.pause(who="api"))
    ended = await house.sharing.pause(who="game_mode")
    assert ended.result is Result.unchanged
    assert house.told == ["api"]


async def test_what_is_taken_back_by_hand_is_kept_beside_the_same_game(house: House) -> None:
    await house.ticks(1)
    play(house)
    await house.ticks(2)
    await house.done(await house.sharing.resume(who="api"))
    await house.ticks(60)
    assert (house.sharing.paused, house.model.state) == (None, READY)


async def test_a_game_that_comes_and_goes_makes_the_voice_flap_once_a_minute_at_most(
    house: House,
) -> None:
    await house.ticks(1)
    for second in range(600):
        (play if second % 30 < 5 else stop_playing)(house)
        await house.ticks(1)
    assert 2 <= house.model.loads <= 10


async def test_a_model_that_takes_the_place_of_another_is_no_game_to_a_driver_that_tells_nothing(
    house: House,
) -> None:
    house.screen.tells = False
    await house.ticks(2)
    newer = Guest(house.clock, house.model.spec, state=LOADING, memory_bytes=11 * GIB)
    residents: set[Any] = house.generations.newcomers
    residents.add(newer)
    house.model.state, house.screen.others[99] = UNLOADED, 11
    await house.ticks(10)
    newer.state = READY
    await house.ticks(10)
    assert house.sharing.paused is None
    play(house, 3.5)
    await house.ticks(4)
    assert house.sharing.paused is not None


async def test_without_a_driver_the_watch_does_nothing(house: House) -> None:
    house.screen.dead = True
    play(house)
    await house.ticks(30)
    assert (house.sharing.paused, house.model.state) == (None, READY)


async def test_a_driver_that_is_lost_while_a_game_plays_does_not_keep_the_voice_away(
    house: House,
) -> None:
    await house.ticks(1)
    play(house)
    await house.ticks(2)
    house.screen.dead = True
    await house.ticks(62)
    assert house.model.state is READY


@pytest.mark.parametrize("device", ["cpu", "cuda"])
async def test_a_model_on_the_processor_leaves_the_card_to_nobody(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    house = make_house(monkeypatch)
    monkeypatch.setitem(house.model.spec.options, "device", device)  # type: ignore[arg-type]
    await house.ticks(1)
    play(house)
    await house.ticks(3)
    assert (house.sharing.paused is None) == (device == "cpu")


async def test_a_model_on_the_processor_speaks_on_through_a_pause(house: House) -> None:
    options: Any = house.model.spec.options
    options["device"] = "cpu"
    ended = await house.done(await house.sharing.pause(who="api"))
    assert ended.details == {"unloaded": []}
    assert house.sharing.may_use_gpu(house.model)
    await house.ticks(3)
    assert (house.model.state, house.model.unloads) == (READY, 0)


async def test_with_the_embedded_voice_alone_the_driver_is_never_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = make_house(monkeypatch, models=("embedded", "indextts-2"))
    house.model.state = UNLOADED
    house.screen.dead = True
    await house.ticks(10)
    assert house.figure("gpu_collector_errors_total") == 0


async def test_a_game_over_a_restart_still_gives_the_card_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a card that never has room to spare, only what others held before tells that."""
    file = tmp_path / "paused.json"
    house = make_house(monkeypatch, file=file)
    house.screen.total_gib = 8
    await house.ticks(1)
    play(house, 1.1)
    await house.ticks(3)
    assert house.model.state is UNLOADED
    await house.sharing.close()
    again = make_house(monkeypatch, file=file, clock=house.clock, screen=house.screen)
    again.model.state = UNLOADED
    await again.ticks(100)
    assert again.model.loads == 0
    stop_playing(again)
    await again.ticks(12)
    assert again.model.state is READY


def may_speak(house: House) -> bool:
    return house.sharing.may_use_gpu(house.model) and house.model.state is READY


MOVES: dict[str, Callable[[House], Awaitable[object] | object]] = {
    "pause": lambda house: house.sharing.pause(who="api"),
    "pause a while": lambda house: house.sharing.pause(who="api", until=house.clock.now + 45),
    "resume": lambda house: house.sharing.resume(who="cli"),
    "prewarm": lambda house: (
        house.sharing.may_use_gpu(house.model) and house.sharing.prewarm(who="api")
    ),
    "wake": lambda house: house.sharing.may_use_gpu(house.model) and house.model.keep(),
    "a second": lambda house: house.ticks(1),
    "a few seconds": lambda house: house.ticks(4),
    "a minute": lambda house: house.ticks(61),
    "a game": play,
    "a huge game": lambda house: play(house, 15),
    "no game": stop_playing,
    "speak": lambda house: may_speak(house) and house.model.speak(),
    "finish": lambda house: house.model.finish(),
    "driver dies": lambda house: setattr(house.screen, "dead", True),
    "driver lives": lambda house: setattr(house.screen, "dead", False),
    "game mode off": lambda house: house.set(sharing__game_mode=False, models__keep_alive_s=50),
    "game mode on": lambda house: house.set(sharing__game_mode=True, models__keep_alive_s=50),
}
LOOKS = {"a second", "a few seconds", "a minute"}


async def lived(house: House, story: list[str]) -> None:
    """Let things happen, and look after each that nobody was wronged."""
    for move in story:
        done = MOVES[move](house)
        if isawaitable(done):
            await done
        paused = house.sharing.paused is not None
        assert house.model.wronged == []
        assert house.sharing.when_paused.is_set() == paused
        assert house.figure("paused", reason="paused") in {0, paused}
        if paused and move in LOOKS and not house.model.busy:
            assert house.model.state is UNLOADED


async def ended_well(house: House) -> None:
    """Let the game end and whoever paused resume: then everything has to come back."""
    house.screen.dead = False
    stop_playing(house)
    house.model.finish()
    if house.sharing.paused is not None and not house.sharing.paused.by_watch:
        await house.sharing.resume(who="api")
    await house.ticks(75)
    assert house.sharing.paused is None
    warming = asyncio.create_task(house.done(house.sharing.prewarm(who="api")))
    while not warming.done():
        await house.ticks(1)
        await asyncio.sleep(0.001)  # the card is looked at in a thread
    assert (await warming).result in {Result.applied, Result.unchanged}
    assert (house.model.state, house.model.wronged) == (READY, [])
    assert Result.running not in {one.result for one in house.operations.listed()}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=40))
def test_whatever_happens_no_word_is_cut_nothing_loads_while_paused_and_all_come_back(
    story: list[str],
) -> None:
    async def told() -> None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            house = make_house(monkeypatch, models__keep_alive_s=50)
            try:
                await lived(house, story)
                await ended_well(house)
            finally:
                await house.sharing.close()

    asyncio.run(told())
