"""One job's speech as the parent sees it: chunks in the order they were made, then the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Self

from indextts_daemon.errors import SpeechError
from indextts_daemon.speech import AudioChunk, JobId, Sentence

from .protocol import Append, Cancel, Command, End


class JobStream(AsyncIterator[AudioChunk]):
    """The speech of one job as it is made; ends early, without an error, once cancelled.

    Raises `SynthesisError` when the engine fails on the job and `EngineUnavailableError` (code
    `worker_lost`) when the process ends. Leave it by `async with`, which cancels.
    """

    def __init__(self, job: JobId, send: Callable[[Sequence[Command]], None]) -> None:
        self.job = job
        self._send = send
        self._arrived: asyncio.Queue[AudioChunk | SpeechError | None] = asyncio.Queue()
        self._open = True  # the process has not ended the job, nor have we
        self._when_made: Callable[[], None] = lambda: None

    def append(self, sentence: Sentence) -> None:
        """Give a job that was submitted with `end=False` its next sentence."""
        if self._open:
            self._send([Append(job=self.job, sentence=sentence)])

    def end(self) -> None:
        """Say that no further sentence follows."""
        if self._open:
            self._send([End(job=self.job)])

    def cancel(self) -> None:
        """Stop the job and drop what has not been read of it."""
        if self._open:
            self._send([Cancel(job=self.job)])
        while not self._arrived.empty():
            self._arrived.get_nowait()
        self._open = False
        self._arrived.put_nowait(None)

    def when_made(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once the process is done with the job, however far it is read."""
        self._when_made = callback

    def push(self, chunk: AudioChunk) -> None:
        """Take in a chunk; a cancelled job's is dropped."""
        if self._open:
            self._arrived.put_nowait(chunk)

    def finish(self, error: SpeechError | None) -> None:
        """Let the iteration end once everything that has arrived is read."""
        if self._open:
            self._open = False
            self._arrived.put_nowait(error)
            self._when_made()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioChunk:
        item = await self._arrived.get()
        if isinstance(item, AudioChunk):
            return item
        self._arrived.put_nowait(None)  # for whoever asks again
        if item is None:
            raise StopAsyncIteration
        raise item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()
