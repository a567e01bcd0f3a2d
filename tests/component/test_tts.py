"""What a household hears: voices, languages, formats, and errors where silence would be worse."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from dataclasses import replace
import gc
from http import HTTPStatus
from typing import Any
from unittest.mock import MagicMock

from homeassistant.components import tts
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.indextts.client import (
    IndexTTSAuthError,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSRequestError,
    Language,
    Languages,
    Readiness,
    SpeechOrder,
    Voice,
)
from custom_components.indextts.const import PAUSED
from custom_components.indextts.tts import IndexTTSSpeechEntity
from tests.component.conftest import spoken
from tests.component.sample import DEGRADED, INFO, LANGUAGES, LOADING, MOODS, READY, VOICES
from tests.component.sounds import SECONDS, encoded, measured

ENTITY_ID = "tts.indextts"
NO_ANSWER = IndexTTSConnectionError("no answer", address="http://nas:8818")

pytestmark = pytest.mark.usefixtures("loaded")


@pytest.fixture
def speaker(hass: HomeAssistant, loaded: MockConfigEntry) -> IndexTTSSpeechEntity:
    return the_speaker(hass)


def the_speaker(hass: HomeAssistant) -> IndexTTSSpeechEntity:
    entity = hass.data[DATA_COMPONENT].get_entity(ENTITY_ID)
    assert isinstance(entity, IndexTTSSpeechEntity)
    return entity


@pytest.fixture
async def speaker_with(hass: HomeAssistant, loaded: MockConfigEntry) -> Callable[..., Any]:
    """Return how to choose the entry's options anew, as their dialog does."""

    async def choose(**options: Any) -> IndexTTSSpeechEntity:
        hass.config_entries.async_update_entry(loaded, options=options)
        assert await hass.config_entries.async_reload(loaded.entry_id)
        await hass.async_block_till_done()
        return the_speaker(hass)

    return choose


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
        await kept(hass)
        return HTTPStatus(speech.status), speech.content_type, body

    return get


@pytest.fixture
def real_sound(client: MagicMock) -> None:
    """Let the daemon answer every order with a tone that can be played."""

    async def tone(order: SpeechOrder) -> AsyncGenerator[bytes]:
        sound = encoded(order)
        for start in range(0, len(sound), 1000):
            yield sound[start : start + 1000]

    client.speak.side_effect = lambda texts, order: tone(order)


async def kept(hass: HomeAssistant) -> None:
    """Wait until Home Assistant has put what was spoken into its cache, or said why not."""
    for task in list(hass._background_tasks):
        if isinstance(task, asyncio.Task) and task.get_name().startswith("tts_"):
            await task


async def words(*parts: str) -> AsyncGenerator[str]:
    for part in parts:
        yield part


def request(options: dict[str, Any] | None = None, *parts: str) -> TTSAudioRequest:
    return TTSAudioRequest("en", options or {}, words(*parts or ("Dinner!",)))


def order(client: MagicMock) -> SpeechOrder:
    """Return what the daemon was asked last."""
    asked = client.speak.call_args.args[1]
    assert isinstance(asked, SpeechOrder)
    return asked


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


async def test_the_entry_s_default_voice_is_offered_before_the_daemon_s(
    speaker_with: Callable[..., Any],
) -> None:
    speaker = await speaker_with(voice="heart")
    assert speaker.async_get_supported_voices("en-GB") == [
        tts.Voice("heart", "Heart"),
        tts.Voice("pico-en-gb", "Pico"),
    ]
    assert speaker.async_get_supported_voices("de") == [tts.Voice("pico-de", "Pico deutsch")]


def test_a_voice_deleted_between_two_questions_is_not_offered(
    speaker: IndexTTSSpeechEntity,
) -> None:
    assert speaker.async_get_supported_voices("en") == [tts.Voice("heart", "Heart")]


@pytest.mark.parametrize(("chosen", "spoken_by_default"), [("de", "de"), ("tlh", "en")])
async def test_the_entry_s_default_language_counts_while_the_daemon_has_it(
    speaker_with: Callable[..., Any], chosen: str, spoken_by_default: str
) -> None:
    assert (await speaker_with(language=chosen)).default_language == spoken_by_default


