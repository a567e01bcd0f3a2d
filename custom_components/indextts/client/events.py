"""What happens at a daemon, as server-sent events (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
import json
from typing import Any, Final

import aiohttp

from .connection import Connection

_PATH: Final = "v1/events"
_TYPE: Final = "text/event-stream"
_LIMITS: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=45)  # it pings at 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; `data` is empty where it tells nothing that is understood here."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_progress(self) -> bool:
        """Whether it only says how far something has come that will say when it is done."""
        under_way = self.name == "operation" and self.data.get("result") == "running"
        return under_way or self.name == "progress"


async def events(connection: Connection) -> AsyncGenerator[Event]:
    """Yield events as they happen, until the stream is lost, which is an error."""
    async with connection.request(_PATH, with_token=True, limits=_LIMITS) as response:
        if response.content_type != _TYPE:
            raise connection.not_a_daemon()
        name, data = "", list[str]()
        async for line in response.content:
            key, _, value = line.decode().rstrip("\r\n").partition(":")
            if key == "event":
                name = value.removeprefix(" ")
            elif key == "data":
                data.append(value.removeprefix(" "))
            elif not line.strip():
                if name:
                    yield Event(name=name, data=_read("\n".join(data)))
                name, data = "", []
    raise connection.lost()


def _read(text: str) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        if isinstance(data := json.loads(text), dict):
            return data
    return {}
