"""The client against a server on this machine, a well-behaved one and every other kind."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web
import pytest

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
    IndexTTSTooNewError,
    IndexTTSTooOldError,
    Info,
    Language,
    Languages,
    Pairing,
    Readiness,
    SpeechOrder,
    Status,
    Voice,
    connection,
)
from tests.component.serving import Connect, answer, refusal

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
STATUS = {
    "state": "ready",
    "model": "embedded",
    "model_name": "Embedded voices",
    "revision": None,
    "queue": {"waiting": 1, "in_flight": 2, "capacity": 64},
    "recent": {},
}
ORDER = SpeechOrder(language="en")


async def nothing() -> AsyncGenerator[str]:
    for text in ():
        yield text


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


@pytest.mark.parametrize(("api", "error"), [(0, IndexTTSTooOldError), (2, IndexTTSTooNewError)])
async def test_another_api_is_refused_before_anything_else_is_read(
    connect: Connect, api: int, error: type[IndexTTSError]
) -> None:
    client = await connect(answer({"product": "indextts-daemon", "api": api}))
    with pytest.raises(IndexTTSIncompatibleError) as raised:
        await client.info()
    assert type(raised.value) is error
    assert raised.value.details == {"api": str(api), "supported": "1"}


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
    monkeypatch.setattr(connection, "_ANSWER_LIMITS", aiohttp.ClientTimeout(total=0.05))

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


async def test_a_voice_s_moods_are_listed_and_the_household_s(connect: Connect) -> None:
    async def handler(request: web.Request) -> web.Response:
        voice = {"id": "heart", "name": "Heart", "languages": ["en"], "moods": ["calm", "grumpy"]}
        calm = {"id": "calm", "emotion": {"calm": 0.8}, "strength": 1.0, "speed": 0.95}
        answers = {"/v1/moods": {"moods": [calm]}, "/v1/voices": {"voices": [voice]}}
        return web.json_response(answers[request.path])

    client = await connect(handler)
    assert await client.moods() == ("calm",)
    (voice,) = await client.voices()
    assert voice.moods == ("calm", "grumpy")


async def test_a_daemon_from_before_there_were_moods_has_none(connect: Connect) -> None:
    assert await (await connect(refusal(404, "not_found"))).moods() == ()
    with pytest.raises(IndexTTSFailureError):
        await (await connect(refusal(503, "loading"))).moods()


@pytest.mark.parametrize("wrong", [{}, {"moods": {}}, {"moods": ["calm"]}, {"moods": [{"id": 1}]}])
async def test_moods_of_another_shape_are_not_a_daemon_s(connect: Connect, wrong: Any) -> None:
    with pytest.raises(IndexTTSNotADaemonError):
        await (await connect(answer(wrong))).moods()


@pytest.mark.parametrize(
    ("recent", "figures"),
    [
        ({"first_audio_p95_s": 0.03, "real_time_factor": 1}, (0.03, 1.0)),
        ({"first_audio_p95_s": None}, (None, None)),
    ],
)
async def test_the_status_says_how_it_goes(
    connect: Connect, recent: dict[str, Any], figures: tuple[float | None, float | None]
) -> None:
    client = await connect(answer({**STATUS, "recent": recent}))
    assert await client.status() == Status(
        state="ready",
        model="embedded",
        model_name="Embedded voices",
        waiting=1,
        in_flight=2,
        first_audio_p95_s=figures[0],
        real_time_factor=figures[1],
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue": None},
        {"recent": []},
        {"recent": {"real_time_factor": "fast"}},
        {"queue": {"waiting": 1.5, "in_flight": 2}},
    ],
)
async def test_a_status_of_another_shape_is_not_a_daemon_s(
    connect: Connect, wrong: dict[str, Any]
) -> None:
    client = await connect(answer({**STATUS, **wrong}))
    with pytest.raises(IndexTTSNotADaemonError):
        await client.status()


@pytest.mark.parametrize("wrong", [{"languages": [1]}, {"moods": None}, {"moods": [1]}])
async def test_a_list_of_something_else_is_not_a_daemon(
    connect: Connect, wrong: dict[str, Any]
) -> None:
    voice = {"id": "heart", "name": "Heart", "languages": ["en"], **wrong}
    client = await connect(answer({"voices": [voice]}))
    with pytest.raises(IndexTTSNotADaemonError):
        await client.voices()


async def test_json_without_a_bottom_is_not_a_daemon(connect: Connect) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="[" * 200_000, content_type="application/json")

    client = await connect(handler)
    with pytest.raises(IndexTTSNotADaemonError):
        await client.info()


async def test_a_code_is_exchanged_for_a_token(connect: Connect) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert (request.method, request.path) == ("POST", "/v1/pair")
        assert await request.json() == {"code": "123456", "name": "Home Assistant"}
        return web.json_response({"token": "new", "instance_id": "ab"})

    client = await connect(handler)
    assert await client.pair("123456", "Home Assistant") == Pairing(token="new")  # noqa: S106


@pytest.mark.parametrize(
    ("ask", "sent"),
    [
        (lambda client: client.info(), None),
        (lambda client: client.readiness(), None),
        (lambda client: client.pair("123456", "Home Assistant"), None),
        (lambda client: client.languages(), "Bearer secret"),
        (lambda client: client.voices(), "Bearer secret"),
        (lambda client: client.moods(), "Bearer secret"),
        (lambda client: client.models(), "Bearer secret"),
        (lambda client: client.status(), "Bearer secret"),
        (lambda client: client.operations(1), "Bearer secret"),
        (lambda client: client.activate_model("a"), "Bearer secret"),
        (lambda client: client.rollback_model("a"), "Bearer secret"),
        (lambda client: client.prewarm(), "Bearer secret"),
        (lambda client: client.reload(), "Bearer secret"),
        (lambda client: client.pause("chess"), "Bearer secret"),
        (lambda client: client.resume(), "Bearer secret"),
        (lambda client: anext(client.events()), "Bearer secret"),
        (lambda client: anext(client.speak(nothing(), ORDER)), "Bearer secret"),
    ],
)
async def test_only_what_needs_the_token_carries_it(
    connect: Connect, ask: Callable[[IndexTTSClient], Awaitable[object]], sent: str | None
) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({})

    client = await connect(handler)
    async with aiohttp.ClientSession() as session:
        anonymous = IndexTTSClient(session, "127.0.0.1", client.url.port or 0)
        for asking in (client, anonymous):
            with suppress(IndexTTSError):
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
        await client.status()
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
        await client.status()
    assert type(raised.value) is kind


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