async def test_one_can_speak_while_the_daemon_would_or_would_say_why_not(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    silent = Readiness(ready=False, state=PAUSED)
    for readiness, unavailable in ((LOADING, True), (READY, False), (silent, False)):
        client.readiness.return_value = readiness
        await loaded.runtime_data.async_refresh()
        state = hass.states.get(ENTITY_ID)
        assert state is not None
        assert (state.state == STATE_UNAVAILABLE) == unavailable


def test_only_what_is_honoured_is_declared(speaker: IndexTTSSpeechEntity) -> None:
    assert speaker.supported_options == [
        "voice",
        "mood",
        "intensity",
        "speed",
        "seed",
        "model",
        "preferred_format",
        "preferred_sample_rate",
        "preferred_sample_channels",
        "preferred_sample_bytes",
        "preferred_bitrate",
    ]


async def test_a_player_gets_mp3_unless_it_prefers_something_else(
    get_speech: Callable[..., Any], client: MagicMock
) -> None:
    assert await get_speech() == (HTTPStatus.OK, "audio/mpeg", b"ID3-Dinner!")
    assert order(client) == SpeechOrder(language="en")


@pytest.mark.parametrize(
    ("preferred", "response_format"),
    [("mp3", "mp3"), ("wav", "wav"), ("flac", "flac"), ("ogg", "opus")],
)
async def test_a_preferred_format_comes_from_the_daemon_untouched(
    get_speech: Callable[..., Any], client: MagicMock, preferred: str, response_format: str
) -> None:
    status, _, body = await get_speech(options={"preferred_format": preferred})
    assert (status, body) == (HTTPStatus.OK, b"ID3-Dinner!")
    assert order(client).response_format == response_format


@pytest.mark.parametrize(
    ("preferences", "codec", "rate", "channels"),
    [
        (("flac", 48000, 1, 2), "flac", 48000, 1),  # Voice PE
        (("wav", 16000, 1, 2), "pcm_s16le", 16000, 1),  # VoIP, and a pipeline asked for wav
        (("wav", 22050, 1, 2), "pcm_s16le", 22050, 1),  # a Wyoming satellite
        (("mp3", 44100, None, None), "mp3", 44100, 1),
        (("wav", 11025, 2, 2), "pcm_s16le", 11025, 2),
        (("flac", 48000, 2, 2), "flac", 48000, 2),
        (("aac", None, None, None), "aac", 24000, 1),
    ],
)
@pytest.mark.usefixtures("real_sound")
async def test_what_the_daemon_does_not_make_home_assistant_converts(
    get_speech: Callable[..., Any],
    preferences: tuple[str, int | None, int | None, int | None],
    codec: str,
    rate: int,
    channels: int,
) -> None:
    names = ("format", "sample_rate", "sample_channels", "sample_bytes")
    named = {f"preferred_{name}": value for name, value in zip(names, preferences, strict=True)}
    extension = "adts" if codec == "aac" else preferences[0]  # ffmpeg's name for such a stream
    options = {name: value for name, value in named.items() if value is not None}
    status, _, body = await get_speech(options={**options, "preferred_format": extension})
    assert status == HTTPStatus.OK
    *form, seconds = measured(body)
    assert form == [codec, rate, channels]
    assert seconds == pytest.approx(SECONDS, abs=0.1)


async def test_voice_and_language_reach_the_daemon(
    get_speech: Callable[..., Any], client: MagicMock
) -> None:
    options = {"voice": "pico-en-gb", "speed": 1.25, "seed": 7, "model": "embedded"}
    await get_speech(language="en-GB", options=options)
    assert order(client) == SpeechOrder(
        language="en-GB", voice="pico-en-gb", speed=1.25, seed=7, model="embedded"
    )


async def test_a_media_source_id_may_carry_numbers_as_text(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    numbers = {"speed": "0.5", "seed": "4294967295", "intensity": "0.7"}
    await speaker.async_get_tts_audio("Dinner!", "en", {**numbers, "mood": "cheerful"})
    asked = order(client)
    assert (asked.speed, asked.seed, asked.intensity) == (0.5, 4294967295, 0.7)


async def test_what_a_call_leaves_out_the_entry_fills_in(
    speaker_with: Callable[..., Any], client: MagicMock
) -> None:
    speaker = await speaker_with(voice="heart", speed=1.5, lead_in_ms=250)
    await speaker.async_get_tts_audio("Dinner!", "en-GB", {})
    filled_in = SpeechOrder(language="en-GB", voice="heart", speed=1.5, lead_in_ms=250)
    assert order(client) == filled_in
    await speaker.async_get_tts_audio("Dinner!", "en-GB", {"voice": "pico-en-gb", "speed": 0.75})
    assert order(client) == replace(filled_in, voice="pico-en-gb", speed=0.75)


async def test_a_default_voice_speaks_where_it_would_if_a_call_named_it(
    speaker_with: Callable[..., Any], client: MagicMock
) -> None:
    client.voices.return_value = (*VOICES, Voice(id="plain", name="Plain", languages=("en",)))
    speaker = await speaker_with(voice="plain")
    await speaker.async_get_tts_audio("Dinner!", "en-GB", {})
    assert order(client).voice == "plain"
    offered = speaker.async_get_supported_voices("en-GB")
    assert offered is not None
    assert [voice.voice_id for voice in offered] == ["plain", "pico-en-gb", "heart"]


@pytest.mark.parametrize(
    ("voice", "language", "options"),
    [("heart", "de", {}), ("gone", "en", {}), ("heart", "en", {"model": "embedded"})],
)
async def test_a_default_voice_that_does_not_fit_is_left_to_the_daemon(
    speaker_with: Callable[..., Any],
    client: MagicMock,
    voice: str,
    language: str,
    options: dict[str, Any],
) -> None:
    speaker = await speaker_with(voice=voice)
    await speaker.async_get_tts_audio("Dinner!", language, options)
    assert order(client).voice is None


@pytest.mark.parametrize(
    ("options", "language"),
    [
        ({"mood": "cheerful", "intensity": 0.7}, "en"),
        ({"mood": "grumpy"}, "en"),  # recorded for who speaks the language
        ({"mood": "grumpy", "intensity": 0, "voice": "heart"}, "en-GB"),
        ({"mood": "cheerful"}, "de"),  # a voice without feelings speaks as it always does
        ({"mood": "of-a-model-not-loaded-yet", "model": "huge"}, "en"),
    ],
)
async def test_a_mood_reaches_the_daemon(
    speaker: IndexTTSSpeechEntity, client: MagicMock, options: dict[str, Any], language: str
) -> None:
    await speaker.async_get_tts_audio("Dinner!", language, options)
    assert order(client) == SpeechOrder(language=language, **options)


async def test_a_default_mood_is_every_message_s_that_asks_for_no_other(
    speaker_with: Callable[..., Any], client: MagicMock
) -> None:
    speaker = await speaker_with(mood="cheerful")
    for options, asked in (
        ({}, ("cheerful", None)),
        ({"intensity": 0.5}, ("cheerful", 0.5)),
        ({"mood": "bedtime"}, ("bedtime", None)),
        ({"mood": "bedtime", "intensity": 2}, ("bedtime", 2)),
    ):
        await speaker.async_get_tts_audio("Dinner!", "en", options)
        assert (order(client).mood, order(client).intensity) == asked


@pytest.mark.parametrize(
    ("mood", "language", "options"),
    [
        ("cheerful", "de", {"intensity": 0.5}),
        ("grumpy", "en-GB", {"voice": "pico-en-gb"}),
        ("gone", "en", {}),
        ("cheerful", "en", {"model": "embedded"}),
    ],
)
async def test_a_default_mood_that_does_not_fit_silences_nobody(
    speaker_with: Callable[..., Any],
    client: MagicMock,
    mood: str,
    language: str,
    options: dict[str, Any],
) -> None:
    speaker = await speaker_with(mood=mood)
    await speaker.async_get_tts_audio("Dinner!", language, options)
    assert (order(client).mood, order(client).intensity) == (None, None)


@pytest.mark.parametrize("model", [{}, {"model": "embedded"}])
async def test_a_daemon_without_moods_is_named_as_the_reason(
    loaded: MockConfigEntry, client: MagicMock, speaker: IndexTTSSpeechEntity, model: dict[str, str]
) -> None:
    client.moods.return_value = ()
    client.voices.return_value = VOICES[1:]
    await loaded.runtime_data.async_refresh()
    with pytest.raises(ServiceValidationError) as raised:
        await speaker.async_get_tts_audio("Dinner!", "en-GB", {"mood": "cheerful", **model})
    assert str(raised.value) == (
        "The option mood is wrong: the IndexTTS daemon has no moods. "
        "If it is older than this integration, update it"
    )
    await speaker.async_get_tts_audio("Dinner!", "en-GB", model)
    assert order(client).mood is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"voice": "granny"},
            (
                "The option voice is wrong: the IndexTTS daemon has no voice named granny, "
                "only heart, pico-en-gb, pico-de"
            ),
        ),
        (
            {"voice": "pico-de"},
            "The option voice is wrong: pico-de does not speak the language en, only de",
        ),
        ({"voice": 7}, "The option voice must be a name"),
        ({"voice": ""}, "The option voice must be a name"),
        (
            {"mood": "merry"},
            (
                "The option mood is wrong: the voice has no mood named merry, "
                "only cheerful, bedtime, grumpy"
            ),
        ),
        ({"mood": 7}, "The option mood must be a name"),
        (
            {"mood": "cheerful", "intensity": 2.1},
            "The option intensity must be a number from 0 to 2",
        ),
        (
            {"mood": "cheerful", "intensity": "very"},
            "The option intensity must be a number from 0 to 2",
        ),
        ({"intensity": -0.1}, "The option intensity must be a number from 0 to 2"),
        ({"intensity": 1}, "The option intensity is wrong: it needs a mood"),
        ({"model": ["embedded"]}, "The option model must be a name"),
        ({"speed": "fast"}, "The option speed must be a number from 0.5 to 2"),
        ({"speed": True}, "The option speed must be a number from 0.5 to 2"),
        ({"speed": 0}, "The option speed must be a number from 0.5 to 2"),
        ({"speed": 2.01}, "The option speed must be a number from 0.5 to 2"),
        ({"speed": float("nan")}, "The option speed must be a number from 0.5 to 2"),
        ({"speed": [1]}, "The option speed must be a number from 0.5 to 2"),
        ({"seed": 1e999}, "The option seed must be a whole number from 0 to 4294967295"),
        ({"seed": 10**400}, "The option seed must be a whole number from 0 to 4294967295"),
        ({"seed": -1}, "The option seed must be a whole number from 0 to 4294967295"),
        ({"seed": 1.5}, "The option seed must be a whole number from 0 to 4294967295"),
        ({"seed": False}, "The option seed must be a whole number from 0 to 4294967295"),
        (
            {"preferred_sample_rate": "high"},
            "The option preferred_sample_rate must be a whole number from 1 to 1000000",
        ),
    ],
)
async def test_a_wrong_option_is_refused_by_name_with_what_is_allowed(
    speaker: IndexTTSSpeechEntity, client: MagicMock, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await speaker.async_stream_tts_audio(request(options))
    assert str(raised.value) == sentence
    client.speak.assert_not_called()


async def test_a_player_is_told_in_the_log_which_option_is_wrong(
    get_speech: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    status, _, _ = await get_speech(options={"speed": "fast"})
    assert status == HTTPStatus.INTERNAL_SERVER_ERROR
    said = [record for record in caplog.records if "Error getting audio" in record.message]
    assert [record.message for record in said] == [
        "Error getting audio for Dinner!: The option speed must be a number from 0.5 to 2"
    ]


@pytest.mark.parametrize(
    ("language", "options"),
    [
        ("en-GB", {"voice": "plain"}),  # the daemon, too, takes a voice for en for en-GB
        ("en", {"voice": "unlisted", "model": "not-loaded-yet"}),
    ],
)
async def test_a_voice_that_the_daemon_would_take_is_not_refused_here(
    loaded: MockConfigEntry,
    speaker: IndexTTSSpeechEntity,
    client: MagicMock,
    language: str,
    options: dict[str, Any],
) -> None:
    client.voices.return_value = (*VOICES, Voice(id="plain", name="Plain", languages=("en",)))
    await loaded.runtime_data.async_refresh()
    await speaker.async_get_tts_audio("Dinner!", language, options)
    assert order(client).voice == options["voice"]


async def test_a_voice_of_the_model_that_another_stands_in_for_is_left_to_the_daemon(
    loaded: MockConfigEntry, speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    client.readiness.return_value = DEGRADED
    await loaded.runtime_data.async_refresh()
    await speaker.async_get_tts_audio("Dinner!", "en", {"voice": "lena", "mood": "urgent"})
    asked = order(client)
    assert (asked.voice, asked.mood) == ("lena", "urgent")


@pytest.mark.parametrize("moods", [MOODS, ()])
async def test_a_mood_of_the_model_that_another_stands_in_for_is_left_to_the_daemon(
    loaded: MockConfigEntry,
    speaker: IndexTTSSpeechEntity,
    client: MagicMock,
    moods: tuple[str, ...],
) -> None:
    client.readiness.return_value = DEGRADED
    client.moods.return_value = moods
    await loaded.runtime_data.async_refresh()
    options = {"mood": "sleepy", "intensity": 0.5}
    await speaker.async_get_tts_audio("Dinner!", "en", options)
    asked = order(client)
    assert (asked.mood, asked.intensity) == ("sleepy", 0.5)


async def test_a_language_of_the_model_that_another_stands_in_for_is_still_taken(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    speaker: IndexTTSSpeechEntity,
    client: MagicMock,
    get_speech: Callable[..., Any],
) -> None:
    client.readiness.return_value = DEGRADED
    client.languages.return_value = replace(LANGUAGES, languages=LANGUAGES.languages[:2])
    for _ in range(2):
        await loaded.runtime_data.async_refresh()
        assert speaker.supported_languages == ["en", "en-GB", "de"]
    assert (await get_speech(language="de", options={"voice": "heart"}))[0] == HTTPStatus.OK
    asked = order(client)
    assert (asked.language, asked.voice) == ("de", "heart")

    client.readiness.return_value = READY
    await loaded.runtime_data.async_refresh()
    assert speaker.supported_languages == ["en", "en-GB"]


async def test_speech_is_heard_again_without_the_daemon_until_it_would_sound_different(
    get_speech: Callable[..., Any], loaded: MockConfigEntry, client: MagicMock
) -> None:
    await get_speech()
    assert (await get_speech())[2] == b"ID3-Dinner!"
    assert client.speak.call_count == 1

    client.info.return_value = replace(INFO, revision="ffffffffffffffff")
    client.speak.side_effect = lambda texts, order: words_as_bytes("anew")
    await loaded.runtime_data.async_refresh()
    assert (await get_speech())[2] == b"anew"
    assert client.speak.call_count == 2


async def test_a_voice_that_is_added_makes_nothing_anew(
    get_speech: Callable[..., Any], loaded: MockConfigEntry, client: MagicMock
) -> None:
    await get_speech()
    client.voices.return_value = (*VOICES, Voice(id="new", name="New", languages=("de",)))
    spoken_by = Language(code="de", name="German", voices=("pico-de", "new"))
    client.languages.return_value = replace(
        LANGUAGES, languages=(*LANGUAGES.languages[:2], spoken_by)
    )
    await loaded.runtime_data.async_refresh()
    await get_speech()
    assert client.speak.call_count == 1
    assert (await get_speech(language="de", options={"voice": "new"}))[0] == HTTPStatus.OK


async def test_what_was_spoken_is_heard_while_a_daemon_that_came_back_loads(
    get_speech: Callable[..., Any], loaded: MockConfigEntry, client: MagicMock
) -> None:
    await get_speech()
    client.info.return_value = replace(INFO, revision=None)
    client.readiness.return_value = LOADING
    await loaded.runtime_data.async_refresh()
    await get_speech()
    assert client.speak.call_count == 1


async def test_a_daemon_that_has_yet_to_load_says_so_and_nothing_is_kept_in_its_name(
    hass: HomeAssistant, speaker_with: Callable[..., Any], client: MagicMock
) -> None:
    client.info.return_value = replace(INFO, revision=None)
    client.readiness.return_value = LOADING
    speaker = await speaker_with()
    still_loading = "^The IndexTTS daemon is still loading. Try again in a moment$"
    with pytest.raises(HomeAssistantError, match=still_loading):
        tts.async_create_stream(hass, ENTITY_ID)

    client.voices.return_value = ()
    client.languages.return_value = Languages(default="en", languages=())
    speaker = await speaker_with()
    for options in ({}, {"voice": "heart"}):
        with pytest.raises(HomeAssistantError, match=still_loading):
            await speaker.async_get_tts_audio("Dinner!", "en", options)
    client.speak.assert_not_called()


@pytest.mark.parametrize(
    ("choice", "anew"),
    [
        ({"voice": "heart"}, True),
        ({"speed": 1.5}, True),
        ({"lead_in_ms": 250}, True),
        ({"mood": "cheerful"}, True),
        ({"mood": "gone"}, False),
        ({"voice": "not there"}, False),
        ({"speed": 1.0}, False),
        ({"lead_in_ms": 0}, False),
        ({"language": "en"}, False),
    ],
)
async def test_a_choice_that_changes_the_sound_makes_it_anew(
    get_speech: Callable[..., Any],
    speaker_with: Callable[..., Any],
    client: MagicMock,
    choice: dict[str, Any],
    *,
    anew: bool,
) -> None:
    await get_speech()
    await speaker_with(**choice)
    await get_speech()
    assert client.speak.call_count == (2 if anew else 1)


async def test_a_voice_chosen_at_hand_speaks_the_next_message_without_a_reload(
    get_speech: Callable[..., Any], loaded: MockConfigEntry, client: MagicMock
) -> None:
    await get_speech()
    choice = {"entity_id": "select.nas_default_voice", "option": "Heart (heart)"}
    await loaded.runtime_data.hass.services.async_call(
        "select", "select_option", choice, blocking=True
    )
    await get_speech()
    assert client.speak.call_count == 2
    assert order(client).voice == "heart"
    assert client.info.call_count == 3  # one look at setup, and once before each message


async def test_each_mood_is_kept_apart_and_heard_again(
    get_speech: Callable[..., Any], client: MagicMock
) -> None:
    client.speak.side_effect = lambda texts, order: words_as_bytes(f"{order.mood}")
    for _ in range(2):
        for mood in ("cheerful", "bedtime"):
            assert (await get_speech(options={"mood": mood}))[2] == mood.encode()
        assert (await get_speech())[2] == b"None"
    assert client.speak.call_count == 3


async def test_speech_is_passed_on_as_it_is_made(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    more = asyncio.Event()

    async def slowly() -> AsyncGenerator[bytes]:
        yield b"first"
        await more.wait()
        yield b"second"

    client.speak.side_effect = lambda texts, order: slowly()
    response = await speaker.async_stream_tts_audio(request())
    assert await anext(response.data_gen) == b"first"
    second = asyncio.ensure_future(anext(response.data_gen))
    await asyncio.sleep(0)
    assert not second.done()
    more.set()
    assert await second == b"second"
    assert [chunk async for chunk in response.data_gen] == []


async def test_text_is_passed_on_as_it_arrives(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    heard = asyncio.Event()

    async def thinking() -> AsyncGenerator[str]:
        yield "Din"
        await heard.wait()  # a model that ends its answer only after its beginning was heard
        yield "ner!"

    response = await speaker.async_stream_tts_audio(TTSAudioRequest("en", {}, thinking()))
    sound = [await anext(response.data_gen), await anext(response.data_gen)]
    heard.set()
    assert [*sound, *[chunk async for chunk in response.data_gen]] == [b"ID3-", b"Din", b"ner!"]


async def test_text_goes_on_while_the_first_sound_is_awaited(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    async def only_whole(texts: AsyncIterable[str]) -> AsyncGenerator[bytes]:
        yield "".join([text async for text in texts]).encode()

    client.speak.side_effect = lambda texts, order: only_whole(texts)
    response = await speaker.async_stream_tts_audio(request(None, "Din", "ner", "!"))
    assert [chunk async for chunk in response.data_gen] == [b"Dinner!"]


async def test_an_answer_in_pieces_is_spoken_through_home_assistant(
    hass: HomeAssistant, client: MagicMock
) -> None:
    stream = tts.async_create_stream(hass, ENTITY_ID)
    stream.async_set_message_stream(words("Din", "ner", "!"))
    assert b"".join([chunk async for chunk in stream.async_stream_result()]) == b"ID3-Dinner!"
    await kept(hass)


async def test_a_text_that_breaks_off_is_its_own_error(speaker: IndexTTSSpeechEntity) -> None:
    async def forgetful() -> AsyncGenerator[str]:
        yield "Din"
        raise TimeoutError("the model")

    response = await speaker.async_stream_tts_audio(TTSAudioRequest("en", {}, forgetful()))
    with pytest.raises(TimeoutError, match="the model"):
        [chunk async for chunk in response.data_gen]


async def test_a_direct_caller_gets_the_whole_speech(speaker: IndexTTSSpeechEntity) -> None:
    audio = await speaker.async_get_tts_audio("Dinner!", "en", {"preferred_format": "wav"})
    assert audio == ("wav", b"ID3-Dinner!")


@pytest.fixture
def ended(client: MagicMock) -> asyncio.Event:
    """Let the daemon speak without end, and tell when it was told to stop."""
    ended = asyncio.Event()

    async def endlessly() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"la"
                await asyncio.sleep(0)
        finally:
            ended.set()

    client.speak.side_effect = lambda texts, order: endlessly()
    return ended


async def test_a_listener_that_leaves_ends_the_daemon_s_work(
    speaker: IndexTTSSpeechEntity, ended: asyncio.Event
) -> None:
    response = await speaker.async_stream_tts_audio(request())
    assert await anext(response.data_gen) == b"la"
    await response.data_gen.aclose()
    assert ended.is_set()


async def test_a_listener_that_is_cancelled_ends_the_daemon_s_work(
    speaker: IndexTTSSpeechEntity, ended: asyncio.Event
) -> None:
    listening = asyncio.ensure_future(speaker.async_get_tts_audio("Dinner!", "en", {}))
    await asyncio.sleep(0.01)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    assert ended.is_set()


async def test_speech_that_nobody_ever_reads_ends_by_itself(
    speaker: IndexTTSSpeechEntity, ended: asyncio.Event
) -> None:
    await speaker.async_stream_tts_audio(request())
    gc.collect()
    async with asyncio.timeout(1):
        await ended.wait()


REFUSALS = [
    (NO_ANSWER, "The IndexTTS daemon at http://nas:8818 does not answer"),
    (IndexTTSAuthError("no"), "The IndexTTS daemon no longer knows Home Assistant's token"),
    (
        IndexTTSRequestError("voice_not_found", "no"),
        "The IndexTTS daemon has no voice named granny",
    ),
    (
        IndexTTSRequestError("model_not_found", "no"),
        "The IndexTTS daemon has no model named huge",
    ),
    (
        IndexTTSRequestError("unsupported_language", "no"),
        "Neither the voice nor the model that was asked for speaks the language en",
    ),
    (
        IndexTTSRequestError("nothing_to_say", "no"),
        "The message has no words that could be spoken",
    ),
    (
        IndexTTSRequestError("too_large", "no"),
        "The message is too long for the IndexTTS daemon to speak in one go",
    ),
    (
        IndexTTSRequestError("idle_timeout", "no"),
        "The IndexTTS daemon waited too long for the rest of the message",
    ),
    (
        IndexTTSRequestError("queue_full", "no", 3),
        "Too many messages wait to be spoken. Try again in a moment",
    ),
    (
        IndexTTSFailureError("worker_lost", "no", 1),
        "The IndexTTS daemon lost the program that was speaking. Try again in a moment",
    ),
    (
        IndexTTSFailureError("internal", "It stumbled.", 1),
        "The IndexTTS daemon failed: It stumbled.",
    ),
    (
        IndexTTSRequestError("invalid_param", "The model has no speed."),
        "The IndexTTS daemon refused: The model has no speed.",
    ),
    (
        IndexTTSRequestError("not_found", "There is no such page."),
        "The IndexTTS daemon refused: There is no such page.",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), REFUSALS)
async def test_a_refusal_is_an_error_with_a_reason(
    speaker: IndexTTSSpeechEntity, client: MagicMock, error: IndexTTSError, sentence: str
) -> None:
    client.speak.side_effect = lambda texts, order: failing(error)
    with pytest.raises(HomeAssistantError) as raised:
        await speaker.async_stream_tts_audio(request({"voice": "granny", "model": "huge"}))
    assert str(raised.value) == sentence
    assert raised.value.__cause__ is error


async def test_another_daemon_at_the_address_is_not_spoken_to(
    speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    client.info.side_effect = NO_ANSWER
    with pytest.raises(HomeAssistantError, match="does not answer"):
        await speaker.async_stream_tts_audio(request())
    client.speak.assert_not_called()


async def test_a_token_that_was_withdrawn_is_asked_for_again_at_once(
    hass: HomeAssistant, speaker: IndexTTSSpeechEntity, client: MagicMock
) -> None:
    client.speak.side_effect = lambda texts, order: failing(IndexTTSAuthError("no"))
    with pytest.raises(HomeAssistantError):
        await speaker.async_stream_tts_audio(request())
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH


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
    client.speak.side_effect = lambda texts, order: failing(NO_ANSWER, b"ID3-Din")
    await get_speech()
    assert "Error getting audio for Dinner!: The IndexTTS daemon at http://nas:8818" in caplog.text
    client.speak.side_effect = lambda texts, order: spoken(texts)
    assert (await get_speech())[2] == b"ID3-Dinner!"


@pytest.mark.usefixtures("real_sound")
async def test_speech_that_breaks_off_during_a_conversion_is_not_remembered(
    get_speech: Callable[..., Any], client: MagicMock, caplog: pytest.LogCaptureFixture
) -> None:
    whole = client.speak.side_effect
    half = encoded(SpeechOrder(language="en", response_format="opus"))[:5000]
    client.speak.side_effect = lambda texts, order: failing(NO_ANSWER, half)
    wav = {"preferred_format": "wav", "preferred_sample_rate": 16000}
    await get_speech(options=wav)
    assert "Error getting audio for Dinner!: The IndexTTS daemon at http://nas:8818" in caplog.text
    client.speak.side_effect = whole
    assert measured((await get_speech(options=wav))[2])[3] == pytest.approx(SECONDS, abs=0.1)


async def test_no_error_repeats_the_text(speaker: IndexTTSSpeechEntity, client: MagicMock) -> None:
    client.speak.side_effect = lambda texts, order: failing(NO_ANSWER)
    with pytest.raises(HomeAssistantError) as raised:
        await speaker.async_get_tts_audio("The alarm code is 1234", "en", {})
    assert "1234" not in f"{raised.value} {raised.value.translation_placeholders}"


async def words_as_bytes(*parts: str) -> AsyncGenerator[bytes]:
    for part in parts:
        yield part.encode()


async def failing(error: Exception | None, *chunks: bytes) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error
