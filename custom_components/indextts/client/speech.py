"""Speech over the WebSocket: texts go out and audio comes in, side by side."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from dataclasses import asdict, dataclass
import json
from typing import Any, Final

import aiohttp

from .connection import Connection
from .errors import IndexTTSFailureError, IndexTTSRequestError
from .reading import field, number

_PATH: Final = "v1/audio/speech/stream"
_PIECE: Final = 4096  # characters, 12 bytes each at most: the daemon takes frames of 64 KiB
_FAILURES: Final = {"server_error", "overloaded_error"}  # what is not the order's fault


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechOrder:
    """How texts are to be spoken; None leaves the choice to the daemon."""

    language: str
    voice: str | None = None
    model: str | None = None
    mood: str | None = None
    intensity: float | None = None
    speed: float | None = None
    seed: int | None = None
    response_format: str = "mp3"
    sample_rate: int | None = None
    lead_in_ms: int = 0


async def speak(
    connection: Connection, texts: AsyncIterable[str], order: SpeechOrder
) -> AsyncGenerator[bytes]:
    """Yield one continuous encoding of all `texts`, whose own errors surface as they are."""
    async with connection.socket(_PATH) as socket:
        sending = asyncio.create_task(_send(socket, texts, order))
        try:
            is_whole, kind = False, ""
            while kind != "session.done":
                message = await _receive(connection, socket, sending)
                if message.type is aiohttp.WSMsgType.BINARY:
                    yield message.data
                else:
                    with connection.translated():
                        kind = _read(message)
                    is_whole = is_whole or kind == "audio.done"
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    if not is_whole:
        raise connection.lost()


async def _send(
    socket: aiohttp.ClientWebSocketResponse, texts: AsyncIterable[str], order: SpeechOrder
) -> None:
    """Say how to speak, then what, as it becomes known."""

    async def say(kind: str, **fields: Any) -> None:
        with suppress(aiohttp.ClientError, ConnectionError):  # who listens learns the reason
            await socket.send_json({"type": kind, **fields})

    how = {name: value for name, value in asdict(order).items() if value is not None}
    await say("session.config", **how)
    async for text in texts:
        for start in range(0, len(text), _PIECE):
            await say("input.text", text=text[start : start + _PIECE])
    await say("input.done")


async def _receive(
    connection: Connection,
    socket: aiohttp.ClientWebSocketResponse,
    sending: asyncio.Task[None],
) -> aiohttp.WSMessage:
    """Return what the daemon says next, unless the texts fail before it."""
    receiving = asyncio.create_task(socket.receive())
    try:
        await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
        with connection.translated():
            return await receiving
    finally:
        receiving.cancel()


def _read(message: aiohttp.WSMessage) -> str:
    """Return the kind of a word from the daemon; what it refuses is raised."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise ConnectionResetError(message.type.name)
    word = json.loads(message.data)
    kind = field(word, "type", str)
    if kind == "error":
        error = field(word, "error", dict)
        failed = error.get("type") in _FAILURES
        raise (IndexTTSFailureError if failed else IndexTTSRequestError)(
            field(error, "code", str),
            field(error, "message", str),
            number(error, "retry_after_s"),
        )
    return kind
