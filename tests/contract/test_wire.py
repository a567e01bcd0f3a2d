"""The real client and the real daemon mean the same by every question and every refusal."""

import asyncio
from collections.abc import AsyncGenerator
import json
from pathlib import Path
import struct
from typing import Any

import aiohttp
import pytest

import custom_components.indextts
from custom_components.indextts.client import (
    IndexTTSAuthError,
    IndexTTSClient,
    IndexTTSConnectionError,
    IndexTTSFailureError,
    IndexTTSOtherInstanceError,
    IndexTTSRequestError,
    Readiness,
    SpeechOrder,
    Voice,
)
from custom_components.indextts.errors import error_key
from indextts_daemon.engines.fake import crc_of
from indextts_daemon.service.moods import BUILT_IN
from indextts_daemon.speech import Emotion
from indextts_daemon.text.feelings import limited
from tests.contract.conftest import Connect, Daemon, running

FRAME = struct.Struct("<4h")  # voice tag, text's crc, generation, counter
WAV_HEADER_BYTES = 44
PATIENCE_S = 30.0


async def pieces(*texts: str) -> AsyncGenerator[str]:
    for text in texts:
        yield text


def ordered(client: IndexTTSClient, *texts: str, **options: Any) -> AsyncGenerator[bytes]:
    order = {"language": "en", "response_format": "wav"} | options
    return client.speak(pieces(*texts), SpeechOrder(**order))


async def speak(client: IndexTTSClient, text: str = "Dinner is ready.", **options: Any) -> bytes:
    return b"".join([chunk async for chunk in ordered(client, text, **options)])


def frames_of(speech: bytes) -> list[tuple[int, ...]]:
    return list(FRAME.iter_unpack(speech[WAV_HEADER_BYTES:]))


async def refusal(client: IndexTTSClient, text: str, **options: Any) -> IndexTTSRequestError:
    with pytest.raises(IndexTTSRequestError) as raised:
        await speak(client, text, **options)
    return raised.value


async def test_the_daemon_says_who_it_is(daemon: Daemon, connect: Connect) -> None:
    manifest = Path(custom_components.indextts.__file__).parent / "manifest.json"
    client = connect(daemon)
    info = await client.info()
    assert (info.engine, info.model_name, info.auth) == ("fake", "Fake", True)
    assert info.version == json.loads(manifest.read_text())["version"]
    assert len(bytes.fromhex(info.instance_id)) == 16
    assert len(bytes.fromhex(info.revision or "")) == 8
    assert info.name
    assert await client.info(expect=info.instance_id) == info
    with pytest.raises(IndexTTSOtherInstanceError):
        await client.info(expect="0" * 32)


async def test_a_ready_daemon_says_so(daemon: Daemon, connect: Connect) -> None:
    assert await connect(daemon).readiness() == Readiness(ready=True, state="ready")


async def test_languages_name_voices_that_speak_them(daemon: Daemon, connect: Connect) -> None:
    client = connect(daemon)
    languages, voices = await client.languages(), await client.voices()
    assert languages.default == "en"
    assert {language.code for language in languages.languages} == {"de", "en", "zh"}
    by_id = {voice.id: voice for voice in voices}
    first = by_id["fake-01"]
    moods = tuple(sorted(await client.moods()))
    assert first == Voice(id="fake-01", name="Fake 1", languages=("en",), moods=moods)
    for language in languages.languages:
        assert language.name
        assert language.voices
        assert all(language.code in by_id[voice].languages for voice in language.voices)


@pytest.mark.parametrize(
    ("response_format", "beginning"),
    [("wav", b"RIFF"), ("mp3", b"\xff"), ("flac", b"fLaC"), ("opus", b"OggS")],
)
async def test_every_format_that_is_asked_for_is_spoken(
    daemon: Daemon, connect: Connect, response_format: str, beginning: bytes
) -> None:
    speech = await speak(connect(daemon), response_format=response_format)
    assert speech.startswith(beginning)
    assert len(speech) > 1000


