"""How the command line talks to a running daemon."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from .errors import EngineUnavailableError, SpeechError

NOT_OURS = (aiohttp.ContentTypeError, ValueError, LookupError, TypeError)  # no answer of ours
PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=60.0)


class NoDaemonError(EngineUnavailableError):
    """No daemon answers at the address."""

    code = "no_daemon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A daemon's address, and the token for it."""

    url: str
    token: str | None

    async def open_pairing(self) -> tuple[str, int]:
        """Ask for a pairing code; returns it and its seconds to live."""
        async with self._ask("POST", "/v1/pair/code") as response:
            try:
                body = await response.json()
                return str(body["code"]), int(body["expires_in_s"])
            except NOT_OURS as err:
                raise _something_else(response) from err

    async def speak(self, body: dict[str, Any]) -> AsyncGenerator[bytes]:
        """Yield encoded speech as it is made."""
        async with self._ask("POST", "/v1/audio/speech", json=body) as response:
            if not response.content_type.startswith("audio/"):
                raise _something_else(response)
            async for part in response.content.iter_any():
                yield part

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, **extra: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send, and read the envelope of a refusal. Raises NoDaemonError, SpeechError."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with (
                aiohttp.ClientSession(timeout=PATIENCE, headers=headers) as session,
                session.request(method, f"{self.url}{path}", **extra) as response,
            ):
                if response.status != 200:  # noqa: PLR2004
                    raise await _refusal(response)
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as err:
            raise NoDaemonError(f"No daemon answers at {self.url}.") from err
        except (aiohttp.ClientError, TimeoutError) as err:
            raise SpeechError(f"The daemon at {self.url} broke off.", code="broken_off") from err


async def _refusal(response: aiohttp.ClientResponse) -> SpeechError:
    try:
        error = (await response.json())["error"]
        return SpeechError(str(error["message"]), code=str(error["code"]), param=error["param"])
    except NOT_OURS:
        return _something_else(response)


def _something_else(response: aiohttp.ClientResponse) -> SpeechError:
    return SpeechError(f"Something else answers at {response.url.origin()}.", code="not_indextts")
