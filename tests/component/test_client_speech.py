"""Speech over a WebSocket: texts and audio side by side, and every way in which it ends."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web
import pytest

from custom_components.indextts.client import (
    IndexTTSAuthError,
    IndexTTSClient,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSNotADaemonError,
    IndexTTSRequestError,
    SpeechOrder,
    connection,
)
from tests.component.serving import Connect, Handler, refusal

type Talk = Callable[[web.WebSocketResponse], Awaitable[None]]

ORDER = SpeechOrder(language="en", response_format="wav")
PATIENCE_S = 5
MAX_MESSAGE_BYTES = 64 * 1024


def stream(talk: Talk) -> Handler:
    """Give the socket of every session to `talk`."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        assert request.path == "/v1/audio/speech/stream"
        socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES)
        await socket.prepare(request)
        await talk(socket)
        return socket

    return handler


async def heard(socket: web.WebSocketResponse) -> list[dict[str, Any]]:
    """Return what the client says up to its last word."""
    words = [await socket.receive_json()]
    while words[-1]["type"] != "input.done":
        words.append(await socket.receive_json())
    return words


async def say(socket: web.WebSocketResponse, *kinds: str) -> None:
    for kind in kinds:
        await socket.send_json({"type": kind})


async def speak_whole(socket: web.WebSocketResponse) -> None:
    for word in await heard(socket):
        await socket.send_bytes(word.get("text", "").encode() or b"RIFF")
    await say(socket, "audio.done", "session.done")


async def words(*texts: str) -> AsyncGenerator[str]:
    for text in texts:
        yield text


async def endless_words() -> AsyncGenerator[str]:
    while True:
        yield "la "
        await asyncio.sleep(0)


async def spoken(client: IndexTTSClient, *texts: str) -> list[bytes]:
    return [chunk async for chunk in client.speak(words(*texts or ("Hi.",)), ORDER)]


async def test_the_order_is_said_first_and_the_daemon_s_own_choices_are_left_to_it(
    connect: Connect,
) -> None:
    sessions = []

    async def talk(socket: web.WebSocketResponse) -> None:
        sessions.append(await heard(socket))
        await say(socket, "audio.done", "session.done")

    client = await connect(stream(talk))
    full = SpeechOrder(
        language="de",
        voice="pico-de",
        model="embedded",
        mood="cheerful",
        intensity=0.0,
        speed=1.25,
        seed=0,
        response_format="opus",
        sample_rate=48000,
        lead_in_ms=300,
    )
    for order in (SpeechOrder(language="en"), full):
        assert [chunk async for chunk in client.speak(words("Din", "", "ner."), order)] == []
    texts = [
        {"type": "input.text", "text": "Din"},
        {"type": "input.text", "text": "ner."},
        {"type": "input.done"},
    ]
    config = {"type": "session.config", "response_format": "mp3", "lead_in_ms": 0}
    assert sessions[0] == [{**config, "language": "en"}, *texts]
    assert sessions[1] == [
        {
            "type": "session.config",
            "language": "de",
            "voice": "pico-de",
            "model": "embedded",
            "mood": "cheerful",
            "intensity": 0.0,
            "speed": 1.25,
            "seed": 0,
            "response_format": "opus",
            "sample_rate": 48000,
            "lead_in_ms": 300,
        },
        *texts,
    ]


async def test_audio_is_heard_while_the_text_still_arrives(connect: Connect) -> None:
    more = asyncio.Event()

    async def slowly() -> AsyncGenerator[str]:
        yield "First."
        await more.wait()
        yield "Second."

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.receive_json()
        await say(socket, "audio.start")
        for _ in range(2):
            await socket.send_bytes((await socket.receive_json())["text"].encode())
        await heard(socket)
        await say(socket, "audio.done", "session.done")

    client = await connect(stream(talk))
    audio = client.speak(slowly(), ORDER)
    async with asyncio.timeout(PATIENCE_S):
        assert await anext(audio) == b"First."
        more.set()
        assert [chunk async for chunk in audio] == [b"Second."]


@pytest.mark.parametrize("character", ["a", "\u4e16", "\N{GRINNING FACE}", "\x00"])
async def test_a_text_of_any_length_is_sent_in_frames_that_the_daemon_takes(
    connect: Connect, character: str
) -> None:
    texts = []

    async def talk(socket: web.WebSocketResponse) -> None:
        texts.append("".join(word.get("text", "") for word in await heard(socket)))
        await say(socket, "audio.done", "session.done")

    client = await connect(stream(talk))
    assert await spoken(client, character * 20_000) == []
    assert texts == [character * 20_000]


async def test_words_of_a_later_daemon_are_passed_over(connect: Connect) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await heard(socket)
        await say(socket, "audio.start", "audio.mood")
        await socket.send_bytes(b"RIFF")
        await say(socket, "audio.done", "session.figures", "session.done")

    assert await spoken(await connect(stream(talk))) == [b"RIFF"]


