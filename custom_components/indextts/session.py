"""One speech under way: whoever listens takes it chunk by chunk, anybody may stop it."""

import asyncio
from collections.abc import AsyncGenerator

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
            raise failure("stopped")
        return chunk
