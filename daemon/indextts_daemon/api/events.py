"""What happens, as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import json

from aiohttp import web

from indextts_daemon.service.events import Event

from .keys import SERVICES

PING_S = 15.0


async def events(request: web.Request) -> web.StreamResponse:
    """Stream the state now, then every change, and a comment when nothing happens."""
    services = request.app[SERVICES]
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    with services.events.subscribe() as changes:
        services.metrics.event_subscribers.set(services.events.subscribers)
        try:
            await response.prepare(request)
            state = services.health.report().state
            await response.write(_line(Event(name="state", data={"state": state})))
            while True:
                try:
                    async with asyncio.timeout(PING_S):
                        event = await changes.get()
                except TimeoutError:
                    await response.write(b": ping\n\n")
                else:
                    if event.name == "closing":
                        return response
                    await response.write(_line(event))
        except ConnectionError:
            return response
        finally:
            services.metrics.event_subscribers.set(services.events.subscribers - 1)


def _line(event: Event) -> bytes:
    return f"event: {event.name}\ndata: {json.dumps(event.data)}\n\n".encode()
