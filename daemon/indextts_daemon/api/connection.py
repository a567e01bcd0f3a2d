"""One client's connection: what is not HTTP is quoted neither in the answer nor in the log."""

import asyncio
import logging
import secrets
from typing import Any

from aiohttp import web

from indextts_daemon.errors import place_of
from indextts_daemon.metrics import Metrics
from indextts_daemon.posix import listening_socket

from .problems import describe_unreadable

LOGGER = logging.getLogger(__name__)

FIRST_REQUEST_S = 10.0  # a connection that has not asked by then is closed
NEXT_REQUEST_S = 75.0


class Connection(web.RequestHandler):
    """aiohttp's connection, but for its error pages and tracebacks, which quote the request."""

    def __init__(self, server: web.Server, metrics: Metrics, **options: Any) -> None:
        super().__init__(server, **options)
        self._metrics = metrics
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it, and give it a while to ask."""
        super().connection_made(transport)
        self._metrics.http_connections.inc()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(FIRST_REQUEST_S, self._close_if_mute)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._metrics.http_connections.dec()
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def log_exception(self, *_: Any, exc_info: Any = None, **__: Any) -> None:
        """Log what went wrong and where, never the message: it quotes the client's bytes."""
        what = place_of(exc_info) if isinstance(exc_info, BaseException) else "unknown"
        LOGGER.warning("a connection failed: %s", what)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 it quotes the client's bytes
    ) -> web.StreamResponse:
        """Answer what cannot be read as HTTP, and close."""
        self.log_exception(exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError  # in the middle of an answer: no second one into it
        response = describe_unreadable(status, secrets.token_hex(8))
        response.force_close()
        return response

    def _close_if_mute(self) -> None:
        if self._request_count == 0 and self.transport is not None:
            self.transport.abort()


class Site(web.BaseSite):
    """One address at which connections are taken."""

    def __init__(self, runner: web.AppRunner, metrics: Metrics, *, host: str, port: int) -> None:
        super().__init__(runner)
        self._metrics = metrics
        self._host = host
        self._port = port
        self.open = False

    @property
    def port(self) -> int:
        """The port that it listens on, once it does."""
        assert isinstance(self._server, asyncio.Server)  # noqa: S101 it has been started
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def name(self) -> str:
        """The address, for aiohttp's own use."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen. Raises OSError."""
        await super().start()
        server = self._runner.server
        assert server is not None  # noqa: S101 the runner has been set up
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(
                server,
                self._metrics,
                loop=loop,
                access_log=None,
                keepalive_timeout=NEXT_REQUEST_S,
            ),
            sock=listening_socket(self._host, self._port),
        )
        self.open = True

    async def stop(self) -> None:
        """Take no further connection; those that there are go on."""
        self.open = False
        await super().stop()