async def test_one_session_follows_another(connect: Connect) -> None:
    client = await connect(stream(speak_whole))
    assert [await spoken(client, "Hi."), await spoken(client, "Ho.")] == [
        [b"RIFF", b"Hi.", b"RIFF"],
        [b"RIFF", b"Ho.", b"RIFF"],
    ]


@pytest.mark.parametrize(
    "last",
    [[], ["audio.done"], ["session.done"]],
    ids=["broken off", "no goodbye", "not whole"],
)
async def test_speech_that_is_not_whole_never_ends_as_if_it_were(
    connect: Connect, last: list[str]
) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await heard(socket)
        await socket.send_bytes(b"RIFF")
        await say(socket, *last)
        await socket.close()

    client = await connect(stream(talk))
    audio = client.speak(words("Hi."), ORDER)
    assert await anext(audio) == b"RIFF"
    with pytest.raises(IndexTTSConnectionError) as raised:
        await anext(audio)
    assert raised.value.details == {"address": str(client.url)}


async def test_a_daemon_that_dies_in_mid_speech_is_a_connection_error(connect: Connect) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await heard(socket)
        await socket.send_bytes(b"RIFF")
        assert request.transport is not None
        request.transport.abort()
        return socket

    audio = (await connect(handler)).speak(words("Hi."), ORDER)
    assert await anext(audio) == b"RIFF"
    with pytest.raises(IndexTTSConnectionError):
        await anext(audio)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("invalid_request_error", IndexTTSRequestError),
        ("server_error", IndexTTSFailureError),
        ("overloaded_error", IndexTTSFailureError),
        (None, IndexTTSRequestError),
    ],
)
@pytest.mark.parametrize("wait", [{}, {"retry_after_s": 3}])
async def test_a_refusal_keeps_its_code_its_words_and_its_wait(
    connect: Connect, kind: str | None, error: type[IndexTTSError], wait: dict[str, int]
) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await heard(socket)
        said = {"code": "a_code", "message": "No.", "type": kind, "param": None, **wait}
        await socket.send_json({"type": "error", "error": said})
        await socket.close(code=WSCloseCode.POLICY_VIOLATION)

    client = await connect(stream(talk))
    with pytest.raises(IndexTTSRequestError) as raised:
        await spoken(client)
    refused = raised.value
    assert type(refused) is error
    assert (refused.code, str(refused), refused.details) == ("a_code", "No.", {"message": "No."})
    assert refused.retry_after_s == wait.get("retry_after_s")


async def test_a_refusal_ends_the_texts_that_still_arrive(connect: Connect) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.receive_json()
        said = {"code": "voice_not_found", "message": "No.", "type": "invalid_request_error"}
        await socket.send_json({"type": "error", "error": said})
        await socket.close()

    client = await connect(stream(talk))
    texts = endless_words()
    with pytest.raises(IndexTTSRequestError, match="No"):
        await anext(client.speak(texts, ORDER))
    with pytest.raises(StopAsyncIteration):
        await anext(texts)


async def test_a_refusal_is_heard_although_texts_were_sent_into_a_closed_connection(
    connect: Connect,
) -> None:
    hung_up, sent = asyncio.Event(), asyncio.Event()

    async def late() -> AsyncGenerator[str]:
        await hung_up.wait()
        for _ in range(100):
            yield "la "
            await asyncio.sleep(0.001)
        sent.set()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive_json()
        await socket.send_bytes(b"RIFF")
        said = {"code": "worker_lost", "message": "It broke.", "type": "server_error"}
        await socket.send_json({"type": "error", "error": said})
        assert request.transport is not None
        request.transport.close()
        hung_up.set()
        return socket

    audio = (await connect(handler)).speak(late(), ORDER)
    async with asyncio.timeout(PATIENCE_S):
        assert await anext(audio) == b"RIFF"
        await sent.wait()
        with pytest.raises(IndexTTSFailureError, match="It broke"):
            await anext(audio)


@pytest.mark.parametrize("error", [ValueError, TimeoutError, OSError, aiohttp.ClientError])
@pytest.mark.parametrize("begun", [False, True])
async def test_an_error_of_the_texts_surfaces_as_it_is_and_hangs_up(
    connect: Connect, error: type[Exception], *, begun: bool
) -> None:
    left = asyncio.Event()
    more = asyncio.Event()

    async def failing() -> AsyncGenerator[str]:
        yield "Hi."
        if begun:
            await more.wait()
        raise error("the language model broke")

    async def talk(socket: web.WebSocketResponse) -> None:
        while (message := await socket.receive()).type is WSMsgType.TEXT:
            if begun and "Hi." in message.data:
                await socket.send_bytes(b"RIFF")
        left.set()

    client = await connect(stream(talk))
    audio = client.speak(failing(), ORDER)
    if begun:
        assert await anext(audio) == b"RIFF"
        more.set()
    with pytest.raises(error, match="the language model broke"):
        await anext(audio)
    async with asyncio.timeout(PATIENCE_S):
        await left.wait()


