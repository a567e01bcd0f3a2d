"""POST /v1/audio/speech, through a real door to a real worker process."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
import io
import json
import socket
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
import soundfile
import yaml

from indextts_daemon.api.speech import HEADERS
from tests.daemon.door import TOKEN, Door, Opener, until
from tests.daemon.fake_audio import assert_spoken_by_fake

FORMATS = ("wav", "pcm", "mp3", "opus", "flac")
LONG = "word " * 800  # four minutes of fake speech


def pcm_of(wav: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return what follows the 44 bytes of a streamed WAV header."""
    return np.frombuffer(wav[44:], np.int16)


@pytest.mark.parametrize("container", FORMATS)
async def test_every_format_decodes_to_the_whole_speech(door: Door, container: str) -> None:
    audio = await door.speak("Dinner is ready.", response_format=container)
    if container == "pcm":
        seconds = len(audio) / 2 / 24000
    else:
        with av.open(io.BytesIO(audio)) as file:
            seconds = sum(f.samples / f.sample_rate for f in file.decode(audio=0))
    assert seconds == pytest.approx(16 * 0.06, abs=0.08)


@pytest.mark.parametrize("container", FORMATS)
async def test_audio_leaves_before_the_speech_is_whole(open_door: Opener, container: str) -> None:
    async with open_door(**{"fake.step_s": 0.05}) as door:
        text = "The washing machine is done."
        async with door.session.post(
            "/v1/audio/speech", json={"input": text, "response_format": container}
        ) as response:
            await response.content.readany()
            steps_at_first_byte = await door.steps()
            await response.read()
        assert steps_at_first_byte < await door.steps() - 4


async def test_every_sample_is_the_speech_that_was_asked_for(door: Door) -> None:
    audio = await door.speak("One two. Three four.", voice="fake-04", seed=7)
    assert_spoken_by_fake(pcm_of(audio), ["One two.", "Three four."], tag=4, seed=7)


async def test_the_wav_header_says_that_it_is_streamed(door: Door) -> None:
    audio = await door.speak("Hello.")
    assert audio[:4] == b"RIFF"
    assert audio[4:8] == b"\xff\xff\xff\xff"
    assert audio[40:44] == b"\xff\xff\xff\xff"


async def test_silence_before_and_after_is_exact(door: Door) -> None:
    plain = pcm_of(await door.speak("Hello."))
    padded = pcm_of(await door.speak("Hello.", lead_in_ms=250, tail_ms=100))
    assert np.array_equal(padded[6000:-2400], plain)
    assert not padded[:6000].any()
    assert not padded[-2400:].any()


async def test_speed_and_sample_rate_act(door: Door) -> None:
    plain = await door.speak("Hello out there.")
    fast = await door.speak("Hello out there.", speed=2)
    assert len(pcm_of(fast)) == pytest.approx(len(pcm_of(plain)) / 2, rel=0.02)
    slow_rate = soundfile.info(
        io.BytesIO(await door.speak("Hello.", sample_rate=16000, response_format="flac"))
    )
    assert slow_rate.samplerate == 16000


async def test_the_answer_says_who_spoke(door: Door) -> None:
    async with door.session.post(
        "/v1/audio/speech",
        json={"input": "Guten Morgen zusammen.", "language": "de-AT", "stream_format": "audio"},
    ) as response:
        headers = response.headers
    assert headers["X-IndexTTS-Model"] == "fake"
    assert headers["X-IndexTTS-Voice"] == "fake-02"
    assert headers["X-IndexTTS-Language"] == "de"
    assert headers["X-IndexTTS-Revision"] == door.services.pool.revision()
    assert headers["X-Ignored-Params"] == "stream_format"
    assert "ttfa;dur=" in headers["Server-Timing"]
    assert headers["Content-Type"] == "audio/mpeg"


