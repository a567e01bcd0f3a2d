"""Servers on this machine for the real client: handlers that answer, and the types around them."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from custom_components.indextts.client import IndexTTSClient

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
type Connect = Callable[[Handler], Awaitable[IndexTTSClient]]


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    """Answer everything with the same JSON."""

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(data, status=status, headers=headers)

    return handler


def refusal(
    status: int, code: str, message: str = "No.", headers: dict[str, str] | None = None
) -> Handler:
    """Refuse everything as the daemon does."""
    return answer({"error": {"code": code, "message": message}}, status, headers)
