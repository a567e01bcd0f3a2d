"""How a client comes to the token: a six-digit code that the daemon shows."""

import logging

from aiohttp import web

from indextts_daemon.identity import PAIRING_LIFETIME_S

from .keys import SERVICES
from .schema import PAIR, read_json, validated

LOGGER = logging.getLogger(__name__)


async def pair(request: web.Request) -> web.Response:
    """Give the token for the open code. Raises PairingCodeInvalidError, PairingClosedError."""
    services = request.app[SERVICES]
    asked = validated(PAIR, await read_json(request))
    services.pairing.redeem(asked["code"])
    LOGGER.info("paired with a new client")
    return web.json_response(
        {"token": services.identity.token, "instance_id": services.identity.instance_id}
    )


async def open_code(request: web.Request) -> web.Response:
    """Open a new code, for whoever holds the token already: the command line."""
    code = request.app[SERVICES].pairing.open()
    return web.json_response({"code": code, "expires_in_s": PAIRING_LIFETIME_S})