BAD = [
    ({"input": ""}, 422, "invalid_param", "input"),
    ({"input": "a" * 5000}, 422, "invalid_param", "input"),
    ({"input": "🎉🎉 🎂"}, 422, "nothing_to_say", "input"),
    ({"input": "   \n"}, 422, "nothing_to_say", "input"),
    ({"input": "\ud800\udfff\udc00"[::-1]}, 422, "nothing_to_say", "input"),
    ({"input": 5}, 422, "invalid_param", "input"),
    ({}, 422, "invalid_param", "input"),
    ({"input": "Hi", "voice": "nobody"}, 404, "voice_not_found", "voice"),
    ({"input": "Hi", "voice": "../token"}, 422, "invalid_param", "voice"),
    ({"input": "Hi", "voice": "\ud800"}, 422, "invalid_param", "voice"),
    ({"input": "Hi", "response_format": "midi"}, 422, "invalid_param", "response_format"),
    ({"input": "Hi", "language": "tlh"}, 422, "unsupported_language", "language"),
    ({"input": "Hi", "language": "not a tag"}, 422, "invalid_param", "language"),
    (
        {"input": "Hi", "voice": "fake-01", "language": "de"},
        422,
        "unsupported_language",
        "language",
    ),
    ({"input": "Hi", "model": "hal-9000"}, 404, "model_not_found", "model"),
    ({"input": "Hi", "speed": 9}, 422, "invalid_param", "speed"),
    ({"input": "Hi", "speed": True}, 422, "invalid_param", "speed"),
    ({"input": "Hi", "seed": -1}, 422, "invalid_param", "seed"),
    ({"input": "Hi", "sample_rate": 12345}, 422, "invalid_param", "sample_rate"),
    (
        {"input": "Hi", "response_format": "opus", "sample_rate": 16000},
        422,
        "invalid_param",
        "sample_rate",
    ),
    ({"input": "Hi", "lead_in_ms": 99999}, 422, "invalid_param", "lead_in_ms"),
    (["input"], 422, "invalid_param", None),
    ({"input": "Hi {{fail out_of_cheese}}"}, 500, "out_of_cheese", None),
    ({"input": "Hi {{nan}}"}, 500, "bad_audio", None),
]


@pytest.mark.parametrize(("body", "status", "code", "param"), BAD)
async def test_bad_input_is_refused_in_words(
    door: Door, body: object, status: int, code: str, param: str | None
) -> None:
    async with door.session.post(
        "/v1/audio/speech",
        data=json.dumps(body),
        headers={"Content-Type": "application/json", "X-Request-Id": "mine-1"},
    ) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (status, code, param)
    assert error["message"].endswith(".")
    assert error["request_id"] == response.headers["X-Request-Id"] == "mine-1"
    assert await door.speak("It goes on.")


async def test_a_lone_surrogate_does_not_silence_the_words_around_it(door: Door) -> None:
    body = '{"input": "Dinner \\ud83c is ready.", "response_format": "wav"}'
    async with door.session.post(
        "/v1/audio/speech", data=body, headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 200
        assert_spoken_by_fake(pcm_of(await response.read()), ["Dinner is ready."], tag=1)


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{not json", "application/json", 400, "invalid_json"),
        (b'{"input": NaN}', "application/json", 400, "invalid_json"),
        (b'{"input": "\xff"}', "application/json", 400, "invalid_json"),
        (b"[" * 60_000, "application/json", 400, "invalid_json"),
        (b'{"input": "Hi"}', "text/plain", 415, "unsupported_media_type"),
        (b'{"input": "' + b"a" * 70_000 + b'"}', "application/json", 413, "too_large"),
    ],
)
async def test_a_bad_body_is_refused_in_words(
    door: Door, content: bytes, content_type: str, status: int, code: str
) -> None:
    async with door.session.post(
        "/v1/audio/speech", data=content, headers={"Content-Type": content_type}
    ) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (status, code)
    assert await door.speak("It goes on.")


async def test_without_the_right_token_only_the_open_addresses_answer(door: Door) -> None:
    async with aiohttp.ClientSession(door.url) as stranger:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
            async with stranger.post("/v1/audio/speech", json={}, headers=headers) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
                assert (await response.json())["error"]["code"] == "unauthorized"
        for path in ("/", "/livez", "/readyz", "/healthz", "/v1/info", "/v1/openapi.yaml"):
            async with stranger.get(path) as response:
                assert response.status == 200


async def test_with_auth_off_nobody_needs_a_token(open_door: Opener) -> None:
    async with open_door(**{"server.auth": False}) as door, aiohttp.ClientSession(door.url) as any_:
        async with any_.post("/v1/audio/speech", json={"input": "Hello."}) as response:
            assert response.status == 200
        async with any_.get("/v1/info") as response:
            assert (await response.json())["auth"] is False


async def test_a_failure_after_the_first_sound_breaks_the_stream(door: Door) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await door.speak("This much is fine. {{fail sudden}}")
    assert await door.speak("It goes on.")


async def test_a_client_that_hangs_up_stops_its_job_within_a_step(open_door: Opener) -> None:
    async with open_door(**{"fake.step_s": 0.02}) as door:
        async with door.session.post("/v1/audio/speech", json={"input": LONG}) as response:
            await response.content.readany()
            response.close()
        queue = door.services.pool.default.queue
        await until(lambda: queue.in_flight == 0)
        stopped_at = await door.steps()
        await asyncio.sleep(0.5)
        assert await door.steps() <= stopped_at + 1
        assert await door.speak("It goes on.")


