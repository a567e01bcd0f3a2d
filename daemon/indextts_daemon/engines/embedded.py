"""Real speech with no GPU and no download: several voices behind one engine.

A few threads speak sentences of several jobs at once. A step hands out work, one piece per job at
a time and the jobs in turn, and returns as soon as any piece is done: it is no barrier.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
import os
from queue import Empty, SimpleQueue
import time

from indextts_daemon.errors import EngineUnavailableError, VoiceNotFoundError
from indextts_daemon.speech import (
    Failed,
    Finished,
    JobId,
    ModelInfo,
    Say,
    Sentence,
    SpeechRequest,
    StepResult,
    Voice,
    say_nothing,
)

from . import heart, pico
from .packaged import revision_of
from .pieces import Piece, Speaker

_MOST_THREADS = 4


@dataclass(slots=True, eq=False)
class _Job:
    id: JobId
    speaker: Speaker
    request: SpeechRequest
    sentences: deque[Sentence] = field(default_factory=deque)
    num_begun: int = 0
    pieces: Iterator[Piece] | None = None  # of the sentence being spoken
    in_line: bool = False  # waits for a thread, or has one
    ended: bool = False
    has_spoken: bool = False

    def next_piece(self) -> Piece | None:
        """Speak on, in a thread of the pool; None where there is nothing left of a sentence."""
        if self.pieces is None:
            text = self.sentences.popleft().normalized
            self.pieces = self.speaker.speak(text, self.request, self.num_begun)
            self.num_begun += 1
        piece = next(self.pieces, None)
        if piece is None or piece.last:
            self.pieces = None
        return piece

    @property
    def has_work(self) -> bool:
        return self.pieces is not None or bool(self.sentences)


_Done = tuple[_Job, Future[Piece | None]]


class EmbeddedEngine:
    """Speaks with whichever of its voices a job asks for. Driven by one thread, but for `wake`."""

    def __init__(self, speakers: Mapping[str, Speaker], *, revision: str, threads: int) -> None:
        self._speakers = speakers
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="voice")
        self._jobs: dict[JobId, _Job] = {}
        self._line: deque[_Job] = deque()
        self._running: dict[_Job, float] = {}  # since when; the oldest comes first
        self._done: SimpleQueue[_Done | None] = SimpleQueue()
        self.info = ModelInfo(
            id="embedded",
            engine="embedded",
            name="Embedded voices",
            revision=revision,
            voices=tuple(speaker.voice for speaker in speakers.values()),
            parameters=frozenset({"speed", "seed"}),
            max_jobs=2 * threads,
        )

    @property
    def busy_since(self) -> float | None:
        """When the oldest of the pieces that are being made was begun."""
        return next(iter(self._running.values()), None)

    def start(self, job: JobId, request: SpeechRequest, voice: Voice) -> None:
        """Open a job."""
        if voice.id not in self._speakers:
            raise VoiceNotFoundError("The embedded engine has no such voice.")
        self._jobs[job] = _Job(id=job, speaker=self._speakers[voice.id], request=request)

    def append(self, job: JobId, sentence: Sentence) -> None:
        """Give an open job its next sentence."""
        self._jobs[job].sentences.append(sentence)
        self._line_up(self._jobs[job])

    def end(self, job: JobId) -> None:
        """Say that no further sentence follows."""
        self._jobs[job].ended = True

    def cancel(self, job: JobId) -> None:
        """Forget a job; a piece of it that is being made is thrown away."""
        self._jobs.pop(job, None)

    def step(self) -> StepResult:
        """Return what is done; wait for the first piece if nothing is, unless woken."""
        results: StepResult = []
        woken = False
        self._collect(results, wait=False)
        while True:
            self._hand_out()
            self._close_jobs(results)
            if results or woken or not self._running:
                return results
            woken = self._collect(results, wait=True)

    def wake(self) -> None:
        """Let a step that waits return early, from any thread: there is something new to do."""
        self._done.put(None)

    def close(self) -> None:
        """Let the threads end once their pieces are done."""
        self._jobs.clear()
        self._pool.shutdown()

    def _line_up(self, job: _Job) -> None:
        if not job.in_line:
            job.in_line = True
            self._line.append(job)

    def _hand_out(self) -> None:
        while self._line and len(self._running) < self._threads:
            job = self._line.popleft()
            if self._jobs.get(job.id) is job:
                self._running[job] = time.monotonic()
                future = self._pool.submit(job.next_piece)
                future.add_done_callback(self._note_of(job))

    def _note_of(self, job: _Job) -> Callable[[Future[Piece | None]], None]:
        return lambda future: self._done.put((job, future))

    def _collect(self, results: StepResult, *, wait: bool) -> bool:
        """Take in everything that is done; with `wait`, sleep until something is. Tell of wakes."""
        woken = False
        try:
            while True:
                done = self._done.get(block=wait)
                wait = False
                if done is None:
                    woken = True
                else:
                    self._take(*done, results)
        except Empty:
            return woken

    def _take(self, job: _Job, future: Future[Piece | None], results: StepResult) -> None:
        del self._running[job]
        job.in_line = False
        if self._jobs.get(job.id) is not job:
            return
        if future.exception() is not None:
            del self._jobs[job.id]
            message = "The voice failed on a sentence."
            results.append((job.id, Failed(code="synthesis_failed", message=message)))
            return
        piece = future.result()
        if piece is not None:
            job.has_spoken = True
            results.append((job.id, piece.chunk))
        if job.has_work:
            self._line_up(job)

    def _close_jobs(self, results: StepResult) -> None:
        for job in [job for job in self._jobs.values() if job.ended and not job.in_line]:
            del self._jobs[job.id]
            nothing = Failed(code="nothing_to_say", message="There is nothing to say in the text.")
            results.append((job.id, Finished() if job.has_spoken else nothing))


def create(options: Mapping[str, object], say: Say = say_nothing) -> EmbeddedEngine:
    """Load every voice, after checking its files; option `threads` is at most the cores."""
    cores = min(os.cpu_count() or 1, _MOST_THREADS)
    threads = options.get("threads", cores)
    if set(options) - {"threads"} or not isinstance(threads, int) or threads < 1:
        raise EngineUnavailableError("The embedded engine takes one option: threads, from 1 up.")
    say("It loads the voice heart.")
    speakers: list[Speaker] = [heart.HeartVoice()]
    say("It loads the plain voices.")
    speakers += pico.voices()
    return EmbeddedEngine(
        {speaker.voice.id: speaker for speaker in speakers},
        revision=revision_of({speaker.voice.id: speaker.voice.revision for speaker in speakers}),
        threads=threads,
    )
