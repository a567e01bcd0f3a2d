"""What happens at a daemon, as server-sent events (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncGenerator
from typing import Final

import aiohttp

from .connection import Connection

_PATH: Final = "v1/events"
_TYPE: Final = "text/event-stream"
_LIMITS: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=45)  # it pings at 15


async def events(connection: Connection) -> AsyncGenerator[str]:
    """Yield the names of events as they happen, until the stream is lost, which is an error."""
    async with connection.request(_PATH, with_token=True, limits=_LIMITS) as response:
        if response.content_type != _TYPE:
            raise connection.not_a_daemon()
        name = ""
        async for line in response.content:
            field, _, value = line.decode().rstrip("\r\n").partition(":")
            if field == "event":
                name = value.removeprefix(" ")
            elif not line.strip() and name:
                yield name
                name = ""
    raise connection.lost()
