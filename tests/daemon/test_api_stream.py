"""WS /v1/audio/speech/stream, through a real door to a real worker process."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
import io
import json
import socket
from typing import Any

import aiohttp
from aiohttp import WSCloseCode, WSMsgType
import av
import numpy as np
from numpy.typing import NDArray
import pytest

from indextts_daemon.api import stream
from indextts_daemon.api.schema import MAX_SESSION_CHARACTERS
from indextts_daemon.audio.encoder import Encoder
from indextts_daemon.metrics import OUTCOMES, PRIORITIES, REJECTIONS
from tests.daemon.door import TOKEN, Door, Opener, until
from tests.daemon.fake_audio import assert_spoken_by_fake

PATH = "/v1/audio/speech/stream"
DONE = {"type": "input.done"}
CANCEL = {"type": "input.cancel"}
STORY = (
    "Dr. Smith has called. The **washing machine** is done (z. B. now)! 😀 It is 3.14 degrees; so "
    "what? See [the manual. It helps](https://example.com/a?b=1).\n\n- [x] milk\n- eggs\nBye, all."
)
LONG = "word " * 800  # four minutes of fake speech


def text(piece: str) -> dict[str, str]:
    return {"type": "input.text", "text": piece}


@dataclass(kw_only=True)
class Session:
    """A client's side of a session, and all that it got so far."""

    socket: aiohttp.ClientWebSocketResponse
    audio: bytearray = field(default_factory=bytearray)
    told: list[dict[str, Any]] = field(default_factory=list)

    async def say(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.socket.send_json(message)

    async def hear(self) -> dict[str, Any] | None:
        """Take the next message; None for a stretch of audio, and for the end."""
        async with asyncio.timeout(30):
            message = await self.socket.receive()
        if message.type is WSMsgType.BINARY:
            assert self.told, "audio came before audio.start"
            self.audio += message.data
        elif message.type is WSMsgType.TEXT:
            self.told.append(json.loads(message.data))
            return self.told[-1]
        return None

    async def hear_audio(self, least: int = 1) -> None:
        while len(self.audio) < least:
            assert not self.socket.closed, self.told
            await self.hear()

    async def hear_out(self) -> list[str]:
        """Take all that comes, and return the types of what was told."""
        while not self.socket.closed:
            await self.hear()
        return [message["type"] for message in self.told]

    async def error(self) -> dict[str, Any]:
        """Return the error that it ends with."""
        assert (await self.hear_out())[-1] == "error"
        error: dict[str, Any] = self.told[-1]["error"]
        return error

    @property
    def samples(self) -> NDArray[np.int16]:
        """What follows the 44 bytes of a streamed WAV header."""
        return np.frombuffer(bytes(self.audio[44:]), np.int16)


@asynccontextmanager
async def session(door: Door, **config: Any) -> AsyncIterator[Session]:
    """Open one, and configure it."""
    async with door.session.ws_connect(PATH) as opened:
        here = Session(socket=opened)
        await here.say({"type": "session.config", "response_format": "wav"} | config)
        yield here


async def spoken(door: Door, pieces: Iterable[str], **config: Any) -> Session:
    """Have a text spoken that comes in pieces."""
    async with session(door, **config) as here:
        await here.say(*map(text, pieces), DONE)
        assert await here.hear_out() == ["audio.start", "audio.done", "session.done"], here.told
        assert here.socket.close_code == WSCloseCode.OK
        return here


def counted(door: Door) -> dict[str, float]:
    """Return how the sessions ended, and why they were refused, where any were."""
    metrics = door.services.metrics
    counts = {
        outcome: metrics.requests.labels(outcome, priority, "ws")._value.get()
        for priority in PRIORITIES
        for outcome in OUTCOMES
    } | {reason: metrics.rejections.labels(reason)._value.get() for reason in REJECTIONS}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("pieces", [[STORY], [STORY[:300], STORY[300:]]], ids=["one", "two"])
async def test_a_text_that_arrives_whole_sounds_as_the_other_door_speaks_it(
    door: Door, pieces: list[str]
) -> None:
    config = {"voice": "fake-07", "seed": 5, "lead_in_ms": 100, "tail_ms": 50}
    here = await spoken(door, pieces, **config)
    assert bytes(here.audio) == await door.speak(STORY, **config)


@pytest.mark.parametrize(
    "written",
    [
        "&lt;hello&gt;",
        "&amp;lt;b&amp;gt; it is",
        "<p title='this is the title of it and it is in English'>Das Wetter wird heute gut</p>",
    ],
)
async def test_both_doors_take_a_text_for_the_same(door: Door, written: str) -> None:
    body = {"input": written, "response_format": "wav"}
    async with door.session.post("/v1/audio/speech", json=body) as response:
        there = await response.read()
        language = response.headers["X-IndexTTS-Language"]
    here = await spoken(door, [written])
    assert (here.told[0]["language"], bytes(here.audio)) == (language, there)
    assert language == ("de" if "Wetter" in written else "en")


@pytest.mark.parametrize("size", [1, 7])
async def test_a_text_that_arrives_in_bits_is_spoken_whole_and_once(door: Door, size: int) -> None:
    pieces = [STORY[start : start + size] for start in range(0, len(STORY), size)]
    here = await spoken(door, pieces, voice="fake-04", seed=7)
    sentences = [
        "Dr. Smith has called.",
        "The washing machine is done (z. B. now)!",
        "It is 3.14 degrees; so what?",
        "See the manual.",
        "It helps.",
        "milk",
        "eggs Bye, all.",
    ]
    assert_spoken_by_fake(here.samples, sentences, tag=4, seed=7)


@pytest.mark.parametrize("container", ["wav", "pcm", "mp3", "opus", "flac"])
async def test_every_format_is_one_encoding_of_the_whole_session(
    door: Door, container: str
) -> None:
    here = await spoken(door, ["Dinner is ready. ", "Come now."], response_format=container)
    if container == "pcm":
        seconds = len(here.audio) / 2 / 24000
    else:
        with av.open(io.BytesIO(bytes(here.audio))) as file:
            seconds = sum(f.samples / f.sample_rate for f in file.decode(audio=0))
    assert seconds == pytest.approx(25 * 0.06, abs=0.08)
    assert here.told[1]["duration_s"] == pytest.approx(25 * 0.06, abs=0.001)


async def test_the_start_says_who_speaks_and_how(door: Door) -> None:
    config = {"language": "de-AT", "response_format": "opus", "lead_in_ms": 500}
    async with door.session.ws_connect(PATH, headers={"X-Request-Id": "mine-1"}) as opened:
        here = Session(socket=opened)
        await here.say({"type": "session.config"} | config, text("Guten Morgen."), DONE)
        await here.hear_out()
    start, done, _ = here.told
    assert start == {
        "type": "audio.start",
        "request_id": "mine-1",
        "model": "fake",
        "voice": "fake-02",
        "language": "de",
        "format": "opus",
        "sample_rate": 48000,
        "media_type": "audio/ogg; codecs=opus",
        "revision": door.services.pool.revision(),
        "degraded": [],
        "generation": 1,
    }
    assert done["duration_s"] == pytest.approx(0.5 + 13 * 0.06, abs=0.001)


async def test_a_sentence_is_heard_before_the_next_one_is_written(door: Door) -> None:
    async with session(door) as here:
        await here.say(text("Dinner is ready. Co"))
        await here.hear_audio(44 + 2 * round(16 * 0.06 * 24000))
        assert_spoken_by_fake(here.samples, ["Dinner is ready."], tag=1)
        await here.say(text("me to the table!"), DONE)
        await here.hear_out()
    assert_spoken_by_fake(here.samples, ["Dinner is ready.", "Come to the table!"], tag=1)


async def test_the_first_clause_is_heard_while_its_sentence_is_written(door: Door) -> None:
    async with session(door) as here:
        await here.say(text("Good morning to you all, the cof"))
        await here.hear_audio(44 + 2 * round(24 * 0.06 * 24000))
        await here.say(text("fee is ready, here it is. And then, in the end, tea."), DONE)
        await here.hear_out()
    sentences = [
        *("Good morning to you all,", "the coffee is ready, here it is."),
        "And then, in the end, tea.",
    ]
    assert_spoken_by_fake(here.samples, sentences, tag=1)


@pytest.mark.parametrize("before", [[], ["Good morning. Yes"]], ids=["first", "later"])
async def test_a_sentence_is_heard_while_its_writer_looks_something_up(
    door: Door, before: list[str]
) -> None:
    first = ["Good morning."] if before else []
    looking = f"{'Yes' if before else 'Well'}, let me see."
    async with session(door) as here:
        await here.say(*map(text, before))
        await here.say(text(looking.removeprefix("Yes") if before else looking))
        await here.hear_audio(44 + 2 * round(len("".join([*first, looking])) * 0.06 * 24000))
        assert_spoken_by_fake(here.samples, [*first, looking], tag=1)
        await here.say(text(" It is late."), DONE)
        await here.hear_out()
    assert_spoken_by_fake(here.samples, [*first, looking, "It is late."], tag=1)


async def test_no_clause_is_cut_from_a_sentence_that_comes_at_once(door: Door) -> None:
    sentence = "Good morning to you all, the coffee is ready."
    for pieces in ([sentence], [sentence[:30], sentence[30:]], [sentence[:-1]]):
        here = await spoken(door, pieces)
        assert_spoken_by_fake(here.samples, ["".join(pieces)], tag=1)


async def test_the_language_is_that_of_the_first_words(door: Door) -> None:
    german = "Die Waschmaschine ist seit heute Morgen fertig. Danke"
    here = await spoken(door, [german, " very much for all that you have done for us here."])
    assert here.told[0]["language"] == "de"
    sentences = [german.removesuffix(" Danke"), "Danke very much for all that you have done for us"]
    assert_spoken_by_fake(here.samples, [sentences[0], f"{sentences[1]} here."], tag=2)


@pytest.mark.parametrize("pieces", [[], [""], ["😀", " !", "\n\n", "—"], ["**", "\ud800"]])
async def test_where_there_is_no_word_there_is_nothing_to_say(
    door: Door, pieces: list[str]
) -> None:
    async with session(door) as here:
        await here.say(*map(text, pieces), DONE)
        assert (await here.error())["code"] == "nothing_to_say"
        assert here.socket.close_code == WSCloseCode.POLICY_VIOLATION
    assert counted(door) == {"rejected": 1, "invalid": 1}


async def test_what_has_no_word_is_skipped(door: Door) -> None:
    here = await spoken(door, ["😀 ", "\n\n", "Hello.", " 🎉🎉", "\n\n***\n\n", "🎂"])
    assert_spoken_by_fake(here.samples, ["Hello."], tag=1)


CONFIG = {"type": "session.config"}
MISTAKES: list[tuple[list[Any], str, str | None]] = [
    ([text("Hi")], "invalid_param", "type"),
    ([DONE], "invalid_param", "type"),
    ([CONFIG, CONFIG], "invalid_param", "type"),
    ([CONFIG, text("Hi."), DONE, text("More.")], "invalid_param", "type"),
    ([CONFIG, text("Hi."), DONE, DONE], "invalid_param", "type"),
    ([{"type": "input.zork"}], "invalid_param", "type"),
    ([{"type": ["input.done"]}], "invalid_param", "type"),
    ([{}], "invalid_param", "type"),
    ([[CONFIG]], "invalid_param", "type"),
    ([CONFIG | {"input": "Hi"}], "invalid_param", None),
    ([CONFIG | {"zork": 1}], "invalid_param", None),
    ([CONFIG | {"speed": 9}], "invalid_param", "speed"),
    ([CONFIG | {"speed": 9, "zork": 1}], "invalid_param", None),
    (
        [CONFIG | {"speed": 9, "voice": {"id": "fake-01", "zork": 1, "zonk": 1}}],
        "invalid_param",
        None,
    ),
    ([CONFIG | {"voice": "../token"}], "invalid_param", "voice"),
    ([CONFIG | {"response_format": "opus", "sample_rate": 8000}], "invalid_param", "sample_rate"),
    ([CONFIG, {"type": "input.text"}], "invalid_param", "text"),
    ([CONFIG, {"type": "input.text", "text": 5}], "invalid_param", "text"),
    ([CONFIG, text("Hi") | {"more": 1}], "invalid_param", None),
    ([CONFIG, DONE | {"text": "Hi"}], "invalid_param", None),
    ([CONFIG | {"voice": "nobody"}, text("Hi."), DONE], "voice_not_found", "voice"),
    ([CONFIG | {"model": "hal-9000"}, text("Hi."), DONE], "model_not_found", "model"),
    ([CONFIG | {"language": "tlh"}, text("Hi."), DONE], "unsupported_language", "language"),
    ([b"Hi."], "invalid_param", None),
    (["{not json"], "invalid_json", None),
    (['{"type": NaN}'], "invalid_json", None),
    (["[" * 60_000], "invalid_json", None),
]


@pytest.mark.parametrize(("messages", "code", "param"), MISTAKES)
async def test_a_mistake_is_told_in_words(
    door: Door, messages: list[Any], code: str, param: str | None
) -> None:
    async with door.session.ws_connect(PATH) as opened:
        here = Session(socket=opened)
        for message in messages:
            if isinstance(message, bytes):
                await opened.send_bytes(message)
            else:
                await opened.send_str(message if isinstance(message, str) else json.dumps(message))
        error = await here.error()
        assert opened.close_code == WSCloseCode.POLICY_VIOLATION
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"].endswith(".")
    assert error["type"] == "invalid_request_error"
    assert error["request_id"]
    assert "audio.done" not in [message["type"] for message in here.told]
    assert sum(count for name, count in counted(door).items() if name in OUTCOMES) == 1
    assert await door.speak("It goes on.")


@pytest.mark.parametrize("waiting", [True, False])
@pytest.mark.parametrize(
    ("message", "reason"),
    [(text("x" * MAX_SESSION_CHARACTERS), "too_large"), ({"type": "zork"}, "invalid")],
)
async def test_a_mistake_made_while_it_is_spoken_counts_as_one(
    open_door: Opener, message: dict[str, Any], reason: str, *, waiting: bool
) -> None:
    async with open_door(**{"fake.step_s": 0.02}) as door:
        queue = door.services.pool.default.queue
        queue.resize(0 if waiting else 1)
        async with session(door) as here:
            await here.say(text("One is here. Two is here. Three"))
            await until(lambda: (queue.waiting if waiting else queue.in_flight) == 1)
            await here.say(message)
            await here.error()
        assert counted(door) == {"rejected": 1, reason: 1}


async def test_a_mistake_of_ours_before_it_speaks_counts_as_ours(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream.schema, "session", None)
    async with session(door) as here:
        assert (await here.error())["code"] == "internal"
    assert counted(door) == {"error": 1}


async def test_a_session_takes_so_many_characters_and_no_more(door: Door) -> None:
    most = ("Hello. " * MAX_SESSION_CHARACTERS)[:MAX_SESSION_CHARACTERS]
    for pieces in ([f"{most}x"], [most, "x"]):
        async with session(door) as here:
            await here.say(*map(text, pieces))
            assert (await here.error())["code"] == "too_large"
            assert here.socket.close_code == WSCloseCode.MESSAGE_TOO_BIG
    async with session(door, speed=2) as here:
        await here.say(text(most))
        await here.hear_audio()
        await here.say(CANCEL)
        assert (await here.hear_out())[-1] == "session.done"


async def test_any_text_that_a_session_takes_fits_into_one_message(door: Door) -> None:
    async with session(door) as here:
        await here.say(text("😀" * (MAX_SESSION_CHARACTERS - 6) + "Hello."), DONE)
        assert (await here.hear_out())[-1] == "session.done"
    assert_spoken_by_fake(here.samples, ["Hello."], tag=1)


async def test_the_capabilities_say_how_long_a_session_may_be(door: Door) -> None:
    async with door.session.get("/v1/capabilities") as response:
        assert (await response.json())["max_session_characters"] == MAX_SESSION_CHARACTERS


async def test_a_voice_that_fails_half_way_is_told_and_the_audio_is_not_called_whole(
    door: Door,
) -> None:
    async with session(door) as here:
        await here.say(text("This much is fine. {{fail sudden}} Now what?"), DONE)
        error = await here.error()
        assert here.socket.close_code == WSCloseCode.INTERNAL_ERROR
    assert (error["code"], error["type"]) == ("sudden", "server_error")
    assert [message["type"] for message in here.told] == ["audio.start", "error"]
    assert counted(door) == {"error": 1}
    assert await door.speak("It goes on.")


async def test_a_lost_worker_is_told_and_when_to_come_back(door: Door) -> None:
    async with session(door) as here:
        await here.say(text("This much is fine. And th"))
        await here.hear_audio()
        await here.say(text("en {{crash}} it was over. Really"))
        error = await here.error()
        assert here.socket.close_code == WSCloseCode.TRY_AGAIN_LATER
    assert (error["code"], error["type"]) == ("worker_lost", "overloaded_error")
    assert error["retry_after_s"] >= 1
    assert counted(door) == {"error": 1}
    assert await door.speak("It goes on.")


async def test_a_mistake_of_ours_is_told_without_its_words(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: Any) -> bytes:
        raise ValueError("SECRETWORDS")

    monkeypatch.setattr(Encoder, "write", breaks)
    async with session(door) as here:
        await here.say(text("SECRETWORDS are here."), DONE)
        assert (await here.error())["code"] == "internal"
    assert "SECRETWORDS" not in caplog.text + json.dumps(here.told)
    assert "ValueError in test_api_stream.py" in caplog.text
    assert counted(door) == {"error": 1}


async def test_cancelling_stops_at_once_and_ends_the_session(open_door: Opener) -> None:
    async with open_door(**{"fake.step_s": 0.02}) as door:
        async with session(door) as here:
            await here.say(text(LONG), DONE)
            await here.hear_audio()
            await here.say(CANCEL)
            assert await here.hear_out() == ["audio.start", "session.done"]
            assert here.socket.close_code == WSCloseCode.OK
        assert door.services.pool.default.queue.in_flight == 0
        stopped_at = await door.steps()
        await asyncio.sleep(0.3)
        assert await door.steps() <= stopped_at + 1
        assert counted(door) == {"cancelled": 1}


@pytest.mark.parametrize("messages", [[], [CONFIG], [CONFIG, text("Hel")]])
async def test_whoever_cancels_before_the_first_words_has_ordered_nothing(
    door: Door, messages: list[dict[str, Any]]
) -> None:
    async with door.session.ws_connect(PATH) as opened:
        here = Session(socket=opened)
        await here.say(*messages, CANCEL)
        assert await here.hear_out() == ["session.done"]
    assert counted(door) == {}


async def test_whoever_has_sent_no_words_yet_takes_nobodys_place(door: Door) -> None:
    queue = door.services.pool.default.queue
    queue.resize(1)
    async with session(door) as silent, session(door) as stuttering, session(door) as patient:
        await stuttering.say(text("Well, I"))
        await silent.say(text("😀 !!! "))
        assert await door.speak("It goes on.")
        assert (queue.in_flight, queue.waiting) == (0, 0)
        await patient.say(text("Now it is my turn."), DONE)
        await patient.hear_out()
    assert_spoken_by_fake(patient.samples, ["Now it is my turn."], tag=1)
    assert counted(door) == {"ok": 1}


@pytest.mark.parametrize("politely", [True, False])
async def test_a_client_that_hangs_up_stops_its_job_within_a_step(
    open_door: Opener, *, politely: bool
) -> None:
    async with open_door(**{"fake.step_s": 0.02}) as door:
        async with session(door) as here:
            await here.say(text(LONG))
            await here.hear_audio()
            if not politely:
                here.socket._response.connection.transport.abort()  # type: ignore[union-attr]
        queue = door.services.pool.default.queue
        await until(lambda: queue.in_flight == 0)
        stopped_at = await door.steps()
        await asyncio.sleep(0.3)
        assert await door.steps() <= stopped_at + 1
        assert counted(door) == {"cancelled": 1}
        assert await door.speak("It goes on.")


async def test_a_client_that_leaves_while_it_waits_leaves_the_queue(open_door: Opener) -> None:
    async with open_door(**{"fake.step_s": 0.01}) as door:
        queue = door.services.pool.default.queue
        queue.resize(1)
        talking = asyncio.create_task(door.speak(LONG[:200]))
        await until(lambda: queue.in_flight == 1)
        async with session(door) as here:
            await here.say(text("Never spoken. By nobody."))
            await until(lambda: queue.waiting == 1)
        await until(lambda: queue.waiting == 0)
        await talking


async def test_what_arrives_while_it_waits_is_spoken_too(open_door: Opener) -> None:
    async with open_door(**{"fake.step_s": 0.01}) as door:
        queue = door.services.pool.default.queue
        queue.resize(1)
        talking = asyncio.create_task(door.speak(LONG[:200]))
        await until(lambda: queue.in_flight == 1)
        async with session(door) as here:
            await here.say(text("One is here. Two"))
            await until(lambda: queue.waiting == 1)
            await here.say(text(" is here. Three is"), text(" here."), DONE)
            await here.hear_out()
        await talking
    assert_spoken_by_fake(here.samples, ["One is here.", "Two is here.", "Three is here."], tag=1)


@pytest.mark.parametrize("said", [[], [CONFIG], [CONFIG, text("Hello there. How are y")]])
async def test_a_client_that_says_nothing_for_too_long_is_told_so(
    door: Door, monkeypatch: pytest.MonkeyPatch, said: list[dict[str, Any]]
) -> None:
    """Its library answers pings meanwhile: they are no sign that anybody is there."""
    monkeypatch.setattr(stream, "IDLE_S", 0.6)
    monkeypatch.setattr(stream, "PING_S", 0.1)
    async with door.session.ws_connect(PATH) as opened:
        here = Session(socket=opened)
        await here.say(*said)
        assert (await here.error())["code"] == "idle_timeout"
        assert opened.close_code == WSCloseCode.POLICY_VIOLATION
    assert counted(door) == {"timeout": 1}
    assert door.services.pool.default.queue.in_flight == 0


@pytest.mark.parametrize("piece", ["", " \n", "Yes. "])
async def test_a_session_is_kept_by_text_only_and_not_for_ever(
    door: Door, monkeypatch: pytest.MonkeyPatch, piece: str
) -> None:
    """Whoever writes slower than it is spoken has a voice to itself meanwhile."""
    monkeypatch.setattr(stream, "IDLE_S", 0.5)
    monkeypatch.setattr(stream, "WRITING_S", 2.0)
    queue = door.services.pool.default.queue
    async with session(door) as here:
        since = asyncio.get_running_loop().time()
        await here.say(text("Hello there. Well"))
        await until(lambda: queue.in_flight == 1)
        hearing = asyncio.create_task(here.error())
        with suppress(ConnectionError):
            while not hearing.done():
                await here.say(text(piece))
                await asyncio.sleep(0.05)
        assert (await hearing)["code"] == "idle_timeout"
        took_s = asyncio.get_running_loop().time() - since
    assert took_s >= (1.5 if piece.strip() else 0.3)
    assert counted(door) == {"timeout": 1}
    assert queue.in_flight == 0


async def test_a_client_may_be_silent_once_it_has_said_all(
    open_door: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "IDLE_S", 0.2)
    async with open_door(**{"fake.step_s": 0.05}) as door:
        assert (await spoken(door, ["This takes longer than the patience that is set."])).audio


@contextmanager
def mute(door: Door, words: str = LONG) -> Iterator[socket.socket]:
    """Have a long text spoken to a client that reads nothing."""
    with socket.create_connection(("127.0.0.1", int(door.url.rpartition(":")[2]))) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(
            f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        config = {"type": "session.config", "response_format": "wav", "sample_rate": 48000}
        for message in (config, text(words), DONE):
            client.sendall(frame(json.dumps(message).encode()))
        yield client


def frame(payload: bytes, kind: WSMsgType = WSMsgType.TEXT) -> bytes:
    """Write a client's frame, masked with zeros (RFC 6455, section 5.2)."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([0x80 | kind]) + size + bytes(4) + payload


async def test_a_client_that_takes_nothing_is_dropped(open_door: Opener) -> None:
    async with open_door(**{"server.idle_client_timeout_s": 0.5}) as door:
        given_up = door.services.metrics.requests.labels("timeout", "interactive", "ws")
        with mute(door):
            await until(lambda: given_up._value.get() == 1)
            queue = door.services.pool.default.queue
            assert (queue.in_flight, queue.listening) == (0, 0)
        assert await door.speak("It goes on.")


@pytest.mark.parametrize(
    "ending",
    [
        frame(json.dumps(CANCEL).encode()),
        frame(b"{"),
        frame((1000).to_bytes(2, "big"), WSMsgType.CLOSE),
        b"",
    ],
    ids=["cancel", "mistake", "close", "no pong"],
)
async def test_however_it_ends_a_client_that_takes_nothing_keeps_no_connection(
    open_door: Opener, monkeypatch: pytest.MonkeyPatch, ending: bytes
) -> None:
    monkeypatch.setattr(stream, "CLOSING_S", 0.2)
    monkeypatch.setattr(stream, "PING_S", 20.0 if ending else 1.0)
    async with open_door(**{"server.idle_client_timeout_s": 2}) as door:
        metrics, queue = door.services.metrics, door.services.pool.default.queue
        with mute(door) as client:
            await until(lambda: queue.listening == 1)
            await asyncio.sleep(0.3)
            client.sendall(ending)
            await until(lambda: metrics.http_connections._value.get() == 0, timeout_s=10)


async def test_a_client_that_is_slow_to_take_the_end_still_gets_it(
    open_door: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(here: Any, *about: Any) -> dict[str, Any]:
        here._transport.set_write_buffer_limits(high=1 << 20)  # all is sent, and little has left
        made = here._transport.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return dict(begin(here, *about))

    begin = stream._Session._start
    monkeypatch.setattr(stream._Session, "_start", start)
    monkeypatch.setattr(stream, "CLOSING_S", 0.2)
    async with open_door() as door:
        with mute(door, "It waits.") as client:
            await until(lambda: counted(door) == {"ok": 1})
            await asyncio.sleep(1)
            client.setblocking(False)  # noqa: FBT003
            taken = bytearray()
            while part := await asyncio.get_running_loop().sock_recv(client, 65536):
                taken += part
    assert b"session.done" in taken


async def test_a_daemon_that_stops_speaks_what_has_arrived_and_waits_for_no_more(
    open_door: Opener,
) -> None:
    async with open_door(**{"fake.step_s": 0.02}) as door:
        async with (
            door.session.ws_connect(PATH) as mute,
            session(door) as silent,
            session(door) as stuttering,
            session(door) as early,
            session(door) as whole,
        ):
            await stuttering.say(text("Well, I"))
            await early.say(text("This one is spoken to its end. And"))
            await whole.say(text("This one is spoken to its end."), DONE)
            await early.hear_audio()
            await whole.hear_audio()
            draining = asyncio.create_task(door.services.synthesizer.drain(timeout_s=20))
            await until(lambda: door.services.synthesizer.draining)
            await early.say(text(" this is not heard. Nor is that."), DONE)
            async with session(door) as late:
                for refused in (Session(socket=mute), silent, stuttering, late, early):
                    error = await refused.error()
                    assert error["code"] == "draining"
                    assert error["retry_after_s"] >= 1
                    assert refused.socket.close_code == WSCloseCode.TRY_AGAIN_LATER
            assert await whole.hear_out() == ["audio.start", "audio.done", "session.done"]
        assert [message["type"] for message in early.told] == ["audio.start", "error"]
        assert_spoken_by_fake(early.samples, ["This one is spoken to its end.", "And"], tag=1)
        assert await draining
        assert counted(door) == {"ok": 1, "error": 1, "rejected": 4, "draining": 4}


async def test_only_a_websocket_with_the_token_is_let_in(door: Door) -> None:
    async with door.session.get(PATH) as response:
        assert response.status == 426
        assert response.headers["Upgrade"] == "websocket"
        assert (await response.json())["error"]["code"] == "upgrade_required"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await door.session.ws_connect(PATH, headers={"Authorization": ""})
    assert refused.value.status == 401


@pytest.mark.parametrize("auth", [True, False])
async def test_a_page_from_elsewhere_is_not_let_in(open_door: Opener, *, auth: bool) -> None:
    """A browser connects to wherever a page wants, and only says whose page that is."""
    async with open_door(**{"server.auth": auth}) as door:
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", ""):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await door.session.ws_connect(PATH, origin=origin)
            assert refused.value.status == 403
        async with door.session.get(
            PATH,
            headers={
                "Origin": "null",
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "A" * 22 + "==",
            },
        ) as response:
            assert (await response.json())["error"]["code"] == "foreign_origin"
        async with door.session.ws_connect(PATH, origin=door.url.upper()) as opened:
            await opened.send_json(CANCEL)
            assert (await opened.receive_json())["type"] == "session.done"
        assert counted(door) == {"auth": 5}


async def test_a_session_is_measured_as_any_request_is(door: Door) -> None:
    story = "One is here. Two is here."
    await spoken(door, story, priority="critical")
    metrics = door.services.metrics
    assert metrics.requests.labels("ok", "critical", "ws")._value.get() == 1
    assert metrics.input_characters._value.get() == len(story)
    await until(lambda: metrics.http_requests.labels(PATH, "GET", 101)._value.get() == 1)
    figure = metrics.registry.get_sample_value
    labels = {"priority": "critical"}
    assert figure("indextts_time_to_first_audio_seconds_count", labels) >= 1
    assert figure("indextts_synthesized_audio_seconds_total") == pytest.approx(24 * 0.06, abs=0.01)


async def test_sixteen_sessions_with_sixteen_voices_never_mix(door: Door) -> None:
    async def one(number: int) -> None:
        sentences = [f"Client number {number} speaks.", "It has a second sentence too."]
        pieces = " ".join(sentences)
        here = await spoken(door, pieces, voice=f"fake-{number:02}", seed=number)
        assert_spoken_by_fake(here.samples, sentences, tag=number, seed=number)

    await asyncio.gather(*(one(number) for number in range(1, 17)))


async def test_no_spoken_word_is_in_a_message_or_in_the_log(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    word = "xylophone"
    caplog.set_level("DEBUG")
    endings: list[list[Any]] = [
        [DONE],
        [CANCEL],
        [text(f"{word} {{{{fail sudden}}}} {word}"), DONE],
        [text(word * 2000)],
        [DONE, text(word)],
        [{"type": word}],
        [{word: word}],
        [],
    ]
    for ending in endings:
        async with session(door) as here:
            await here.say(text(f"The {word} is. Here it"), *ending)
            if ending:
                await here.hear_out()
            assert word not in json.dumps(here.told)
    async with door.session.ws_connect(PATH) as opened:
        await opened.send_str(f'{{"{word}')
        with suppress(TypeError):
            assert word not in await opened.receive_str()
    async with door.session.ws_connect(PATH, protocols=[word]) as opened:
        assert opened.protocol is None
    assert word not in caplog.text


async def test_the_embedded_voice_is_heard_before_the_text_is_whole(open_door: Opener) -> None:
    async with open_door(engine="embedded") as door, session(door) as here:
        await here.say(text("Dinner is ready. Please co"))
        await here.hear_audio(20_000)
        heard = len(here.audio)
        await here.say(text("me to the table, all of you. Than"), text("k you."), DONE)
        assert await here.hear_out() == ["audio.start", "audio.done", "session.done"]
        assert len(here.audio) > 2 * heard
        assert here.told[1]["duration_s"] == pytest.approx(len(here.samples) / 24000, abs=0.01)
        assert np.abs(here.samples[-60_000:]).max() > 1000