async def test_a_voice_s_samples_arrive_whole_and_in_order(
    daemon: Daemon, connect: Connect
) -> None:
    speech = await speak(connect(daemon), voice="fake-04")
    frames = frames_of(speech)
    assert {(tag, generation) for tag, _, generation, _ in frames} == {(4, 0)}
    assert [counter for *_, counter in frames] == list(range(len(frames)))
    assert len({crc for _, crc, _, _ in frames}) == 1


async def test_speed_and_seed_reach_the_engine(daemon: Daemon, connect: Connect) -> None:
    client = connect(daemon)
    usual = frames_of(await speak(client))
    fast = frames_of(await speak(client, speed=2.0))
    other = frames_of(await speak(client, seed=7))
    assert len(fast) == len(usual) // 2
    assert {crc for _, crc, *_ in usual} == {crc for _, crc, *_ in fast}
    assert {crc for _, crc, *_ in usual}.isdisjoint({crc for _, crc, *_ in other})


@pytest.mark.parametrize("mood", BUILT_IN)
async def test_a_mood_is_felt_as_strongly_as_asked_for_and_sets_the_pace(
    daemon: Daemon, connect: Connect, mood: str
) -> None:
    client = connect(daemon)
    felt = BUILT_IN[mood]
    usual = frames_of(await speak(client))
    for intensity in (None, 0.5):
        frames = frames_of(await speak(client, mood=mood, intensity=intensity))
        strength = felt.strength * (1 if intensity is None else intensity)
        emotion = Emotion(weights=limited([weight * strength for weight in felt.weights]))
        assert {crc for _, crc, *_ in frames} == {crc_of(0, "Dinner is ready.", emotion)}
        assert len(frames) == pytest.approx(len(usual) / felt.speed, abs=1)


async def test_a_question_that_came_later_than_the_daemon_is_answered_by_a_code(
    daemon: Daemon, connect: Connect
) -> None:
    """By that a client knows a daemon from before there were moods."""
    with pytest.raises(IndexTTSRequestError) as raised:
        await connect(daemon)._connection.ask("v1/of_the_future", dict, with_token=True)
    assert raised.value.code == "not_found"


async def test_the_moods_of_a_household_are_known_by_name(tmp_path: Path, connect: Connect) -> None:
    (tmp_path / "moods.yaml").write_text("party: {emotion: {happy: 0.6}}\nsad:\n")
    with running(tmp_path) as daemon:
        client = connect(daemon)
        assert {*await client.moods()} == {*BUILT_IN, "party"} - {"sad"}
        assert await speak(client, mood="party") != await speak(client, mood="cheerful")
        refused = await refusal(client, "Hello.", mood="sad")
    assert refused.code == "invalid_param"


async def test_rate_and_lead_in_are_as_ordered(daemon: Daemon, connect: Connect) -> None:
    client = connect(daemon)
    usual = await speak(client, sample_rate=48000)
    assert struct.unpack_from("<I", usual, 24) == (48000,)
    late = await speak(client, sample_rate=48000, lead_in_ms=500)
    assert len(late) - len(usual) == 48000
    assert not any(late[WAV_HEADER_BYTES : WAV_HEADER_BYTES + 48000])


async def test_a_text_in_pieces_sounds_as_it_does_in_one(daemon: Daemon, connect: Connect) -> None:
    client = connect(daemon)
    text = "Dinner is ready. There is soup, and there are dumplings. Come before it is cold!"
    tokens = [text[start : start + 3] for start in range(0, len(text), 3)]
    in_pieces = b"".join([chunk async for chunk in ordered(client, *tokens)])
    assert in_pieces == await speak(client, text)
    assert [counter for *_, counter in frames_of(in_pieces)] == list(
        range(len(frames_of(in_pieces)))
    )


async def test_a_long_story_is_spoken_whole(daemon: Daemon, connect: Connect) -> None:
    story = "The story goes on and on. " * 600
    assert len(story) > 3 * 4096
    speech = await speak(connect(daemon), story, speed=2.0)
    frames = frames_of(speech)
    assert [counter for *_, counter in frames] == [n % (1 << 15) for n in range(len(frames))]
    assert len({crc for _, crc, *_ in frames}) <= 2  # the last sentence has no space behind it


