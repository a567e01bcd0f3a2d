"""The parent's side of a worker: starts the process, feeds it jobs, and notices how it ends.

Knows no engine and no HTTP.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
import itertools
import signal
import time

from indextts_daemon.errors import EngineUnavailableError, SpeechError, SynthesisError
from indextts_daemon.speech import JobId, ModelInfo, Sentence, SpeechRequest, Voice

from .footprint import Footprint, GpuBytes, measured
from .process import WorkerProcess
from .protocol import (
    LOAD_JOB,
    Append,
    AskStats,
    Audio,
    Cancelled,
    Command,
    Dying,
    End,
    Failed,
    Finished,
    Heartbeat,
    Load,
    MalformedFrameError,
    Message,
    Progress,
    Ready,
    Start,
    Stats,
    Stop,
)
from .stream import JobStream

__all__ = [
    "Footprint",
    "GpuBytes",
    "JobStream",
    "WorkerEnd",
    "WorkerHandle",
    "WorkerSpec",
    "WorkerState",
]

_WATCH_S = 1.0
_LEAST_SILENCE_S = 3.0  # heartbeats come once a second: fewer missing ones say nothing
_STATS_TIMEOUT_S = 5.0
_MEASURE_S = 2.0


class WorkerState(StrEnum):
    """Where a worker is in its life."""

    unloaded = "unloaded"
    loading = "loading"
    warming = "warming"
    ready = "ready"
    draining = "draining"
    failed = "failed"


class WorkerEnd(StrEnum):
    """Why a worker's process has ended."""

    stopped = "stopped"
    load_failed = "load_failed"
    crash = "crash"
    hang = "hang"
    oom = "oom"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """Which model to load with which engine, and how patient to be with it."""

    model: str
    engine: str
    version: str = "main"
    content: str = ""  # a hash of the version's files, where it has any
    options: Mapping[str, object] = field(default_factory=dict)
    load_timeout_s: float = 300
    step_timeout_s: float = 60
    nice: int = 0


