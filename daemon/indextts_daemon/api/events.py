"""What happens, as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import json

from aiohttp import web

from indextts_daemon.errors import QueueFullError
from indextts_daemon.service.events import Event

from .keys import SERVICES

PING_S = 15.0
MOST_LISTENERS = 64


async def events(request: web.Request) -> web.StreamResponse:
    """Stream the state now, then every change, and a comment when nothing happens."""
    services = request.app[SERVICES]
    if services.events.subscribers >= MOST_LISTENERS:
        raise QueueFullError("Too many listen already.", retry_after_s=PING_S)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    with services.events.subscribe() as changes:
        services.metrics.event_subscribers.set(services.events.subscribers)
        try:
            await response.prepare(request)
            now = Event(name="state", data={"state": services.health.report().state})
            line: bytes | None = _line(now)
            while line is not None:
                async with asyncio.timeout(services.about.idle_client_timeout_s):
                    await response.write(line)
                line = await _next_line(changes)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # it has left, or takes nothing
        finally:
            services.metrics.event_subscribers.set(services.events.subscribers - 1)
    return response


async def _next_line(changes: asyncio.Queue[Event]) -> bytes | None:
    """Wait for what to send next; None once the daemon closes."""
    try:
        async with asyncio.timeout(PING_S):
            event = await changes.get()
    except TimeoutError:
        return b": ping\n\n"
    return None if event.name == "closing" else _line(event)


def _line(event: Event) -> bytes:
    return f"event: {event.name}\ndata: {json.dumps(event.data)}\n\n".encode()
