"""The application: every route, behind one middleware."""

from aiohttp import web

from .keys import GUARDED, SERVICES, Services
from .middleware import around
from .route import ROUTE_TABLE
from .routes import ROUTES
from .schema import MAX_BODY_BYTES


def build_app(services: Services) -> web.Application:
    """Make the application around the rooms below."""
    app = web.Application(middlewares=[around], client_max_size=MAX_BODY_BYTES)
    app[SERVICES] = services
    app[GUARDED] = frozenset(route.handler for route in ROUTES if not route.open)
    app[ROUTE_TABLE] = ROUTES
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.handler)
    return app
