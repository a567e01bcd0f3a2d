"""One speech under way: whoever listens takes it chunk by chunk, anybody may stop it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final
from weakref import WeakSet

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .errors import failure


class SpeechSession:
    """Owns a generator of audio and closes it; one task at a time takes what it makes."""

    def __init__(self, audio: AsyncGenerator[bytes]) -> None:
        self._audio = audio
        self._wait: asyncio.Timeout | None = None  # set while somebody waits for a chunk
        self._stopped = False
        self._live = True

    async def open(self) -> AsyncGenerator[bytes]:
        """Wait for the first chunk, so that a refusal is raised here; return the stream."""
        if (first := await self._next()) is None:
            raise failure("no_audio")
        return self._stream(first)

    async def stop(self) -> bool:
        """End the speech now: whoever listens gets the error `stopped`. False if it had ended."""
        if not self._live:
            return False
        self._live = False
        self._stopped = True
        if self._wait is None:
            await self._audio.aclose()
        else:
            self._wait.reschedule(0)  # a time long gone: the wait ends at once
        return True

    async def _stream(self, first: bytes) -> AsyncGenerator[bytes]:
        try:
            yield first
            while (chunk := await self._next()) is not None:
                yield chunk
        finally:
            if not self._stopped:
                self._live = False
                await self._audio.aclose()

    async def _next(self) -> bytes | None:
        """Return the next chunk, None after the last."""
        chunk = None
        try:
            if not self._stopped:
                async with asyncio.timeout(None) as self._wait:
                    chunk = await anext(self._audio, None)
        except TimeoutError as err:
            if not self._stopped:  # the text's own
                raise
            raise failure("stopped") from err
        finally:
            self._wait = None
            self._live = self._live and chunk is not None
        if self._stopped:
            if chunk is not None:  # it was on its way already: there was no wait to end
                await self._audio.aclose()
            raise failure("stopped")
        return chunk


# By entry: speech outlives a reload, and can be stopped after it. Weak: it may never be read.
_SESSIONS: Final[HassKey[dict[str, WeakSet[SpeechSession]]]] = HassKey(DOMAIN)


@callback
def async_keep(hass: HomeAssistant, entry: ConfigEntry[Any], session: SpeechSession) -> None:
    """Let `async_stop` of this entry reach a session."""
    hass.data.setdefault(_SESSIONS, {}).setdefault(entry.entry_id, WeakSet()).add(session)


async def async_stop(hass: HomeAssistant, entry: ConfigEntry[Any]) -> int:
    """End all that is being spoken for an entry now, and say how many that were."""
    sessions = hass.data.get(_SESSIONS, {}).pop(entry.entry_id, ())
    stopped = [session.stop() for session in list(sessions)]
    # One that fails to close must not keep the entry from unloading.
    return (await asyncio.gather(*stopped, return_exceptions=True)).count(True)
