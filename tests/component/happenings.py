"""What happens at a pretended daemon, one event after another, as a test has it happen."""

import asyncio
from collections.abc import AsyncGenerator

from homeassistant.core import HomeAssistant

from custom_components.indextts.client import Event, IndexTTSError


class Happenings:
    """Events for everybody who listens; an error ends the listening."""

    def __init__(self) -> None:
        self._happened: asyncio.Queue[Event | IndexTTSError] = asyncio.Queue()
        self.listeners = 0

    def happen(self, *happenings: str | Event | IndexTTSError) -> None:
        for it in happenings:
            self._happened.put_nowait(Event(name=it) if isinstance(it, str) else it)

    async def listen(self) -> AsyncGenerator[Event]:
        """Stand in for the client's `events`."""
        self.listeners += 1
        try:
            while True:
                it = await self._happened.get()
                if isinstance(it, IndexTTSError):
                    raise it
                yield it
        finally:
            self.listeners -= 1


async def settle(hass: HomeAssistant) -> None:
    """Let everything happen that needs no time, but for the listening, which never ends."""
    for _ in range(10):
        await asyncio.sleep(0)
    await hass.async_block_till_done()
