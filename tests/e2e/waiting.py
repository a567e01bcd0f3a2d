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


async def ended(process: asyncio.subprocess.Process, *, within_s: float) -> int:
    """End a process as systemd would and return its status. Raises TimeoutError once it is gone."""
    if process.returncode is None:
        process.terminate()
    try:
        return await asyncio.wait_for(process.wait(), within_s)
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
