"""The rooms together: the daemon's words to itself, and the household's language."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from indextts_daemon import compose, doorless
from indextts_daemon.config import load_settings
from indextts_daemon.doorless import first_words, language_trouble
from indextts_daemon.service.queue import JobQueue
from indextts_daemon.service.routing import SpeechOrder
from indextts_daemon.service.versions import FAKE_FILE
from indextts_daemon.speech import AudioChunk
from tests.daemon.door import Door, Opener, until


async def spoken(door: Door, order: SpeechOrder) -> list[AudioChunk]:
    async with door.services.synthesizer.speak(order) as speech:
        return [chunk async for chunk in speech]


@pytest.mark.parametrize("language", ["nl", "de", "ja"])
async def test_it_speaks_to_itself_whatever_the_household_speaks(
    open_door: Opener, language: str
) -> None:
    async with open_door(language=language) as door:
        assert await first_words(door.services) == ""


async def test_it_gets_a_word_in_where_as_many_wait_as_may(open_door: Opener) -> None:
    async with open_door(**{"queue.capacity": 1, "fake.step_s": 0.05}) as door:
        queue = door.services.pool.default.queue
        crowd = []
        while queue.has_room:
            crowd.append(asyncio.create_task(spoken(door, SpeechOrder(text="Hello there."))))
            await asyncio.sleep(0)
        assert await first_words(door.services) == ""
        assert all(await asyncio.gather(*crowd))


async def test_while_it_is_paused_it_tries_its_voice_without_the_model_that_is_away(
    open_door: Opener,
) -> None:
    async with open_door(language="nl") as door:
        sharing, default = door.services.sharing, door.services.pool.default
        await sharing.pause(who="api", reason="a game")
        await until(lambda: default.worker is None)
        assert await first_words(door.services) == ""
        await language_trouble(door.services)
        assert default.worker is None


@pytest.mark.parametrize("language", ["de", "en-GB", "fr"])
async def test_a_language_that_some_model_speaks_is_no_trouble(
    open_door: Opener, language: str
) -> None:
    async with open_door(language=language) as door:
        assert await language_trouble(door.services) == ""


async def test_a_language_that_nobody_speaks_is_said_with_those_there_are(
    open_door: Opener,
) -> None:
    async with open_door(language="nl") as door:
        said = await language_trouble(door.services)
    assert said.startswith("No voice speaks the household's language, Dutch.")
    assert "setting `language` to one of: en, de, zh, " in said


async def test_a_model_that_may_speak_the_language_is_not_loaded_for_a_warning(
    open_door: Opener, tmp_path: Path
) -> None:
    (tmp_path / "models/other").mkdir(parents=True)
    (tmp_path / "models/other" / FAKE_FILE).write_text("generation: 2")
    async with open_door(language="nl") as door:
        other = door.services.pool.get("other")
        assert await language_trouble(door.services) == ""
        assert (other.kept, other.worker) == (False, None)


async def test_without_a_daemon_it_waits_for_as_long_as_the_model_loads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compose, "JobQueue", partial(JobQueue, hold_s=0.05))
    flags = {"engine": "fake", "fake.load": "slow"}
    settings = load_settings(file=None, environment={}, flags=flags)
    body: dict[str, object] = {"input": "Hello.", "response_format": "pcm"}
    audio = doorless.speak_here(settings, body, data_dir=tmp_path)
    assert b"".join([part async for part in audio])
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240 what it would remember is the daemon's
