"""Around every handler: a request id, access, errors as answers, figures, one line in the log."""

import logging
import re
import secrets
import time

from aiohttp import web

from indextts_daemon.errors import SpeechError, place_of

from .keys import GUARDED, REQUEST_ID, SERVICES, Handler, Services
from .problems import ForeignOriginError, UnauthorizedError, describe, describe_fault, describe_http

LOGGER = logging.getLogger(__name__)

READING = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever happens, and account for it."""
    services = request.app[SERVICES]
    offered = request.headers.get("X-Request-Id", "")
    request_id = offered if SAFE_ID.fullmatch(offered) else secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    metrics = services.metrics
    since = time.monotonic()
    status = 499  # the client left, as nginx calls it
    try:
        response = await _guarded(request, handler, services, request_id)
        status = response.status
    finally:
        took_s = time.monotonic() - since
        method = request.method if request.method in METHODS else "other"
        metrics.http_requests.labels(route, method, status).inc()
        metrics.http_duration.labels(route).observe(took_s)
        LOGGER.debug("%s %s %s %d %.0f ms", request_id, method, route, status, took_s * 1e3)
    if not response.prepared:
        response.headers["X-Request-Id"] = request_id
    return response


async def _guarded(
    request: web.Request, handler: Handler, services: Services, request_id: str
) -> web.StreamResponse:
    try:
        if services.about.auth and request.match_info.handler in request.app[GUARDED]:
            _check_token(request, services)
        if request.method not in READING:
            check_origin(request)
        return await handler(request)
    except SpeechError as err:
        return describe(err, request_id)
    except web.HTTPException as err:
        if err.status == 413:  # noqa: PLR2004
            services.metrics.rejections.labels("too_large").inc()
        return describe_http(err, request_id)
    except Exception as err:  # noqa: BLE001 the border: our mistakes end here, without their text
        LOGGER.error("request %s failed: %s", request_id, place_of(err))  # noqa: TRY400
        if request.writer.output_size > 0:
            raise ConnectionError from None  # no second answer inside the first
        return describe_fault(request_id)


def check_origin(request: web.Request) -> None:
    """Let no page from elsewhere speak or change anything; browsers leave that to us."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2].lower() != request.host.lower():
        request.app[SERVICES].metrics.rejections.labels("auth").inc()
        raise ForeignOriginError("Only pages of this daemon's own address may do that here.")


def _check_token(request: web.Request, services: Services) -> None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not services.identity.admits(token.strip()):
        services.metrics.rejections.labels("auth").inc()
        raise UnauthorizedError(
            "This needs the daemon's token: Authorization: Bearer TOKEN. "
            "`indextts-daemon token` prints it where the daemon runs, and with --new makes another."
        )
