"""WS /v1/audio/speech/stream: text in while it is being written, audio out while it is made."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from dataclasses import replace
import logging
import math
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from indextts_daemon.audio.output import OutputFormat
from indextts_daemon.errors import InvalidRequestError, SpeechError, place_of
from indextts_daemon.service.routing import AUTO, SpeechOrder
from indextts_daemon.service.synthesizer import Speech
from indextts_daemon.text.incoming import IncomingText

from . import schema
from .keys import REQUEST_ID, SERVICES, Services
from .middleware import check_origin
from .problems import (
    FAULT,
    IdleTimeoutError,
    TooLargeError,
    UpgradeRequiredError,
    envelope,
    retry_after_s,
    status_of,
)
from .speech import encoded

LOGGER = logging.getLogger(__name__)

PING_S = 20.0
IDLE_S = 60.0  # without text
WRITING_S = 300.0  # from the first text to input.done: a voice is kept for it
BITE = 1024  # characters to read at once; between bites others have their turn
GRACE_S = 0.04  # for the rest of a sentence that is on its way with its first clause
PAUSE_S = 0.7  # without text, after which a sentence that looks whole is taken for whole
CLOSING_S = 5.0  # for the client to say goodbye, and to take what is on its way

NO_ORDER = SpeechOrder(text="", frontend="ws")
CLOSE_CODES = {
    413: WSCloseCode.MESSAGE_TOO_BIG,
    500: WSCloseCode.INTERNAL_ERROR,
    503: WSCloseCode.TRY_AGAIN_LATER,
}  # by the status that HTTP has for an error; else the client broke a rule

DESCRIPTION = (
    "A WebSocket: SessionConfig comes first, then text while it is being written; audio goes back "
    "while it is being made. docs/streaming.md has the messages."
)


async def stream(request: web.Request) -> web.StreamResponse:
    """Speak, over a WebSocket, a text that is still being written."""
    response = web.WebSocketResponse(
        timeout=CLOSING_S, heartbeat=PING_S, compress=False, max_msg_size=schema.MAX_MESSAGE_BYTES
    )
    if not response.can_prepare(request):
        raise UpgradeRequiredError(
            "Open a WebSocket here; for one request and one answer use POST /v1/audio/speech."
        )
    check_origin(request)
    response.headers["X-Request-Id"] = request[REQUEST_ID]
    await response.prepare(request)
    await _Session(request, response).run()
    return response


class _Session:
    """One client's conversation: it reads and speaks side by side."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._services: Services = request.app[SERVICES]
        self._request = request
        self._transport = request.transport
        self._socket = socket
        self._order: SpeechOrder | None = None
        self._output: OutputFormat | None = None
        self._text = IncomingText()
        self._speech: Speech | None = None
        self._left = False
        self._opened = asyncio.Event()  # there are words to begin with
        self._opening: asyncio.TimerHandle | None = None
        self._pausing: asyncio.TimerHandle | None = None
        self._cut_short = False  # by the daemon, which stops
        self._idle_at = asyncio.get_running_loop().time() + IDLE_S
        self._late_at = math.inf
        self._ordered = False

    async def run(self) -> None:
        """Converse until everything is spoken, the client wants no more, or something fails."""
        patience_s = CLOSING_S
        try:
            async with asyncio.TaskGroup() as tasks:
                both = [tasks.create_task(self._read()), tasks.create_task(self._speak())]
                stopping = tasks.create_task(self._stop())
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for task in (*both, stopping):
                    task.cancel()
            if not self._left:
                await self._send(type="session.done")
                patience_s = self._services.about.idle_client_timeout_s
                await self._close(WSCloseCode.OK)
        except* Exception as group:  # noqa: BLE001 the border: nothing else would tell the client
            await self._fail(_first(group))
        finally:
            for timer in (self._opening, self._pausing):
                if timer is not None:
                    timer.cancel()
            if self._transport is not None:  # what closes it otherwise waits for the client
                asyncio.get_running_loop().call_later(patience_s, self._transport.abort)

    async def _read(self) -> None:
        """Take in what the client says until it leaves or cancels."""
        try:
            while (content := await self._next()) is not None:
                said = schema.message(content)
                match said["type"]:
                    case "session.config":
                        self._configure(said)
                    case "input.cancel":
                        return
                    case _ if self._cut_short:
                        pass
                    case "input.text":
                        await self._take(said["text"])
                    case _:
                        self._must_be_open()
                        self._end()
            self._left = True
        except Exception as err:
            self._text.failure = err
            raise

    async def _stop(self) -> None:
        """Once the daemon stops, speak what has arrived, and no more."""
        await self._services.synthesizer.stopping()
        if not self._opened.is_set():
            self._services.synthesizer.check_open()
        elif not self._text.ended:
            self._cut_short = True
            self._end()

    async def _next(self) -> str | None:
        """Wait for the next message; None once the client has left."""
        due = None if self._text.ended else min(self._idle_at, self._late_at)
        try:
            async with asyncio.timeout_at(due):
                received = await self._socket.receive()
        except TimeoutError as err:
            if self._cut_short:
                return await self._next()
            raise IdleTimeoutError(
                f"No text came for {IDLE_S:.0f} seconds, or not all of it within {WRITING_S:.0f}. "
                "Send input.done after the last text."
            ) from err
        if received.type is WSMsgType.BINARY:
            raise InvalidRequestError("Send text messages that hold JSON, not binary ones.")
        return str(received.data) if received.type is WSMsgType.TEXT else None

    def _configure(self, said: dict[str, Any]) -> None:
        if self._order is not None:
            raise InvalidRequestError(
                "session.config comes once. Open another connection for another voice.",
                param="type",
            )
        self._services.synthesizer.check_open()
        self._order, self._output = schema.session(said)
        self._idle_at = asyncio.get_running_loop().time() + IDLE_S
        self._text = IncomingText(None if self._order.language == AUTO else self._order.language)

    async def _take(self, text: str) -> None:
        self._must_be_open()
        if not text:
            return
        self._writing(text)
        if self._text.characters + len(text) > schema.MAX_SESSION_CHARACTERS:
            raise TooLargeError(
                f"A session takes {schema.MAX_SESSION_CHARACTERS} characters. "
                "Open another one for the rest.",
                param="text",
            )
        for start in range(0, len(text), BITE):
            if self._cut_short:
                return
            (self._text.feed if self._speech is None else self._speech.append)(
                text[start : start + BITE]
            )
            await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        if self._text.has_sentence:
            self._open()
        elif not (self._opening or self._opened.is_set()) and self._text.has_clause:
            self._opening = loop.call_later(GRACE_S, self._open_early)
        self._pausing = loop.call_later(PAUSE_S, self._pause)

    def _writing(self, text: str) -> None:
        """Note that the writer goes on; blanks are no sign of one."""
        if self._pausing is not None:
            self._pausing.cancel()
        if text.strip():
            now = asyncio.get_running_loop().time()
            self._idle_at = now + IDLE_S
            self._late_at = min(self._late_at, now + WRITING_S)

    def _pause(self) -> None:
        """Speak what looks whole: a writer who looks something up may be gone for long."""
        if self._speech is None:
            self._text.pause()
        else:
            self._speech.pause()
        if self._text.has_sentence:
            self._open()

    def _open_early(self) -> None:
        """Begin with a first clause, unless the rest of its sentence has come meanwhile."""
        self._opening = None
        if self._text.has_clause:
            self._open()

    def _open(self) -> None:
        """Let the speaking begin; what has arrived by now tells the language."""
        if self._order is not None and not self._opened.is_set():
            self._order = replace(self._order, text=self._text.arrived)
            self._opened.set()

    def _end(self) -> None:
        if self._pausing is not None:
            self._pausing.cancel()
        (self._text if self._speech is None else self._speech).end()
        self._open()

    def _must_be_open(self) -> None:
        if self._order is None:
            raise InvalidRequestError("Send session.config first.", param="type")
        if self._text.ended:
            raise InvalidRequestError("Nothing may follow input.done.", param="type")

    async def _speak(self) -> None:
        """Once there are words, speak them and what follows, and say goodbye."""
        await self._opened.wait()
        assert self._order is not None and self._output is not None  # noqa: PT018, S101 opened
        self._ordered = True
        async with (
            self._services.synthesizer.speak(self._order, self._text) as speech,
            aclosing(encoded(speech, self._output, self._services)) as audio,
        ):
            self._speech = speech
            await self._send_audio(speech, self._output, audio)

    async def _send_audio(
        self, speech: Speech, output: OutputFormat, audio: AsyncIterator[bytes]
    ) -> None:
        first = await anext(audio)
        speech.note_first_audio()
        await self._send(**self._start(speech, output))
        await self._send_part(first)
        async for part in audio:
            await self._send_part(part)
        if self._cut_short:
            self._services.synthesizer.check_open()
        silence_s = (output.lead_in_ms + output.tail_ms) / 1e3
        await self._send(type="audio.done", duration_s=round(speech.audio_s + silence_s, 3))

    def _start(self, speech: Speech, output: OutputFormat) -> dict[str, Any]:
        route = speech.route
        return {
            "type": "audio.start",
            "request_id": self._request[REQUEST_ID],
            "model": route.model.id,
            "voice": route.voice.id,
            "language": route.language,
            "format": output.format,
            "sample_rate": output.sample_rate,
            "media_type": output.media_type,
            "revision": self._services.pool.revision(speech.generation),
            "generation": speech.generation.number,
            "degraded": list(route.degraded),
        }

    async def _fail(self, error: Exception) -> None:
        """Tell the client, if it can still be told."""
        try:
            if isinstance(error, ConnectionError | TimeoutError) and not isinstance(
                error, SpeechError
            ):
                raise error  # it has left, or takes nothing
            if not self._ordered:  # an order counts itself
                self._services.synthesizer.note_failure(self._order or NO_ORDER, error)
            if not isinstance(error, SpeechError):
                LOGGER.error("request %s failed: %s", self._request[REQUEST_ID], place_of(error))
                error = FAULT
            await self._send(type="error", **self._problem(error))
            await self._close(_close_code(error))
        except (ConnectionError, TimeoutError):
            if self._transport is not None:
                self._transport.abort()

    def _problem(self, error: SpeechError) -> dict[str, Any]:
        problem = envelope(error, self._request[REQUEST_ID])
        if (patience_s := retry_after_s(error)) is not None:
            problem["error"]["retry_after_s"] = patience_s
        return problem

    async def _send(self, **message: Any) -> None:
        await self._within(self._socket.send_json(message))

    async def _send_part(self, part: bytes) -> None:
        if part:
            await self._within(self._socket.send_bytes(part))

    async def _close(self, code: WSCloseCode) -> None:
        await self._within(self._socket.close(code=code))

    async def _within(self, sending: Awaitable[object]) -> None:
        """Send. Raises TimeoutError when the client takes nothing for too long."""
        async with asyncio.timeout(self._services.about.idle_client_timeout_s):
            await sending


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """Return what went wrong first."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _close_code(error: SpeechError) -> WSCloseCode:
    return CLOSE_CODES.get(status_of(error), WSCloseCode.POLICY_VIOLATION)
