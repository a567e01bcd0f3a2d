"""A daemon's events: what they tell, as they come, and an end that is always an error."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import aiohttp
from aiohttp import web
import pytest

from custom_components.indextts.client import (
    Event,
    IndexTTSAuthError,
    IndexTTSConnectionError,
    IndexTTSNotADaemonError,
    events,
)
from tests.component.serving import Connect, Handler, refusal

PATIENCE_S = 5


def stream(*lines: bytes, content_type: str = "text/event-stream") -> Handler:
    """Send some lines, then close."""

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.path == "/v1/events"
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        return response

    return handler


async def all_of(stream: AsyncGenerator[Event]) -> list[Event]:
    """Return the events that come until the stream is lost."""
    heard = []

    async def listen() -> None:
        async for event in stream:
            heard.append(event)  # noqa: PERF401 - it ends by an error

    with pytest.raises(IndexTTSConnectionError):
        await listen()
    return heard


async def names(stream: AsyncGenerator[Event]) -> list[str]:
    return [event.name for event in await all_of(stream)]


@pytest.mark.parametrize(
    "lines",
    [
        [b'event: state\ndata: {"state": "ready"}\n\nevent: model\ndata: {}\n\n'],
        [b"event:state\r\ndata: {}\r\n\r\nevent: model\r\n", b"data: {}\r\n\r\n"],
        [b": ping\n\nid: 1\nevent: state\ndata: a\ndata: b\n\n: ping\n\nevent: model\n\n"],
        [b"event: sta", b"te\ndata: {}\n", b"\nevent: model\ndata: {}\n\nevent: cut off\n"],
    ],
)
async def test_events_are_named_as_they_come(connect: Connect, lines: list[bytes]) -> None:
    client = await connect(stream(*lines))
    assert await names(client.events()) == ["state", "model"]


@pytest.mark.parametrize(
    ("lines", "data"),
    [
        (b'data: {"generation": 7, "scope": "voices"}\n', {"generation": 7, "scope": "voices"}),
        (b'data:{"generation":\r\ndata: 7}\n', {"generation": 7}),
        (b"", {}),
        (b"data: 7\n", {}),
        (b"data: {\n", {}),
        (b"data: " + b"[" * 10_000 + b"\n", {}),
    ],
    ids=["JSON", "JSON in two lines", "nothing", "no object", "cut off", "too deep"],
)
async def test_an_event_tells_what_can_be_understood_of_it(
    connect: Connect, lines: bytes, data: dict[str, object]
) -> None:
    stray = b"data: {\n\n"  # of no event: what it says belongs to none
    client = await connect(stream(stray + b"event: generation\n" + lines + b"\n"))
    assert await all_of(client.events()) == [Event(name="generation", data=data)]


@pytest.mark.parametrize(
    ("event", "is_progress"),
    [
        (Event(name="operation", data={"result": "running", "progress": "Half of it."}), True),
        (Event(name="operation", data={"result": "applied"}), False),
        (Event(name="operation"), False),
        (Event(name="progress", data={"id": "indextts-2", "message": "Half of it."}), True),
        (Event(name="generation", data={"generation": 7, "result": "running"}), False),
    ],
)
def test_what_only_says_how_far_something_has_come_is_told_apart(
    event: Event, *, is_progress: bool
) -> None:
    assert event.is_progress is is_progress


async def test_an_event_is_heard_before_the_next_one_happens(connect: Connect) -> None:
    more = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: state\ndata: {}\n\n")
        await more.wait()
        await response.write(b"event: model\ndata: {}\n\n")
        return response

    client = await connect(handler)
    async with asyncio.timeout(PATIENCE_S), aclosing(client.events()) as heard:
        assert (await anext(heard)).name == "state"
        more.set()
        assert (await anext(heard)).name == "model"


async def test_silence_is_a_lost_connection(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = aiohttp.ClientTimeout(total=None, sock_read=0.05)
    monkeypatch.setattr(events, "_LIMITS", limits)
    left = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: state\ndata: {}\n\n")
        await left.wait()
        return response

    client = await connect(handler)
    assert await names(client.events()) == ["state"]
    left.set()


async def test_a_daemon_that_dies_is_a_lost_connection(connect: Connect) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: state\ndata: {}\n\n")
        assert request.transport is not None
        request.transport.abort()
        return response

    client = await connect(handler)
    assert await names(client.events()) == ["state"]


async def test_a_listener_that_leaves_hangs_up(connect: Connect) -> None:
    gone = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"event: state\ndata: {}\n\n")
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    client = await connect(handler)
    async with aclosing(client.events()) as heard:
        assert (await anext(heard)).name == "state"
    async with asyncio.timeout(PATIENCE_S):
        await gone.wait()


@pytest.mark.parametrize(
    "handler",
    [
        stream(b"<html>router</html>", content_type="text/html"),
        stream(b"\xff\xfe\n\n"),
        stream(b"event: " + b"x" * 1_000_000),
    ],
    ids=["another type", "not text", "an endless line"],
)
async def test_what_streams_no_events_is_not_a_daemon(connect: Connect, handler: Handler) -> None:
    client = await connect(handler)
    with pytest.raises(IndexTTSNotADaemonError):
        await anext(client.events())


async def test_an_unknown_token_is_an_error_of_its_own(connect: Connect) -> None:
    client = await connect(refusal(401, "unauthorized"))
    with pytest.raises(IndexTTSAuthError):
        await anext(client.events())
