"""POST /v1/audio/speech: an order in, encoded audio out while it is being made."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
import logging
from socket import SO_LINGER, SOL_SOCKET
import struct
import time
from urllib.parse import quote

from aiohttp import HttpVersion11, web

from indextts_daemon.audio.encoder import Encoder
from indextts_daemon.audio.output import OutputFormat
from indextts_daemon.errors import SpeechError, place_of
from indextts_daemon.service.synthesizer import Speech

from . import schema
from .keys import REQUEST_ID, SERVICES, Services

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: RST instead of FIN

LOGGER = logging.getLogger(__name__)

HEADERS = {
    "X-IndexTTS-Model": "Who spoke.",
    "X-IndexTTS-Voice": "In which voice.",
    "X-IndexTTS-Language": "In which language.",
    "X-IndexTTS-Revision": "Changes when the same words would sound different.",
    "X-IndexTTS-Generation": "A number that grows with each reload: what the answer is bound to.",
    "X-IndexTTS-Degraded": "What had to be left out: the model, or parameters.",
    "X-Audio-Sample-Rate": "Hz.",
    "X-PCM-Rate": "Hz, for pcm.",
    "X-PCM-Channels": "1, for pcm.",
    "X-PCM-Format": "s16le, for pcm.",
    "X-Ignored-Params": "Fields that mean nothing here.",
    "Server-Timing": "queue and ttfa (time to first audio), in ms.",
}


async def speak(request: web.Request) -> web.StreamResponse:
    """Speak. Before the first audio a failure is an answer; after it, a stream broken off."""
    services = request.app[SERVICES]
    try:
        order, output, ignored = schema.speech(await schema.read_json(request))
    except SpeechError:
        services.metrics.rejections.labels("invalid").inc()
        services.metrics.requests.labels("rejected", "interactive", "http").inc()
        raise
    response: web.StreamResponse | None = None
    try:
        async with (
            services.synthesizer.speak(order) as speech,
            aclosing(encoded(speech, output, services)) as audio,
        ):
            first = await anext(audio)
            speech.note_first_audio()
            response = web.StreamResponse(headers=_headers(request, speech, output, ignored))
            await response.prepare(request)
            await _write(response, first, services)
            async for part in audio:
                await _write(response, part, services)
        async with asyncio.timeout(services.about.idle_client_timeout_s):
            await response.write_eof()
    except Exception as err:  # whatever it is: an answer inside the audio helps nobody
        if response is None:
            raise
        _break_off(request, err)
    return response


async def encoded(
    speech: Speech, output: OutputFormat, services: Services
) -> AsyncGenerator[bytes]:
    """Encode the audio as it is made. What costs more than a copy is done in a thread."""
    encoder = Encoder(output)  # freed with its last reference, which a thread may still hold
    loop, spent_s = asyncio.get_running_loop(), 0.0
    async for chunk in speech:
        since = time.perf_counter()
        if encoder.cheap:
            part = encoder.write(chunk)
        else:
            part = await loop.run_in_executor(services.encoders, encoder.write, chunk)
        spent_s += time.perf_counter() - since
        if part:
            yield part
    if encoder.cheap:
        yield encoder.finish()
    else:
        yield await loop.run_in_executor(services.encoders, encoder.finish)
    services.metrics.stages.labels("encode").observe(spent_s)


async def _write(response: web.StreamResponse, part: bytes, services: Services) -> None:
    """Send. Raises TimeoutError when the client takes nothing for too long."""
    if part:
        async with asyncio.timeout(services.about.idle_client_timeout_s):
            await response.write(part)


def _break_off(request: web.Request, err: Exception) -> None:
    """Close without the end of the body, so that nobody takes a part for the whole."""
    reason = err.error_code if isinstance(err, SpeechError) else place_of(err)
    LOGGER.warning("request %s broken off: %s", request[REQUEST_ID], reason)
    transport = request.transport
    if transport is None:
        return
    if request.version >= HttpVersion11 and not isinstance(err, TimeoutError):
        transport.close()  # after what is on its way; the final chunk is missing
        return
    if request.version < HttpVersion11:  # it takes the connection's end for the body's
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
    transport.abort()


def _headers(
    request: web.Request, speech: Speech, output: OutputFormat, ignored: tuple[str, ...]
) -> dict[str, str]:
    route = speech.route
    wait_ms, first_ms = speech.queue_wait_s * 1e3, speech.elapsed_s * 1e3
    headers = {
        "Content-Type": output.media_type,
        "Cache-Control": "no-store",
        "X-Request-Id": request[REQUEST_ID],
        "X-IndexTTS-Model": route.model.id,
        "X-IndexTTS-Voice": route.voice.id,
        "X-IndexTTS-Language": route.language,
        "X-IndexTTS-Revision": request.app[SERVICES].pool.revision(speech.generation) or "",
        "X-IndexTTS-Generation": str(speech.generation.number),
        "X-Audio-Sample-Rate": str(output.sample_rate),
        "Server-Timing": f"queue;dur={wait_ms:.1f}, ttfa;dur={first_ms:.1f}",
    }
    if output.format == "pcm":
        headers |= {
            "X-PCM-Rate": str(output.sample_rate),
            "X-PCM-Channels": "1",
            "X-PCM-Format": "s16le",
        }
    if route.degraded:
        headers["X-IndexTTS-Degraded"] = ", ".join(route.degraded)
    if ignored:
        # As a URL would, for any character may come; short, for a client's limit on a header.
        names = [quote(name[:40], errors="replace") for name in ignored[:16]]
        headers["X-Ignored-Params"] = ", ".join(names)
    return headers
