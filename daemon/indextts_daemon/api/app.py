"""The application: every route, behind one middleware."""

import logging

from aiohttp import web

from .keys import GUARDED, SERVICES, Services
from .middleware import around
from .route import ROUTE_TABLE
from .routes import ROUTES
from .schema import MAX_BODY_BYTES


def build_app(services: Services) -> web.Application:
    """Make the application around the rooms below."""
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)  # its warnings quote the client
    app = web.Application(middlewares=[around], client_max_size=MAX_BODY_BYTES)
    app[SERVICES] = services
    app[GUARDED] = frozenset(route.handler for route in ROUTES if not route.open)
    app[ROUTE_TABLE] = ROUTES
    for route in ROUTES:
        for method in (route.method, "HEAD") if route.head else (route.method,):
            app.router.add_route(method, route.path, route.handler, expect_handler=_invite_the_body)
    return app


async def _invite_the_body(request: web.Request) -> None:
    """Go on where a client waits to be asked; no other expectation is ours (RFC 9110, 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what follows is the first of the answer itself
