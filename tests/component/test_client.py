"""The client against a server on this machine, a well-behaved one and every other kind."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
import pytest

from custom_components.indextts import client as client_module
from custom_components.indextts.client import (
    IndexTTSAuthError,
    IndexTTSClient,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSIncompatibleError,
    IndexTTSNotADaemonError,
    IndexTTSOtherInstanceError,
    IndexTTSRequestError,
    Info,
    Language,
    Languages,
    Pairing,
    Readiness,
    Voice,
)

pytestmark = pytest.mark.usefixtures("socket_enabled")

INFO = {
    "product": "indextts-daemon",
    "instance_id": "0123456789abcdef0123456789abcdef",
    "name": "nas",
    "api": 1,
    "version": "0.1.0",
    "engine": {"id": "embedded", "reason": "no GPU"},
    "model": "embedded",
    "model_name": "Embedded voices",
    "auth": True,
    "revision": "00112233aabbccdd",
    "a_field_of_the_future": 1,
}

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
type Connect = Callable[[Handler], Awaitable[IndexTTSClient]]


@pytest.fixture
async def connect() -> AsyncGenerator[Connect]:
    """Return a function that gives every request to a handler, and a client of it."""
    async with aiohttp.ClientSession() as session:
        servers = []

        async def connect(handler: Handler) -> IndexTTSClient:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handler)
            server = TestServer(app)
            await server.start_server()
            servers.append(server)
            return IndexTTSClient(session, "127.0.0.1", server.port or 0, "secret")

        yield connect
        for server in servers:
            await server.close()


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(data, status=status, headers=headers)

    return handler


def refusal(
    status: int, code: str, message: str = "No.", headers: dict[str, str] | None = None
) -> Handler:
    return answer({"error": {"code": code, "message": message}}, status, headers)


async def speak(client: IndexTTSClient, voice: str | None = None) -> list[bytes]:
    stream = client.stream_speech("Hi", language="en", voice=voice, response_format="wav")
    return [chunk async for chunk in stream]


async def test_info_says_who_answers(connect: Connect) -> None:
    client = await connect(answer(INFO))
    assert await client.info(expect="0123456789abcdef0123456789abcdef") == Info(
        instance_id="0123456789abcdef0123456789abcdef",
        name="nas",
        version="0.1.0",
        engine="embedded",
        model_name="Embedded voices",
        auth=True,
        revision="00112233aabbccdd",
    )


async def test_a_loading_daemon_has_no_revision_yet(connect: Connect) -> None:
    client = await connect(answer({**INFO, "revision": None}))
    assert (await client.info()).revision is None


async def test_another_instance_than_the_expected_one_is_refused(connect: Connect) -> None:
    client = await connect(answer(INFO))
    with pytest.raises(IndexTTSOtherInstanceError) as raised:
        await client.info(expect="ffffffffffffffffffffffffffffffff")
    assert raised.value.details == {"address": str(client.url), "other": "nas"}


async def test_another_api_is_refused_before_anything_else_is_read(connect: Connect) -> None:
    client = await connect(answer({"product": "indextts-daemon", "api": 2}))
    with pytest.raises(IndexTTSIncompatibleError) as raised:
        await client.info()
    assert raised.value.details == {"api": "2", "supported": "1"}


@pytest.mark.parametrize(
    "answered",
    [
        [],
        None,
        {},
        {**INFO, "product": "another-daemon"},
        {key: value for key, value in INFO.items() if key != "model_name"},
        {**INFO, "instance_id": 7},
        {**INFO, "engine": "embedded"},
        {**INFO, "auth": "yes"},
        {**INFO, "revision": 7},
    ],
)
async def test_json_of_another_shape_is_not_a_daemon(connect: Connect, answered: Any) -> None:
    client = await connect(answer(answered))
    with pytest.raises(IndexTTSNotADaemonError) as raised:
        await client.info()
    assert raised.value.details == {"address": str(client.url)}


@pytest.mark.parametrize(
    "response",
    [
        {"text": "<html>router</html>", "content_type": "text/html"},
        {"text": "{", "content_type": "application/json"},
        {"body": b"\xff\xfe", "content_type": "application/json"},
        {"text": "gone", "status": 404},
        {"status": 302, "headers": {"Location": "https://example.invalid/"}},
        {"text": "Unauthorized", "status": 401},
        {"text": "[]", "status": 500, "content_type": "application/json"},
    ],
)
async def test_another_web_server_is_not_a_daemon(
    connect: Connect, response: dict[str, Any]
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(**response)

    client = await connect(handler)
    with pytest.raises(IndexTTSNotADaemonError):
        await client.info()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"SSH-2.0-OpenSSH_10.0\r\n", IndexTTSNotADaemonError),
        (b"\x00\x01\x02\r\n\r\n", IndexTTSNotADaemonError),
        (b"", IndexTTSConnectionError),
    ],
)
async def test_what_speaks_no_http_is_told_apart_from_silence(
    said: bytes, error: type[IndexTTSError]
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server, aiohttp.ClientSession() as session:
        client = IndexTTSClient(session, "127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(error):
            await client.info()


async def test_nobody_there_is_a_connection_error(unused_tcp_port: int) -> None:
    async with aiohttp.ClientSession() as session:
        client = IndexTTSClient(session, "127.0.0.1", unused_tcp_port)
        with pytest.raises(IndexTTSConnectionError) as raised:
            await client.info()
    assert raised.value.details == {"address": f"http://127.0.0.1:{unused_tcp_port}"}


async def test_a_server_too_slow_to_answer_is_a_connection_error(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_ANSWER_LIMITS", aiohttp.ClientTimeout(total=0.05))

    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    client = await connect(handler)
    with pytest.raises(IndexTTSConnectionError):
        await client.info()


@pytest.mark.parametrize(
    ("status", "state", "ready"), [(200, "ready", True), (503, "loading", False)]
)
async def test_readiness_is_an_answer_either_way(
    connect: Connect, status: int, state: str, *, ready: bool
) -> None:
    client = await connect(answer({"state": state, "checks": []}, status))
    assert await client.readiness() == Readiness(ready=ready, state=state)


async def test_languages_and_voices_are_listed(connect: Connect) -> None:
    async def handler(request: web.Request) -> web.Response:
        voice = {"id": "heart", "name": "Heart", "languages": ["en"], "revision": "aa"}
        language = {"code": "en", "name": "English", "voices": ["heart"]}
        return web.json_response(
            {"default": "en", "languages": [language]}
            if request.path == "/v1/languages"
            else {"voices": [voice]}
        )

    client = await connect(handler)
    assert await client.languages() == Languages(
        default="en", languages=(Language(code="en", name="English", voices=("heart",)),)
    )
    assert await client.voices() == (Voice(id="heart", name="Heart", languages=("en",)),)


async def test_a_list_of_something_else_is_not_a_daemon(connect: Connect) -> None:
    client = await connect(answer({"voices": [{"id": "heart", "name": "Heart", "languages": [1]}]}))
    with pytest.raises(IndexTTSNotADaemonError):
        await client.voices()


async def test_a_code_is_exchanged_for_a_token(connect: Connect) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert (request.method, request.path) == ("POST", "/v1/pair")
        assert await request.json() == {"code": "123456", "name": "Home Assistant"}
        return web.json_response({"token": "new", "instance_id": "ab"})

    client = await connect(handler)
    assert await client.pair("123456", "Home Assistant") == Pairing(token="new", instance_id="ab")  # noqa: S106


@pytest.mark.parametrize(
    ("ask", "sent"),
    [
        (lambda client: client.info(), None),
        (lambda client: client.readiness(), None),
        (lambda client: client.pair("123456", "Home Assistant"), None),
        (lambda client: client.languages(), "Bearer secret"),
        (lambda client: client.voices(), "Bearer secret"),
        (speak, "Bearer secret"),
    ],
    ids=["info", "readiness", "pair", "languages", "voices", "speech"],
)
async def test_only_what_needs_the_token_carries_it(
    connect: Connect, ask: Callable[[IndexTTSClient], Awaitable[object]], sent: str | None
) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({})

    client = await connect(handler)
    anonymous = IndexTTSClient(client._session, "127.0.0.1", client.url.port or 0)
    for asking in (client, anonymous):
        with suppress(IndexTTSNotADaemonError):
            await ask(asking)
    assert seen == [sent, None]


async def test_a_token_never_follows_a_redirect(connect: Connect) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"voices": []})

    other = await connect(elsewhere)

    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(str(other.url / "v1/voices"))

    client = await connect(handler)
    with pytest.raises(IndexTTSNotADaemonError):
        await client.voices()
    assert asked == []


async def test_an_unknown_token_is_an_error_of_its_own(connect: Connect) -> None:
    client = await connect(refusal(401, "unauthorized"))
    with pytest.raises(IndexTTSAuthError):
        await client.voices()


@pytest.mark.parametrize(
    ("headers", "retry_after_s"),
    [({"Retry-After": "7"}, 7), ({}, None), ({"Retry-After": "soon"}, None)],
)
async def test_a_refusal_keeps_its_code_its_words_and_its_wait(
    connect: Connect, headers: dict[str, str], retry_after_s: float | None
) -> None:
    client = await connect(refusal(503, "queue_full", "Too many wait.", headers))
    with pytest.raises(IndexTTSRequestError) as raised:
        await speak(client)
    error = raised.value
    assert (error.code, str(error), error.retry_after_s, error.details) == (
        "queue_full",
        "Too many wait.",
        retry_after_s,
        {"message": "Too many wait."},
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [(422, IndexTTSRequestError), (500, IndexTTSFailureError), (503, IndexTTSFailureError)],
)
async def test_a_failure_of_the_daemon_is_told_apart_from_a_refusal(
    connect: Connect, status: int, kind: type[IndexTTSError]
) -> None:
    client = await connect(refusal(status, "a_code_of_the_future"))
    with pytest.raises(IndexTTSRequestError) as raised:
        await speak(client)
    assert type(raised.value) is kind


@pytest.mark.parametrize("voice", [None, "heart"])
async def test_speech_is_asked_for_in_one_request(connect: Connect, voice: str | None) -> None:
    bodies = []

    async def handler(request: web.Request) -> web.Response:
        bodies.append((request.method, request.path, await request.json()))
        return web.Response(body=b"RIFF", content_type="audio/wav")

    client = await connect(handler)
    assert b"".join(await speak(client, voice)) == b"RIFF"
    body = {"input": "Hi", "language": "en", "response_format": "wav"}
    assert bodies == [
        ("POST", "/v1/audio/speech", body if voice is None else {**body, "voice": voice})
    ]


async def test_speech_arrives_as_it_is_made(connect: Connect) -> None:
    more = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await more.wait()
        await response.write(b"second")
        return response

    client = await connect(handler)
    stream = client.stream_speech("Hi", language="en", voice=None, response_format="wav")
    assert await anext(stream) == b"first"
    more.set()
    assert await anext(stream) == b"second"
    assert [chunk async for chunk in stream] == []


async def test_speech_that_breaks_off_is_a_connection_error(connect: Connect) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        assert request.transport is not None
        request.transport.abort()
        return response

    client = await connect(handler)
    stream = client.stream_speech("Hi", language="en", voice=None, response_format="wav")
    assert await anext(stream) == b"first"
    with pytest.raises(IndexTTSConnectionError):
        await anext(stream)


async def test_speech_that_falls_silent_is_a_connection_error(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = aiohttp.ClientTimeout(total=None, sock_read=0.05)
    monkeypatch.setattr(client_module, "_SPEECH_LIMITS", limits)
    left = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await left.wait()
        return response

    client = await connect(handler)
    stream = client.stream_speech("Hi", language="en", voice=None, response_format="wav")
    assert await anext(stream) == b"first"
    with pytest.raises(IndexTTSConnectionError):
        await anext(stream)
    left.set()


async def test_a_listener_that_leaves_hangs_up(connect: Connect) -> None:
    gone = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"la")
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    client = await connect(handler)
    stream = client.stream_speech("Hi", language="en", voice=None, response_format="wav")
    assert await anext(stream)
    await stream.aclose()
    async with asyncio.timeout(5):
        await gone.wait()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("nas.local", "http://nas.local:8818"),
        ("fd00::20", "http://[fd00::20]:8818"),
        ("fe80::1%eth0", "http://[fe80::1%eth0]:8818"),
    ],
)
def test_every_kind_of_address_makes_a_url(host: str, url: str) -> None:
    assert str(IndexTTSClient(None, host, 8818).url) == url  # type: ignore[arg-type]
