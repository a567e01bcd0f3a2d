"""Waiting for what another process is about to do, within bounds."""

import asyncio
from collections.abc import Awaitable, Callable
import time
from typing import TypeVar

GLANCE_S = 0.1

Found = TypeVar("Found")


async def eventually(
    probe: Callable[[], Awaitable[Found | None]], *, what: str, within_s: float
) -> Found:
    """Return the first thing that `probe` finds; an AssertionError says `what` never came."""
    deadline = time.monotonic() + within_s
    while (found := await probe()) is None:
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        await asyncio.sleep(GLANCE_S)
    return found
