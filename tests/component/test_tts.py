"""What a household hears: voices, languages, formats, and errors where silence would be worse."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from unittest.mock import MagicMock

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import tts
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.indextts.client import (
    IndexTTSAuthError,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSRequestError,
    SpeechOrder,
)
from custom_components.indextts.tts import IndexTTSSpeechEntity
from tests.component.sample import INFO

ENTITY_ID = "tts.indextts"
NO_ANSWER = IndexTTSConnectionError("no answer", address="http://nas:8818")

pytestmark = pytest.mark.usefixtures("loaded")


@pytest.fixture
def speaker(hass: HomeAssistant, loaded: MockConfigEntry) -> IndexTTSSpeechEntity:
    entity = hass.data[DATA_COMPONENT].get_entity(ENTITY_ID)
    assert isinstance(entity, IndexTTSSpeechEntity)
    return entity


@pytest.fixture
async def get_speech(
    hass: HomeAssistant, hass_client: ClientSessionGenerator
) -> Callable[..., Any]:
    """Return what a player does: ask for a URL, then fetch it."""
    hass.config.internal_url = "http://127.0.0.1:8123"
    browser = await hass_client()

    async def get(message: str = "Dinner!", **request: Any) -> tuple[HTTPStatus, str, bytes]:
        asked = {"engine_id": ENTITY_ID, "message": message, "cache": True, **request}
        response = await browser.post("/api/tts_get_url", json=asked)
        assert response.status == HTTPStatus.OK, await response.text()
        speech = await browser.get((await response.json())["path"])
        body = await speech.read()
        await hass.async_block_till_done(wait_background_tasks=True)
        return HTTPStatus(speech.status), speech.content_type, body

    return get


async def words(*parts: str) -> AsyncGenerator[str]:
    for part in parts:
        yield part


def request(options: dict[str, Any] | None = None, *parts: str) -> TTSAudioRequest:
    return TTSAudioRequest("en", options or {}, words(*parts or ("Dinner!",)))


def test_the_daemon_s_languages_and_voices_are_offered(speaker: IndexTTSSpeechEntity) -> None:
    assert speaker.supported_languages == ["en", "en-GB", "de"]
    assert speaker.default_language == "en"
    assert speaker.async_get_supported_voices("de") == [tts.Voice("pico-de", "Pico deutsch")]
    assert speaker.async_get_supported_voices("fr") is None


def test_a_language_s_default_voice_is_offered_first(speaker: IndexTTSSpeechEntity) -> None:
    assert speaker.async_get_supported_voices("en-GB") == [
        tts.Voice("pico-en-gb", "Pico"),
        tts.Voice("heart", "Heart"),
    ]


def test_a_voice_deleted_between_two_questions_is_not_offered(
    speaker: IndexTTSSpeechEntity,
) -> None:
    assert speaker.async_get_supported_voices("en") == [tts.Voice("heart", "Heart")]


def test_only_what_is_honoured_is_declared(speaker: IndexTTSSpeechEntity) -> None:
    assert speaker.supported_options == ["voice", "preferred_format"]


async def test_a_player_gets_mp3_unless_it_prefers_something_else(
    get_speech: Callable[..., Any], client: MagicMock
) -> None:
    assert await get_speech() == (HTTPStatus.OK, "audio/mpeg", b"ID3-Dinner!")
    assert client.speak.call_args.args[1] == SpeechOrder(language="en")


@pytest.mark.parametrize(
    ("preferred", "response_format"),
    [("mp3", "mp3"), ("wav", "wav"), ("flac", "flac"), ("ogg", "opus")],
)
async def test_a_preferred_format_comes_from_the_daemon_untouched(
    get_speech: Callable[..., Any], client: MagicMock, preferred: str, response_format: str
) -> None:
    status, _, body = await get_speech(options={"preferred_format": preferred})
    assert (status, body) == (HTTPStatus.OK, b"ID3-Dinner!")
    assert client.speak.call_args.args[1].response_format == response_format


async def test_any_other_format_is_made_from_wav(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    response = await speaker.async_stream_tts_audio(request({"preferred_format": "m4a"}))
    assert response.extension == "wav"
    assert client.speak.call_args.args[1].response_format == "wav"
    await response.data_gen.aclose()


async def test_voice_and_language_reach_the_daemon(
    get_speech: Callable[..., Any], client: MagicMock
) -> None:
    await get_speech(language="en-GB", options={"voice": "pico-en-gb"})
    assert client.speak.call_args.args[1] == SpeechOrder(language="en-GB", voice="pico-en-gb")


async def test_speech_is_heard_again_without_the_daemon_until_it_would_sound_different(
    hass: HomeAssistant,
    get_speech: Callable[..., Any],
    client: MagicMock,
    freezer: FrozenDateTimeFactory,
) -> None:
    await get_speech()
    assert (await get_speech())[2] == b"ID3-Dinner!"
    assert client.speak.call_count == 1

    client.info.return_value = replace(INFO, revision="ffffffffffffffff")
    freezer.tick(31)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    await get_speech()
    assert client.speak.call_count == 2


async def test_speech_is_passed_on_as_it_is_made(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    more = asyncio.Event()

    async def slowly(texts: AsyncIterable[str], order: SpeechOrder) -> AsyncGenerator[bytes]:
        yield b"first"
        await more.wait()
        yield b"second"

    client.speak.side_effect = slowly
    response = await speaker.async_stream_tts_audio(request())
    assert await anext(response.data_gen) == b"first"
    second = asyncio.create_task(anext(response.data_gen))
    await asyncio.sleep(0)
    assert not second.done()
    more.set()
    assert await second == b"second"
    assert [chunk async for chunk in response.data_gen] == []


async def test_text_in_pieces_is_spoken_as_one(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    response = await speaker.async_stream_tts_audio(request(None, "Din", "ner", "!"))
    assert b"".join([chunk async for chunk in response.data_gen]) == b"ID3-Dinner!"


async def test_a_direct_caller_gets_the_whole_speech(speaker: IndexTTSSpeechEntity) -> None:
    audio = await speaker.async_get_tts_audio("Dinner!", "en", {"preferred_format": "wav"})
    assert audio == ("wav", b"ID3-Dinner!")


async def test_a_listener_that_leaves_ends_the_daemon_s_work(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    ended = asyncio.Event()

    async def endlessly(texts: AsyncIterable[str], order: SpeechOrder) -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"la"
        finally:
            ended.set()

    client.speak.side_effect = endlessly
    response = await speaker.async_stream_tts_audio(request())
    assert await anext(response.data_gen) == b"la"
    await response.data_gen.aclose()
    assert ended.is_set()


REFUSALS = [
    (NO_ANSWER, "The IndexTTS daemon at http://nas:8818 does not answer"),
    (IndexTTSAuthError("no"), "The IndexTTS daemon no longer knows Home Assistant's token"),
    (
        IndexTTSRequestError("voice_not_found", "no"),
        "The IndexTTS daemon has no voice named granny",
    ),
    (
        IndexTTSRequestError("unsupported_language", "no"),
        "The voice granny does not speak the language en",
    ),
    (
        IndexTTSRequestError("nothing_to_say", "no"),
        "The message has no words that could be spoken",
    ),
    (
        IndexTTSRequestError("queue_full", "no", 3),
        "Too many messages wait to be spoken. Try again in a moment",
    ),
    (
        IndexTTSFailureError("worker_lost", "The worker ended.", 1),
        "The IndexTTS daemon failed: The worker ended.",
    ),
    (
        IndexTTSRequestError("invalid_param", "input is too long"),
        "The IndexTTS daemon refused: input is too long",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), REFUSALS)
async def test_a_refusal_is_an_error_with_a_reason(
    speaker: IndexTTSSpeechEntity, client: MagicMock, error: IndexTTSError, sentence: str
) -> None:
    client.speak.side_effect = lambda texts, order: failing(error)
    with pytest.raises(HomeAssistantError) as raised:
        await speaker.async_stream_tts_audio(request({"voice": "granny"}))
    assert str(raised.value) == sentence
    assert raised.value.__cause__ is error


async def test_a_player_is_refused_rather_than_given_silence(
    get_speech: Callable[..., Any], client: MagicMock, caplog: pytest.LogCaptureFixture
) -> None:
    client.speak.side_effect = lambda texts, order: failing(NO_ANSWER)
    status, _, _ = await get_speech()
    assert status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "The IndexTTS daemon at http://nas:8818 does not answer" in caplog.text


async def test_an_answer_without_a_sound_is_an_error(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    client.speak.side_effect = lambda texts, order: failing(None)
    with pytest.raises(HomeAssistantError) as raised:
        await speaker.async_get_tts_audio("Dinner!", "en", {})
    assert str(raised.value) == "The IndexTTS daemon answered without a sound"


async def test_speech_that_breaks_off_is_an_error_and_not_remembered(
    get_speech: Callable[..., Any], client: MagicMock, caplog: pytest.LogCaptureFixture
) -> None:
    healthy = client.speak.side_effect
    client.speak.side_effect = lambda texts, order: failing(NO_ANSWER, b"ID3-Din")
    await get_speech()
    assert "Error getting audio for Dinner!: The IndexTTS daemon at http://nas:8818" in caplog.text
    client.speak.side_effect = healthy
    assert (await get_speech())[2] == b"ID3-Dinner!"


async def test_no_error_repeats_the_text(
    hass: HomeAssistant, speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    client.speak.side_effect = lambda texts, order: failing(NO_ANSWER)
    with pytest.raises(HomeAssistantError) as raised:
        await speaker.async_get_tts_audio("The alarm code is 1234", "en", {})
    assert "1234" not in f"{raised.value} {raised.value.translation_placeholders}"


async def failing(error: Exception | None, *chunks: bytes) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error