async def test_the_first_sentence_is_heard_while_the_second_is_not_yet_written(
    daemon: Daemon, connect: Connect
) -> None:
    more = asyncio.Event()

    async def slowly() -> AsyncGenerator[str]:
        yield "This sentence is complete. "
        yield "And"
        await more.wait()
        yield " this one follows."

    order = SpeechOrder(language="en", response_format="wav")
    async with asyncio.timeout(PATIENCE_S):
        stream = connect(daemon).speak(slowly(), order)
        speech = await anext(stream)
        while len(speech) <= WAV_HEADER_BYTES:
            speech += await anext(stream)
        more.set()
        speech += b"".join([chunk async for chunk in stream])
    assert len({crc for _, crc, *_ in frames_of(speech)}) == 2


async def test_a_text_that_breaks_is_forgotten_by_the_daemon(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)

    async def breaking() -> AsyncGenerator[str]:
        yield "This sentence is complete. And this one "
        raise LookupError("the language model broke")

    order = SpeechOrder(language="en", response_format="wav")
    with pytest.raises(LookupError, match="the language model broke"):
        async for _ in client.speak(breaking(), order):
            pass
    async with asyncio.timeout(PATIENCE_S):
        while (status := await client.status()).in_flight:
            pass
    assert status.waiting == 0


async def test_the_status_tells_what_was_spoken(own_daemon: Daemon, connect: Connect) -> None:
    client = connect(own_daemon)
    status = await client.status()
    assert (status.state, status.model_name, status.waiting, status.in_flight) == (
        "ready",
        "Fake",
        0,
        0,
    )
    assert (status.first_audio_p95_s, status.real_time_factor) == (None, None)
    await speak(client)
    async with asyncio.timeout(PATIENCE_S):
        while (status := await client.status()).first_audio_p95_s is None:
            pass
    assert status.first_audio_p95_s > 0
    assert status.real_time_factor is not None


async def test_events_tell_the_state_a_change_and_the_end(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)
    heard = []

    async def listen() -> None:
        async for event in client.events():
            heard.append(event.name)
            if heard == ["state"]:
                own_daemon.process.terminate()

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(IndexTTSConnectionError):
            await listen()
    assert heard[:2] == ["state", "state"]


async def test_a_language_without_a_voice_is_spoken_by_its_default(
    daemon: Daemon, connect: Connect
) -> None:
    client = connect(daemon)
    languages = {language.code: language for language in (await client.languages()).languages}
    speech = await speak(client, "Essen ist fertig.", language="de")
    tag, *_ = FRAME.unpack_from(speech, WAV_HEADER_BYTES)
    assert f"fake-{tag:02d}" == languages["de"].voices[0]


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        ("Hello.", {"voice": "granny"}, "voice_not_found"),
        ("Hello.", {"voice": "fake-01", "language": "de"}, "unsupported_language"),
        ("Hello.", {"language": "fi"}, "unsupported_language"),
        ("\N{GRINNING FACE}", {}, "nothing_to_say"),
        ("", {}, "nothing_to_say"),
        ("Hello.", {"speed": 9.0}, "invalid_param"),
        ("Hello.", {"mood": "merry"}, "invalid_param"),
        ("Hello.", {"mood": "calm", "intensity": 9.0}, "invalid_param"),
        ("Hello.", {"model": "embedded", "mood": "calm"}, "invalid_param"),
        ("Hello.", {"model": "granny"}, "model_not_found"),
        ("Hello. " * 20_000, {}, "too_large"),
        ("{{fail synthesis_failed}} Hello.", {}, "synthesis_failed"),
    ],
)
async def test_a_refusal_has_the_code_that_a_sentence_is_written_for(
    daemon: Daemon, connect: Connect, text: str, options: dict[str, Any], code: str
) -> None:
    error = await refusal(connect(daemon), text, **options)
    assert error.code == code
    assert error_key(error) == ("refused" if code == "invalid_param" else code)
    assert str(error)
    assert "Hello" not in str(error)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{fail internal}} Hello.", "internal"),
        ("{{nan}} Hello.", "bad_audio"),
        ("{{crash}} Hello.", "worker_lost"),
    ],
)
async def test_a_failure_is_said_to_be_one_and_the_next_order_is_spoken(
    own_daemon: Daemon, connect: Connect, text: str, code: str
) -> None:
    client = connect(own_daemon)
    error = await refusal(client, text)
    assert error.code == code
    assert error_key(error) == (code if code == "worker_lost" else "failed")
    assert str(error)
    assert "Hello" not in str(error)
    assert (await speak(client)).startswith(b"RIFF")