class WorkerHandle:
    """One worker process at a time; once it has ended it may be started anew."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        on_state: Callable[[WorkerState], None] | None = None,
        on_counted: Callable[[Mapping[str, int]], None] | None = None,
        on_progress: Callable[[str], None] | None = None,
        gpu_bytes: GpuBytes | None = None,
    ) -> None:
        self.spec = spec
        self.info: ModelInfo | None = None
        self.reason: str | None = None  # why it failed, for people
        self.footprint: Footprint | None = None  # when it was ready, if that was told
        self.started_at: float | None = None  # wall clock, as is heartbeat_at
        self.heartbeat_at: float | None = None
        self._state = WorkerState.unloaded
        self._on_state = on_state
        self._on_counted = on_counted  # gets what was added since the last time
        self._on_progress = on_progress  # gets a sentence, while it loads
        self._gpu_bytes = gpu_bytes
        self._counters = Counter[str]()
        self._ids = itertools.count(LOAD_JOB + 1)
        self._streams: dict[JobId, JobStream] = {}
        self._asked: list[asyncio.Future[dict[str, int]]] = []
        self._process: WorkerProcess | None = None
        self._life: asyncio.Task[WorkerEnd] | None = None
        self._ready = asyncio.Event()
        self._end: WorkerEnd | None = None  # known before the process is gone
        self._load_code = "load_failed"  # names why it did not load
        self._load_limit: asyncio.Timeout | None = None
        self._load_began = 0.0  # on the event loop's clock
        self._heard_at = 0.0  # monotonic

    @property
    def state(self) -> WorkerState:
        """Where the worker is in its life."""
        return self._state

    @property
    def pid(self) -> int | None:
        """The process's number, while there is one."""
        return self._process.pid if self._process else None

    async def start(self) -> ModelInfo:
        """Spawn the process and load; `EngineUnavailableError` says why that failed."""
        if self._state not in (WorkerState.unloaded, WorkerState.failed):
            raise RuntimeError("The worker has been started already.")
        self.info = self.reason = self.footprint = self._end = None
        self._load_code = "load_failed"
        self.started_at, self.heartbeat_at = time.time(), None
        self._ready.clear()
        self._counters.clear()
        self._set_state(WorkerState.loading)
        try:
            self._process = await WorkerProcess.spawn(self._receive)
        except OSError as err:
            self.reason = f"The worker could not be started: {err.strerror}."
            self._set_state(WorkerState.failed)
            raise EngineUnavailableError(self.reason, code="load_failed") from err
        self._life = asyncio.create_task(self._live(self._process))
        return await self._load(self._process, self._life)

    def patience(
        self, *, step_timeout_s: float | None = None, load_timeout_s: float | None = None
    ) -> None:
        """Change how long it may take from now on, also over what it is at."""
        step_s = self.spec.step_timeout_s if step_timeout_s is None else step_timeout_s
        load_s = self.spec.load_timeout_s if load_timeout_s is None else load_timeout_s
        self.spec = replace(self.spec, step_timeout_s=step_s, load_timeout_s=load_s)
        if self._load_limit is not None and not self._load_limit.expired():
            self._load_limit.reschedule(self._load_began + load_s)

    async def held(self) -> Footprint | None:
        """Measure what the process holds now; None if there is none, or that is not told in time.

        A driver may hang for ever.
        """
        if self.pid is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_MEASURE_S):
                    return await asyncio.to_thread(measured, self.pid, self._gpu_bytes)
        return None

    def submit(
        self,
        request: SpeechRequest,
        voice: Voice,
        sentences: Sequence[Sentence],
        *,
        end: bool = True,
    ) -> JobStream:
        """Give the worker a job; with `end=False` more sentences may follow on the stream."""
        if self._state is not WorkerState.ready:
            code = "draining" if self._state is WorkerState.draining else "loading"
            raise EngineUnavailableError(
                self.reason or f"The model {self.spec.model} is {self._state}.", code=code
            )
        job = JobId(next(self._ids))
        stream = self._streams[job] = JobStream(job, self._send)
        self._send(
            [
                Start(job=job, request=request, voice=voice),
                *(Append(job=job, sentence=sentence) for sentence in sentences),
                *([End(job=job)] if end else []),
            ]
        )
        return stream

    async def stats(self) -> dict[str, int]:
        """Return the worker's counters since it was ready, and `live_jobs`."""
        if self._process is None:
            raise EngineUnavailableError(f"The model {self.spec.model} is {self._state}.")
        answer: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._send([AskStats()])
        try:
            async with asyncio.timeout(_STATS_TIMEOUT_S):
                return await answer
        except TimeoutError as err:
            raise EngineUnavailableError("The worker does not answer.") from err

    async def stop(self, *, timeout_s: float) -> None:
        """Let live jobs be spoken to their end for `timeout_s`, then end the process and reap it.

        Once it returns neither the process nor any that it started is left. A worker that is still
        loading ends at once. One that is not running is left as it is.
        """
        process, life = self._process, self._life
        if process is None or life is None:
            return
        self._end = self._end or WorkerEnd.stopped
        self._set_state(WorkerState.draining)
        self._send([Stop()])
        try:
            await asyncio.wait({life}, timeout=timeout_s)
            if not life.done():
                await process.end()
        finally:
            process.kill()
        await asyncio.wait({life})

    async def wait_closed(self) -> WorkerEnd:
        """Wait until the process has ended, and return why."""
        return WorkerEnd.stopped if self._life is None else await asyncio.shield(self._life)

    async def _load(self, process: WorkerProcess, life: asyncio.Task[WorkerEnd]) -> ModelInfo:
        spec = self.spec
        process.send(
            [Load(engine=spec.engine, model=spec.model, nice=spec.nice, options=spec.options)]
        )
        try:
            await self._loading(life)
            if self.info is not None and not life.done():
                self.footprint = await self.held()
            if self.info is not None and not life.done():
                return self.info
        except TimeoutError:
            limit_s = self.spec.load_timeout_s
            self._put_down(WorkerEnd.hang, f"Loading took longer than {limit_s:g} s.")
        except asyncio.CancelledError:
            self._put_down(WorkerEnd.stopped, "Loading was given up.")
            raise
        await asyncio.shield(life)
        raise EngineUnavailableError(
            self.reason or "The worker was stopped while it was loading.", code=self._load_code
        )

    async def _loading(self, life: asyncio.Task[WorkerEnd]) -> None:
        """Wait until it is ready or has ended. Raises TimeoutError."""
        self._load_began = asyncio.get_running_loop().time()
        ready = asyncio.create_task(self._ready.wait())
        try:
            async with asyncio.timeout(self.spec.load_timeout_s) as self._load_limit:
                await asyncio.wait({ready, life}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._load_limit = None
            ready.cancel()

    async def _live(self, process: WorkerProcess) -> WorkerEnd:
        watch = asyncio.create_task(self._watch())
        try:
            exit_code = await process.wait()
            if self._end is None:
                how = "it sent nonsense" if process.garbled else _in_words(exit_code)
                self.reason = f"The worker ended unexpectedly ({how})."
        finally:  # whatever went wrong, nobody waits for a process that has gone
            watch.cancel()
            process.kill()
            self._process = None
            self._end = self._end or WorkerEnd.crash
            stopped = self._end is WorkerEnd.stopped
            try:  # first of all nobody else is let in
                self._set_state(WorkerState.unloaded if stopped else WorkerState.failed)
            finally:
                self._lose_jobs()
        return self._end

    def _lose_jobs(self) -> None:
        """Tell all who still wait for something that it will not come."""
        lost = EngineUnavailableError(self.reason or "The worker was stopped.", code="worker_lost")
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.finish(lost)
        self._answer(lost)

    async def _watch(self) -> None:
        """Put the worker down when its heartbeat stays away."""
        await self._ready.wait()
        while True:
            slept_at = time.monotonic()
            await asyncio.sleep(_WATCH_S)
            now = time.monotonic()
            if now - slept_at > 2 * _WATCH_S:
                self._heard_at = now  # it is we who were held up: heartbeats wait to be read
            patience_s = max(self.spec.step_timeout_s, _LEAST_SILENCE_S)
            if now - self._heard_at > patience_s:
                self._put_down(WorkerEnd.hang, f"The worker was silent for {patience_s:g} s.")

    def _put_down(self, end: WorkerEnd, reason: str) -> None:
        """Kill the process for a reason that is known, unless it is ending for another one."""
        if self._process is None:
            return
        if self._end is None:
            self._end = end
            self.reason = None if end is WorkerEnd.stopped else reason
        self._process.kill()

    def _send(self, commands: Iterable[Command]) -> None:
        if self._process is not None:
            self._process.send(commands)

    def _receive(self, message: Message) -> None:
        match message:
            case Audio(job=job, chunk=chunk):
                if job in self._streams:
                    self._streams[job].push(chunk)
            case Finished(job=job):
                self._finish(job, None)
            case Cancelled(job=job):
                self._streams.pop(job, None)
            case Failed(job=job, code=code, message=text) if job != LOAD_JOB:
                self._finish(job, SynthesisError(text, code=code))
            case _:
                self._learn(message)

    def _learn(self, message: Message) -> None:
        """Take in what concerns no job."""
        match message:
            case Heartbeat():
                self._note(message)
            case Stats(counters=counters):
                self._count(counters)
                self._answer(dict(counters))
            case Progress(state=state, sentence=sentence):
                self._come_to(WorkerState(state))
                if sentence and self._on_progress is not None:
                    self._on_progress(sentence)
            case Ready(info=info):
                self.info = info
                self._heard_at = time.monotonic()
                self._come_to(WorkerState.ready)
                self._ready.set()
            case Failed(code=code, message=text):
                self._end, self.reason = WorkerEnd.load_failed, text
                self._load_code = code
            case Dying(reason=reason, message=text) if self._end is None:
                self._end, self.reason = WorkerEnd(reason), text
            case Dying():
                pass
            case _:
                raise MalformedFrameError("A worker does not send commands.")

    def _count(self, counters: Mapping[str, int]) -> None:
        added = Counter(counters)
        added.subtract(self._counters)
        self._counters = Counter(counters)
        if self._on_counted is not None:
            self._on_counted(added)

    def _note(self, heartbeat: Heartbeat) -> None:
        self.heartbeat_at, self._heard_at = time.time(), time.monotonic()
        if heartbeat.step_started_at is None or not self._ready.is_set():
            return
        if heartbeat.at - heartbeat.step_started_at > self.spec.step_timeout_s:
            limit_s = self.spec.step_timeout_s
            self._put_down(WorkerEnd.hang, f"One step of the engine took over {limit_s:g} s.")

    def _finish(self, job: JobId, error: SpeechError | None) -> None:
        stream = self._streams.pop(job, None)
        if stream is not None:
            stream.finish(error)

    def _answer(self, answer: dict[str, int] | SpeechError) -> None:
        """Tell all who asked for stats."""
        asked, self._asked = self._asked, []
        for future in asked:
            if future.done():
                continue
            if isinstance(answer, SpeechError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _come_to(self, state: WorkerState) -> None:
        if self._state is not WorkerState.draining:
            self._set_state(state)

    def _set_state(self, state: WorkerState) -> None:
        if state is not self._state:
            self._state = state
            if self._on_state is not None:
                self._on_state(state)


def _in_words(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"signal {signal.Signals(-exit_code).name}"
    except ValueError:  # most of the real-time ones have no name
        return f"signal {-exit_code}"