async def test_a_listener_that_leaves_hangs_up_and_ends_the_texts(connect: Connect) -> None:
    left = asyncio.Event()

    async def talk(socket: web.WebSocketResponse) -> None:
        while (await socket.receive()).type is WSMsgType.TEXT:
            await socket.send_bytes(b"la")
        left.set()

    texts = endless_words()
    async with aclosing((await connect(stream(talk))).speak(texts, ORDER)) as audio:
        assert await anext(audio) == b"la"
    async with asyncio.timeout(PATIENCE_S):
        await left.wait()
    with pytest.raises(StopAsyncIteration):
        await anext(texts)


async def test_a_listener_is_let_go_although_the_daemon_goes_on_and_on(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_CLOSE_S", 0.1)
    left = asyncio.Event()

    async def talk(socket: web.WebSocketResponse) -> None:
        try:
            while True:
                await socket.send_bytes(b"la" * 1000)
                await asyncio.sleep(0.001)
        finally:
            left.set()

    audio = (await connect(stream(talk))).speak(words("Hi."), ORDER)
    assert await anext(audio) == b"la" * 1000
    async with asyncio.timeout(PATIENCE_S):
        await audio.aclose()
        await left.wait()


async def test_a_listener_that_is_cancelled_while_it_waits_hangs_up(connect: Connect) -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def talk(socket: web.WebSocketResponse) -> None:
        while (await socket.receive()).type is WSMsgType.TEXT:
            begun.set()
        left.set()

    listening = asyncio.create_task(spoken(await connect(stream(talk))))
    async with asyncio.timeout(PATIENCE_S):
        await begun.wait()
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        await left.wait()


async def test_a_daemon_that_falls_silent_is_a_connection_error(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SOCKET_LIMITS", aiohttp.ClientWSTimeout(0.05, 0.05))
    left = asyncio.Event()

    async def talk(socket: web.WebSocketResponse) -> None:
        await heard(socket)
        await socket.send_bytes(b"RIFF")
        await left.wait()

    audio = (await connect(stream(talk))).speak(words("Hi."), ORDER)
    assert await anext(audio) == b"RIFF"
    with pytest.raises(IndexTTSConnectionError):
        await anext(audio)
    left.set()


async def test_a_daemon_that_only_pings_is_waited_for(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SOCKET_LIMITS", aiohttp.ClientWSTimeout(1, 1))

    async def talk(socket: web.WebSocketResponse) -> None:
        await heard(socket)
        for _ in range(7):
            await asyncio.sleep(0.2)
            await socket.ping()
        await say(socket, "audio.done", "session.done")

    assert await spoken(await connect(stream(talk))) == []


async def test_a_server_too_slow_to_listen_is_a_connection_error(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_CONNECT_S", 0.05)
    left = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await left.wait()
        return web.Response()

    client = await connect(handler)
    with pytest.raises(IndexTTSConnectionError):
        await spoken(client)
    left.set()


@pytest.mark.usefixtures("socket_enabled")
async def test_nobody_there_is_a_connection_error(unused_tcp_port: int) -> None:
    async with aiohttp.ClientSession() as session:
        client = IndexTTSClient(session, "127.0.0.1", unused_tcp_port)
        with pytest.raises(IndexTTSConnectionError):
            await spoken(client)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, IndexTTSAuthError, "invalid_token"),
        (404, IndexTTSRequestError, "no_stream"),
        (503, IndexTTSFailureError, "no_stream"),
    ],
)
async def test_a_daemon_that_refuses_to_listen_says_why(
    connect: Connect, status: int, error: type[IndexTTSError], code: str
) -> None:
    client = await connect(refusal(status, "unauthorized"))
    with pytest.raises(IndexTTSError) as raised:
        await spoken(client)
    assert (type(raised.value), raised.value.code) == (error, code)


@pytest.mark.parametrize("status", [200, 401, 404, 500])
async def test_another_web_server_is_not_a_daemon(connect: Connect, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="<html>router</html>", content_type="text/html", status=status)

    client = await connect(handler)
    with pytest.raises(IndexTTSNotADaemonError):
        await spoken(client)


@pytest.mark.parametrize("said", ["{", "[]", "null", "{}", '{"type": "error"}', '{"type": 1}'])
async def test_words_of_another_shape_are_not_a_daemon_s(connect: Connect, said: str) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_str(said)
        await heard(socket)

    client = await connect(stream(talk))
    with pytest.raises(IndexTTSNotADaemonError):
        await spoken(client)


async def test_neither_token_nor_text_follows_a_redirect(connect: Connect) -> None:
    tokens, texts = [], []

    async def elsewhere(request: web.Request) -> web.WebSocketResponse:
        tokens.append(request.headers.get("Authorization"))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        texts.extend([message.data async for message in socket])
        return socket

    other = await connect(elsewhere)

    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(str(other.url / "v1/audio/speech/stream"))

    client = await connect(handler)
    with pytest.raises(IndexTTSNotADaemonError):
        await spoken(client)
    assert set(tokens) <= {None}
    assert texts == []