async def test_a_daemon_whose_model_does_not_load_asks_for_patience(
    tmp_path: Path, connect: Connect
) -> None:
    with running(
        tmp_path, until="Listening on", FAKE__LOAD="hang", WORKER__LOAD_TIMEOUT_S="1"
    ) as daemon:
        client = connect(daemon)
        assert await client.readiness() == Readiness(ready=False, state="loading")
        assert (await client.info()).revision is None
        error = await refusal(client, "Nobody else speaks this.", language="zh")
        assert (error.code, error_key(error)) == ("loading", "loading")
        assert error.retry_after_s
        assert error.retry_after_s >= 1


async def test_a_wrong_token_is_refused_everywhere(daemon: Daemon, connect: Connect) -> None:
    stranger = connect(daemon, token="wrong")  # noqa: S106
    for question in (
        stranger.languages,
        stranger.voices,
        stranger.moods,
        stranger.status,
        lambda: speak(stranger),
        lambda: anext(stranger.events()),
    ):
        with pytest.raises(IndexTTSAuthError):
            await question()
    assert (await stranger.info()).auth
    assert (await stranger.readiness()).ready


async def test_speech_that_crashes_half_way_is_no_whole_speech(
    own_daemon: Daemon, connect: Connect
) -> None:
    stream = ordered(
        connect(own_daemon),
        "This is the first sentence, and it is spoken. {{crash}} This one never is.",
    )
    assert (await anext(stream)).startswith(b"RIFF")
    with pytest.raises(IndexTTSFailureError) as raised:
        async for _ in stream:
            pass
    assert raised.value.code == "worker_lost"


async def test_a_listener_that_leaves_frees_the_daemon(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)
    stream = ordered(
        client, "Somebody listens to this first sentence. {{sleep 1}} And nobody to this one."
    )
    await anext(stream)
    await stream.aclose()
    headers = {"Authorization": f"Bearer {own_daemon.token}"}
    async with (
        asyncio.timeout(PATIENCE_S),
        aiohttp.ClientSession(own_daemon.url, headers=headers) as session,
    ):
        figures = ""
        while 'outcome="cancelled"' not in figures or "in_flight_requests 0.0" not in figures:
            async with session.get("/metrics") as response:
                figures = await response.text()


async def test_the_code_that_the_daemon_shows_gives_its_token(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)
    pairing = await client.pair(own_daemon.pairing_code, "Home Assistant")
    assert pairing.token == own_daemon.token
    with pytest.raises(IndexTTSRequestError) as raised:
        await client.pair(own_daemon.pairing_code, "Home Assistant")
    assert raised.value.code == "pairing_closed"


async def test_wrong_codes_are_refused_until_they_close_the_pairing(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)
    wrong = "000000" if own_daemon.pairing_code != "000000" else "111111"
    codes = []
    for _ in range(6):
        with pytest.raises(IndexTTSRequestError) as raised:
            await client.pair(wrong, "Home Assistant")
        codes.append(raised.value.code)
    assert codes == [*["pairing_code_invalid"] * 5, "pairing_closed"]


async def test_a_daemon_that_stops_finishes_its_sentence_and_takes_no_other(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)
    text = "This one is being spoken. {{sleep 2}} And so is this one."
    whole = await speak(client, text)
    stream = ordered(client, text)
    speech = await anext(stream)
    own_daemon.process.terminate()
    async with asyncio.timeout(PATIENCE_S):
        while (readiness := await client.readiness()).ready:
            pass
    assert readiness == Readiness(ready=False, state="draining")
    assert error_key(await refusal(client, "Too late.")) == "draining"
    speech += b"".join([chunk async for chunk in stream])
    assert speech == whole
