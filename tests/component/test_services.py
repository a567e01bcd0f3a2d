"""What scripts may ask: a message rendered to a file that players can fetch, and silence."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

from homeassistant.components import media_source, tts
from homeassistant.components.tts.const import DATA_TTS_MANAGER
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.network import NoURLAvailableError
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.indextts import services
from custom_components.indextts.client import (
    IndexTTSConnectionError,
    IndexTTSRequestError,
    SpeechOrder,
)
from custom_components.indextts.const import DOMAIN, SPEECH_OPTIONS
from custom_components.indextts.session import SpeechSession
from tests.component.conftest import spoken
from tests.component.sample import INFO
from tests.component.sounds import SECONDS, encoded

ENTITY_ID = "tts.indextts"
SECOND_ID = "tts.indextts_2"


@pytest.fixture
def sound() -> bytes:
    """Return what the daemon makes of every message."""
    return encoded(SpeechOrder(language="en"))


@pytest.fixture
async def render(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, sound: bytes
) -> Callable[..., Any]:
    """Return how a script has a message rendered."""
    hass.config.internal_url = "http://192.168.1.10:8123"
    client.speak.side_effect = lambda texts, order: whole(sound)

    async def call(entity_id: str | list[str] = ENTITY_ID, **data: Any) -> Any:
        asked = {"message": "Dinner!", **data, "entity_id": entity_id}
        return await hass.services.async_call(
            DOMAIN, "render", asked, blocking=True, return_response=True
        )

    return call


@pytest.fixture
async def stop(hass: HomeAssistant, loaded: MockConfigEntry) -> Callable[..., Any]:
    """Return how a script asks for silence, and hears how many speeches were stopped."""

    async def call(entity_id: str | list[str] = ENTITY_ID) -> Any:
        answer = await hass.services.async_call(
            DOMAIN, "stop", {"entity_id": entity_id}, blocking=True, return_response=True
        )
        return {id_: stopped["stopped"] for id_, stopped in answer.items()}

    return call


@pytest.fixture
async def second(hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock) -> str:
    """Set up a second daemon in the house."""
    client.info.side_effect = lambda expect: replace(INFO, instance_id=expect)
    entry = MockConfigEntry(domain=DOMAIN, title="attic", unique_id="f" * 32, data=loaded.data)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return SECOND_ID


async def whole(sound: bytes) -> AsyncGenerator[bytes]:
    yield sound


async def endless(*, first_after: asyncio.Event | None = None) -> AsyncGenerator[bytes]:
    if first_after is not None:
        await first_after.wait()
    yield b"la"
    await asyncio.Event().wait()


def speech(hass: HomeAssistant, entity_id: str = ENTITY_ID, **options: Any) -> asyncio.Task[bytes]:
    """Listen to a message through Home Assistant."""
    stream = tts.async_create_stream(hass, entity_id, options=options)
    stream.async_set_message("Dinner!")

    async def listen() -> bytes:
        return b"".join([chunk async for chunk in stream.async_stream_result()])

    return asyncio.create_task(listen())


async def test_the_actions_are_there_without_a_daemon(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, DOMAIN, {})
    assert set(hass.services.async_services_for_domain(DOMAIN)) == {"render", "stop"}


def test_what_the_dialog_offers_is_what_the_action_takes() -> None:
    offered = load_yaml_dict(str(Path(services.__file__).with_name("services.yaml")))
    assert set(offered) == {"render", "stop"}
    assert {*offered["render"]["fields"]} == {"message", "language", *SPEECH_OPTIONS}


async def test_rendered_speech_can_be_fetched_and_has_a_length(
    render: Callable[..., Any], hass_client_no_auth: ClientSessionGenerator, sound: bytes
) -> None:
    answer = (await render())[ENTITY_ID]
    assert answer["duration_s"] == pytest.approx(SECONDS, abs=0.08)
    assert answer["media_type"] == "audio/mpeg"
    url = URL(answer["url"])
    assert url.origin() == URL("http://192.168.1.10:8123")
    player = await hass_client_no_auth()
    assert await (await player.get(url.path)).read() == sound


async def test_rendered_speech_plays_at_any_time_without_the_daemon(
    hass: HomeAssistant, render: Callable[..., Any], client: MagicMock, sound: bytes
) -> None:
    assert await async_setup_component(hass, "media_source", {})
    answer = (await render(voice="heart", speed=1.25))[ENTITY_ID]
    await forget_what_is_in_memory(hass)
    media = await media_source.async_resolve_media(hass, answer["media_content_id"], None)
    stream = tts.async_get_stream(hass, media.url.rpartition("/")[2])
    assert stream is not None
    played = b"".join([chunk async for chunk in stream.async_stream_result()])
    assert played.endswith(sound)  # behind the tags that Home Assistant writes
    assert client.speak.call_count == 1


async def test_what_was_rendered_is_not_spoken_again(
    hass: HomeAssistant, render: Callable[..., Any], client: MagicMock
) -> None:
    first = (await render())[ENTITY_ID]
    await forget_what_is_in_memory(hass)
    second = (await render())[ENTITY_ID]
    assert client.speak.call_count == 1
    assert (second["duration_s"], second["media_content_id"]) == (
        first["duration_s"],
        first["media_content_id"],
    )


async def test_a_render_s_options_reach_the_daemon(
    render: Callable[..., Any], client: MagicMock
) -> None:
    how = {"voice": "pico-en-gb", "mood": "cheerful", "intensity": 0.5, "speed": 0.75, "seed": 7}
    await render(language="en-GB", model="embedded", **how)
    assert client.speak.call_args.args[1] == SpeechOrder(language="en-GB", model="embedded", **how)


async def test_every_targeted_daemon_answers(render: Callable[..., Any], second: str) -> None:
    answers = await render([ENTITY_ID, second])
    assert set(answers) == {ENTITY_ID, second}
    for entity_id, answer in answers.items():
        assert f"/{entity_id}?" in answer["media_content_id"]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"speed": "fast"}, "The option speed must be a number from 0.5 to 2"),
        ({"mood": "merry"}, "The option mood is wrong: the voice has no mood named merry"),
        ({"seed": True}, "The option seed must be a whole number from 0 to 4294967295"),
        (
            {"voice": "pico-de"},
            "The option voice is wrong: pico-de does not speak the language en, only de",
        ),
    ],
)
async def test_a_wrong_option_is_refused_before_anything_is_spoken(
    render: Callable[..., Any],
    client: MagicMock,
    caplog: pytest.LogCaptureFixture,
    option: dict[str, Any],
    sentence: str,
) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await render(**option)
    assert str(raised.value).startswith(sentence)
    client.speak.assert_not_called()
    assert "Error getting audio" not in caplog.text


@pytest.mark.parametrize("message", ["", "x" * (services.MAX_CHARACTERS + 1)])
async def test_a_message_of_no_length_or_too_much_is_refused(
    render: Callable[..., Any], client: MagicMock, message: str
) -> None:
    with pytest.raises(probatio.Invalid):
        await render(message=message)
    client.speak.assert_not_called()


async def test_a_language_that_nobody_speaks_is_refused(render: Callable[..., Any]) -> None:
    with pytest.raises(HomeAssistantError, match="tlh"):
        await render(language="tlh")


async def test_what_the_daemon_refuses_reaches_the_script(
    render: Callable[..., Any], client: MagicMock
) -> None:
    client.speak.side_effect = IndexTTSRequestError("nothing_to_say", "no")
    with pytest.raises(HomeAssistantError, match="no words that could be spoken"):
        await render(message="!")


async def test_a_daemon_that_is_away_is_named_to_the_script(
    render: Callable[..., Any], client: MagicMock
) -> None:
    client.info.side_effect = IndexTTSConnectionError("no", address="http://nas:8818")
    with pytest.raises(HomeAssistantError, match="http://nas:8818 does not answer"):
        await render()


async def test_what_is_no_sound_is_not_given_out(
    render: Callable[..., Any], client: MagicMock
) -> None:
    client.speak.side_effect = lambda texts, order: spoken(texts)
    with pytest.raises(HomeAssistantError, match="without a sound"):
        await render()


async def test_without_an_address_for_players_nothing_is_rendered(
    render: Callable[..., Any], client: MagicMock
) -> None:
    with (
        patch("custom_components.indextts.rendering.get_url", side_effect=NoURLAvailableError),
        pytest.raises(HomeAssistantError, match="Settings > System > Network"),
    ):
        await render()
    client.speak.assert_not_called()


async def test_silence_comes_at_once_and_nothing_cut_short_is_kept(
    hass: HomeAssistant,
    stop: Callable[..., Any],
    client: MagicMock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client.speak.side_effect = lambda texts, order: endless()
    listening = speech(hass)
    await asyncio.sleep(0.01)
    assert await stop() == {ENTITY_ID: 1}
    with pytest.raises(HomeAssistantError, match=r"^The speech was stopped$"):
        await listening
    assert caplog.text.count("The speech was stopped") == 1
    client.speak.side_effect = lambda texts, order: spoken(texts)
    assert await speech(hass) == b"ID3-Dinner!"


async def test_speech_that_is_not_heard_yet_is_stopped_too(
    hass: HomeAssistant, stop: Callable[..., Any], client: MagicMock
) -> None:
    client.speak.side_effect = lambda texts, order: endless(first_after=asyncio.Event())
    listening = speech(hass)
    await asyncio.sleep(0.01)
    assert await stop() == {ENTITY_ID: 1}
    with pytest.raises(HomeAssistantError, match="stopped"):
        await listening


async def test_a_conversion_that_is_cut_short_is_not_kept(
    hass: HomeAssistant, stop: Callable[..., Any], client: MagicMock
) -> None:
    opus = encoded(SpeechOrder(language="en", response_format="opus"))

    async def half() -> AsyncGenerator[bytes]:
        yield opus[: len(opus) // 2]
        await asyncio.Event().wait()

    client.speak.side_effect = lambda texts, order: half()
    wanted = {"preferred_format": "wav", "preferred_sample_rate": 16000}
    listening = speech(hass, **wanted)
    await asyncio.sleep(0.5)
    assert await stop() == {ENTITY_ID: 1}
    with pytest.raises(HomeAssistantError, match="stopped"):
        await listening
    client.speak.side_effect = lambda texts, order: whole(opus)
    assert len(await speech(hass, **wanted)) == pytest.approx(SECONDS * 32000, rel=0.1)


async def test_a_render_is_stopped_like_any_speech(
    hass: HomeAssistant, render: Callable[..., Any], stop: Callable[..., Any], client: MagicMock
) -> None:
    client.speak.side_effect = lambda texts, order: endless()
    rendering = asyncio.create_task(render())
    await asyncio.sleep(0.01)
    assert await stop() == {ENTITY_ID: 1}
    with pytest.raises(HomeAssistantError, match="stopped"):
        await rendering


async def test_a_listener_that_dawdles_holds_nothing_up(
    hass: HomeAssistant, stop: Callable[..., Any], client: MagicMock
) -> None:
    ended = asyncio.Event()

    async def until_closed() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"la"
        finally:
            ended.set()

    client.speak.side_effect = lambda texts, order: until_closed()
    speaker = hass.data[tts.const.DATA_COMPONENT].get_entity(ENTITY_ID)
    assert speaker is not None
    request = tts.entity.TTSAudioRequest("en", {}, one("Dinner!"))
    response = await speaker.async_stream_tts_audio(request)
    assert await anext(response.data_gen) == b"la"
    assert await stop() == {ENTITY_ID: 1}
    assert ended.is_set()
    assert await stop() == {ENTITY_ID: 0}
    with pytest.raises(HomeAssistantError, match="stopped"):
        await anext(response.data_gen)


async def test_a_chunk_that_comes_with_the_silence_leaves_nothing_open() -> None:
    chunk: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def audio() -> AsyncGenerator[bytes]:
        try:
            yield b"la"
            yield await chunk
            yield b"la"
        finally:
            ended.set()

    made = audio()  # held, or losing it would end it, too
    session = SpeechSession(made)
    stream = await session.open()
    assert await anext(stream) == b"la"
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    chunk.set_result(b"late")
    assert await session.stop()
    with pytest.raises(HomeAssistantError, match="stopped"):
        await waiting
    assert ended.is_set()


async def test_speech_that_has_ended_cannot_be_stopped() -> None:
    session = SpeechSession(whole(b"la"))
    assert [chunk async for chunk in await session.open()] == [b"la"]
    assert not await session.stop()


async def test_new_settings_cut_nothing_short_and_silence_still_comes(
    hass: HomeAssistant, stop: Callable[..., Any], loaded: MockConfigEntry, client: MagicMock
) -> None:
    more = asyncio.Event()

    async def long() -> AsyncGenerator[bytes]:
        yield b"la"
        await more.wait()
        yield b"la"

    client.speak.side_effect = lambda texts, order: long()
    listening = speech(hass)
    await asyncio.sleep(0.01)
    assert await hass.config_entries.async_reload(loaded.entry_id)
    more.set()
    assert await listening == b"lala"

    more.clear()
    listening = speech(hass, voice="heart")
    await asyncio.sleep(0.01)
    assert await hass.config_entries.async_reload(loaded.entry_id)
    assert await stop() == {ENTITY_ID: 1}
    with pytest.raises(HomeAssistantError, match="stopped"):
        await listening


@pytest.mark.parametrize("removed", [False, True])
async def test_a_daemon_that_is_given_up_falls_silent(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, *, removed: bool
) -> None:
    client.speak.side_effect = lambda texts, order: endless()
    listening = speech(hass)
    await asyncio.sleep(0.01)
    if removed:
        await hass.config_entries.async_remove(loaded.entry_id)
    else:
        await hass.config_entries.async_set_disabled_by(loaded.entry_id, ConfigEntryDisabler.USER)
    async with asyncio.timeout(1):
        with pytest.raises(HomeAssistantError, match="stopped"):
            await listening


async def test_only_the_targeted_daemon_falls_silent(
    hass: HomeAssistant, stop: Callable[..., Any], client: MagicMock, second: str
) -> None:
    client.speak.side_effect = lambda texts, order: endless()
    listening = [speech(hass), speech(hass, second)]
    await asyncio.sleep(0.01)
    assert await stop(second) == {second: 1}
    with pytest.raises(HomeAssistantError, match="stopped"):
        await listening[1]
    assert not listening[0].done()
    assert await stop([ENTITY_ID, second]) == {ENTITY_ID: 1, second: 0}
    with pytest.raises(HomeAssistantError, match="stopped"):
        await listening[0]


async def test_stopping_where_nothing_is_spoken_does_nothing(
    hass: HomeAssistant, stop: Callable[..., Any]
) -> None:
    assert await speech(hass) == b"ID3-Dinner!"
    assert await stop() == {ENTITY_ID: 0}


async def one(message: str) -> AsyncGenerator[str]:
    yield message


async def forget_what_is_in_memory(hass: HomeAssistant) -> None:
    """Keep what is on disk only, as after five minutes or a restart."""
    for task in list(hass._background_tasks):
        if isinstance(task, asyncio.Task) and task.get_name().startswith("tts_"):
            await task
    manager = hass.data[DATA_TTS_MANAGER]
    manager.mem_cache.clear()
    manager.token_to_stream.clear()