async def test_a_client_that_leaves_while_it_waits_leaves_the_queue(open_door: Opener) -> None:
    async with open_door(**{"fake.step_s": 0.01}) as door:
        queue = door.services.pool.default.queue
        queue.resize(1)
        talking = asyncio.create_task(door.speak(LONG[:200]))
        await until(lambda: queue.in_flight == 1)
        waiting = asyncio.create_task(door.speak("Never spoken."))
        await until(lambda: queue.waiting == 1)
        waiting.cancel()
        await until(lambda: queue.waiting == 0)
        await talking
        assert queue.in_flight == 0


@contextmanager
def mute_client(door: Door) -> Iterator[None]:
    """Ask for a lot, and read nothing."""
    body = json.dumps({"input": LONG, "response_format": "wav", "sample_rate": 48000}).encode()
    with socket.create_connection(("127.0.0.1", int(door.url.rpartition(":")[2]))) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(
            b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        yield


async def test_a_client_that_never_reads_is_given_up(open_door: Opener) -> None:
    async with open_door(**{"server.idle_client_timeout_s": 0.5}) as door:
        queue = door.services.pool.default.queue
        given_up = door.services.metrics.requests.labels("timeout", "interactive", "http")
        with mute_client(door):
            await until(lambda: given_up._value.get() == 1)
        assert (queue.in_flight, queue.listening) == (0, 0)
        assert await door.speak("It goes on.")


async def test_clients_that_do_not_read_hold_up_nobody(door: Door) -> None:
    queue = door.services.pool.default.queue
    queue.resize(2)
    with mute_client(door), mute_client(door):
        await until(lambda: queue.listening == 2)
        assert await door.speak("It goes on.")
        assert queue.listening == 2
    await until(lambda: queue.listening == 0)


async def test_a_full_queue_says_when_to_come_back(open_door: Opener) -> None:
    async with open_door(**{"queue.capacity": 2, "fake.step_s": 0.05}) as door:
        queue = door.services.pool.default.queue
        queue.resize(1)
        talking = [asyncio.create_task(door.speak(LONG[:600])) for _ in range(3)]
        await until(lambda: queue.waiting == 2)
        async with door.session.post("/v1/audio/speech", json={"input": "Hello."}) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) >= 1
            assert (await response.json())["error"]["code"] == "queue_full"
        critical = asyncio.create_task(door.speak("Water!", priority="critical"))
        await until(lambda: queue.waiting == 3)
        for task in (*talking, critical):
            task.cancel()
        await asyncio.gather(*talking, critical, return_exceptions=True)


async def test_sixteen_clients_with_sixteen_voices_never_mix(door: Door) -> None:
    async def one(number: int) -> None:
        text = f"Client number {number} speaks. It has a second sentence too."
        audio = await door.speak(text, voice=f"fake-{number:02}", seed=number)
        sentences = [f"Client number {number} speaks.", "It has a second sentence too."]
        assert_spoken_by_fake(pcm_of(audio), sentences, tag=number, seed=number)

    for _ in range(3):
        await asyncio.gather(*(one(number) for number in range(1, 17)))


async def test_a_body_that_never_arrives_is_given_up(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indextts_daemon.api.schema.BODY_TIMEOUT_S", 0.2)

    async def trickle() -> Any:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    async with door.session.post(
        "/v1/audio/speech", data=trickle(), headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 408
        assert (await response.json())["error"]["code"] == "slow_body"


async def test_no_spoken_word_is_in_an_answer_or_in_the_log(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    word = "xylophone"
    caplog.set_level("DEBUG")
    for text in (f"{word} {{{{fail sudden}}}}", f"{word} " * 900, word):
        async with door.session.post("/v1/audio/speech", json={"input": text}) as response:
            assert word.encode() not in await response.read()
    assert word not in caplog.text


async def test_the_contract_names_every_header(door: Door) -> None:
    usual = {"Content-Type", "Date", "Server", "Transfer-Encoding", "Cache-Control", "X-Request-Id"}
    body = {"input": "Hello.", "response_format": "pcm", "stream_format": "audio"}
    async with door.session.post("/v1/audio/speech", json=body) as response:
        seen = {name.lower() for name in response.headers}
    expected = usual | set(HEADERS) - {"X-IndexTTS-Degraded"}
    assert seen == {name.lower() for name in expected}
    async with door.session.get("/v1/openapi.yaml") as response:
        document = yaml.safe_load(await response.text())
    operation = document["paths"]["/v1/audio/speech"]["post"]
    assert set(HEADERS) < set(operation["responses"]["200"]["headers"])
    assert "Retry-After" in operation["responses"]["503"]["headers"]
