"""The way to one daemon: HTTP and WebSocket, with every failure as one of our errors."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPMethod, HTTPStatus
from typing import Any, Final

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from .errors import (
    IndexTTSAuthError,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSNotADaemonError,
    IndexTTSRequestError,
)
from .reading import field

_JSON: Final = "application/json"
_CONNECT_S: Final = 10
_ANSWER_LIMITS: Final = aiohttp.ClientTimeout(total=_CONNECT_S)
_CLOSE_S: Final = 1  # in all: aiohttp bounds each read, and who goes on and on is never done
# A daemon pings while its work waits, however long: only silence on the wire is an error.
_SOCKET_LIMITS: Final = aiohttp.ClientWSTimeout(ws_receive=60)


class Connection:
    """One address and the token for it. The session is borrowed and never closed here."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, token: str | None) -> None:
        self._session = session
        self.url = url
        self._credentials = {"Authorization": f"Bearer {token}"} if token else {}

    async def ask[T](
        self,
        path: str,
        read: Callable[[Any], T],
        *,
        with_token: bool = False,
        body: dict[str, Any] | None = None,
    ) -> T:
        """Return what `read` makes of the JSON at `path`."""
        async with self.request(path, with_token=with_token, body=body) as response:
            return read(await self.json(response))

    @asynccontextmanager
    async def request(
        self,
        path: str,
        *,
        answers: tuple[HTTPStatus, ...] = (HTTPStatus.OK,),
        with_token: bool = False,
        limits: aiohttp.ClientTimeout | None = None,
        body: dict[str, Any] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a response whose status is one of `answers`; reading it raises our errors too."""
        with self.translated():
            async with self._session.request(
                HTTPMethod.GET if body is None else HTTPMethod.POST,
                self.url.join(URL(path)),
                json=body,
                headers=self._credentials if with_token else None,
                timeout=limits or _ANSWER_LIMITS,
                allow_redirects=False,  # the token goes to this address or nowhere
            ) as response:
                if response.status not in answers:
                    raise await self._refusal(response)
                yield response

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket with the token; what is done with it wants `translated`."""
        with self.translated():
            async with asyncio.timeout(_CONNECT_S):
                socket = await self._session.ws_connect(
                    self.url / path, headers=self._credentials, timeout=_SOCKET_LIMITS
                )
        try:
            if socket._response.history:  # noqa: SLF001 - aiohttp follows, and tells by nothing else
                raise self.not_a_daemon()  # before the text goes where the token did not
            yield socket
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await socket.close()

    @staticmethod
    async def json(response: aiohttp.ClientResponse) -> Any:
        """Return the JSON of a response; anything else is a ValueError."""
        if response.content_type != _JSON:
            raise ValueError(response.content_type)
        return await response.json()

    @contextmanager
    def translated(self) -> Generator[None]:
        """Turn what aiohttp and a wrong shape raise into our errors."""
        try:
            yield
        except aiohttp.WSServerHandshakeError as err:
            raise self._refused_handshake(err) from err
        except (aiohttp.ClientResponseError, HttpProcessingError) as err:
            raise self.not_a_daemon() from err
        except (aiohttp.ClientError, OSError) as err:  # TimeoutError is an OSError
            raise self.lost() from err
        except (ValueError, RecursionError) as err:  # the latter by JSON that nests too deep
            raise self.not_a_daemon() from err

    def lost(self) -> IndexTTSConnectionError:
        """Return the error for a daemon that does not answer, or stopped doing so."""
        return IndexTTSConnectionError(f"No answer from {self.url}", address=str(self.url))

    def not_a_daemon(self) -> IndexTTSNotADaemonError:
        """Return the error for an answer that no daemon gives."""
        return IndexTTSNotADaemonError(
            f"What answers at {self.url} is not an IndexTTS daemon", address=str(self.url)
        )

    async def _refusal(self, response: aiohttp.ClientResponse) -> IndexTTSError:
        error = field(await self.json(response), "error", dict)
        if response.status == HTTPStatus.UNAUTHORIZED:
            return IndexTTSAuthError(field(error, "message", str))
        seconds = response.headers.get("Retry-After", "")
        kind = (
            IndexTTSFailureError
            if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            else IndexTTSRequestError
        )
        return kind(
            field(error, "code", str),
            field(error, "message", str),
            float(seconds) if seconds.isdecimal() else None,
        )

    def _refused_handshake(self, err: aiohttp.WSServerHandshakeError) -> IndexTTSError:
        """Tell a daemon's refusal, whose words aiohttp drops, from something else's."""
        content_type = err.headers.get("Content-Type", "") if err.headers else ""
        if content_type.partition(";")[0] != _JSON:
            return self.not_a_daemon()
        if err.status == HTTPStatus.UNAUTHORIZED:
            return IndexTTSAuthError("The daemon does not know this token")
        message = f"It answered {err.status} instead of listening."
        if err.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return IndexTTSRequestError("no_stream", message)
        return IndexTTSFailureError("no_stream", message)
