"""A known model in one version: its process, started when needed and replaced when it dies."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
import contextlib
from dataclasses import replace
from functools import partial
import logging
import time
from typing import Protocol

from indextts_daemon.errors import EngineUnavailableError, SpeechError, place_of
from indextts_daemon.gpu import held_by
from indextts_daemon.metrics import Metrics
from indextts_daemon.speech import ModelInfo, Say, Voice, say_nothing
from indextts_daemon.worker.handle import WorkerHandle, WorkerSpec, WorkerState

from .events import EventBus
from .queue import JobQueue
from .studio import ChangedError

LOGGER = logging.getLogger(__name__)

BACKOFF_S = (0.0, 0.0, 1.0, 2.0, 5.0, 10.0, 30.0)  # before the nth start in a row
STEADY_S = 60.0  # a worker that was ready for this long starts the backoff anew
STOP_TIMEOUT_S = 5.0
LEAST_RETRY_S = 1.0
FULL = "insufficient_memory"
SOON_S = 5.0  # a model that loads within this is waited for rather than replaced


Recast = Callable[[Say], Awaitable[tuple[Voice, ...]]]


class Casting(Protocol):
    """Makes voices of the household's recordings, for one model."""

    async def prepare(self, say: Say) -> Mapping[str, object]:
        """Return what a worker has to be told besides. Raises EngineUnavailableError."""
        ...

    async def recast(self, info: ModelInfo, say: Say) -> tuple[Voice, ...]:
        """Look anew which voices there are, make ready what is new, and return them all."""
        ...


def _tell_nobody() -> None:
    """Nobody asks."""


class Model:
    """One known model in one version: its worker while there is one, and the queue before it."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        queue: JobQueue,
        metrics: Metrics,
        events: EventBus,
        casting: Casting | None = None,
    ) -> None:
        self.spec = spec
        self.queue = queue
        self.recast: Recast | None = partial(self._recast, casting) if casting else None
        self.before_load: Callable[[Model], Awaitable[None]] | None = None  # or SpeechError
        self.is_cast = casting is None  # its voices of recordings were looked for once
        self.on_ready: Callable[[Model], None] | None = None
        self.on_changed: Callable[[], None] = _tell_nobody  # its files are others than it had
        self.on_trouble: Callable[[], None] | None = None  # it died, or failed on a job
        self.on_progress: Say = say_nothing
        self.memory_bytes: int | None = None  # as measured when it was last ready
        self.info: ModelInfo | None = None  # of the last worker; survives its death
        self._metrics = metrics
        self._events = events
        self._prepare = casting.prepare if casting else None
        self._preparing = False
        self._worker: WorkerHandle | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._reason: str | None = None
        self._closed = False
        self._leaving = False  # it is being unloaded
        self._on_trial = False  # somebody waits for the outcome of the next start
        self._kept = False  # it is replaced when it dies
        self.asleep = False  # it was unloaded, and has not been loaded again
        self.held = False  # it must not be started now
        self.shown = True  # what becomes of it is told; only one version of a model is
        self._failure: EngineUnavailableError | None = None  # of the last start
        self._decided = asyncio.Event()  # it is ready, or the last start failed
        self._load_at = time.monotonic()  # when it began to load, or will
        self._load_s = 0.0  # how long that took the last time
        self.load_failed = False  # the last start failed; the next is only tried after a while
        queue.close(self._unavailable)
        metrics.know_model(spec.model)

    @property
    def id(self) -> str:
        """The model's id."""
        return self.spec.model

    @property
    def name(self) -> str:
        """What it calls itself; its id until it has been loaded once."""
        return self.info.name if self.info is not None else self.id

    @property
    def state(self) -> WorkerState:
        """What its process is doing."""
        if self._worker is not None:
            return WorkerState.draining if self._leaving else self._worker.state
        if self._preparing:
            return WorkerState.loading
        return WorkerState.failed if self.load_failed else WorkerState.unloaded

    @property
    def reason(self) -> str | None:
        """Why it last failed, in a sentence, while it is not ready."""
        if self.state is WorkerState.ready:
            return None
        return self._reason or (self._failure.message if self._failure is not None else None)

    @property
    def busy(self) -> bool:
        """Whether anybody waits for it, is spoken to, or still listens."""
        return bool(self.queue.waiting or self.queue.in_flight or self.queue.listening)

    @property
    def wakes_soon(self) -> bool:
        """Whether it was put to sleep, and is back in a moment once it is asked for."""
        return self.asleep and self._load_s <= SOON_S

    @property
    def last_used_at(self) -> float:
        """When a request last came or went, on the monotonic clock."""
        return self.queue.last_used_at

    @property
    def present(self) -> bool:
        """Whether it is loaded, or about to be."""
        loading = self._keeper is not None and not self._keeper.done() and not self.load_failed
        return self._worker is not None or self._preparing or loading

    @property
    def worker(self) -> WorkerHandle | None:
        """The process, while there is one."""
        return self._worker

    @property
    def kept(self) -> bool:
        """Whether a worker runs, or another one will, until it is unloaded or closed."""
        return self._kept

    def keep(self) -> None:
        """See to it that a worker runs until `unload` or `close`; returns at once."""
        self._kept = True
        self._start()

    def admit(self) -> None:
        """End the trial, and keep it."""
        self._on_trial = False
        self.keep()

    async def trial(self) -> WorkerHandle:
        """Load once, and return the worker. Raises EngineUnavailableError if that fails.

        Unless somebody wants it kept, it is not replaced when it dies.
        """
        if self.state is not WorkerState.ready:
            self._on_trial, self.load_failed, self._failure = True, False, None
            self._decided.clear()
            self._start()
            await self._decided.wait()
            if self._failure is not None:
                raise self._failure
        return self.speaker()

    async def ready(self, priority: str = "interactive") -> WorkerHandle:
        """Return the worker once it can speak, starting it if need be.

        Raises EngineUnavailableError when that takes too long, and QueueFullError when as many
        are waiting as may.
        """
        self.keep()
        await self.queue.opened(priority)
        return self.speaker()

    def speaker(self) -> WorkerHandle:
        """Return the worker, if it can speak now. Raises EngineUnavailableError."""
        if self._worker is None or self._worker.state is not WorkerState.ready:
            raise self._unavailable()
        return self._worker

    async def unload(
        self, *, timeout_s: float, reason: str | None = None, turn_away: bool = False
    ) -> None:
        """Let what is being spoken be spoken, for `timeout_s`, and end the process.

        It is counted by its `reason`, one of the metrics' EVICTIONS, if it has one. Who waits is
        served by the next one, which is then started; or is turned away at once.
        """
        if reason is not None and self._worker is not None:
            self._metrics.evicted(reason)
        self._leaving, self.asleep = True, self.info is not None
        self.queue.close(self._unavailable, hold=not turn_away)
        self._on_state(self.state)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self.queue.still()
            await self._end()
        finally:
            self._leaving = False
        self._reason, self._failure, self.load_failed = None, None, False  # it may have died first
        self.asleep = self.info is not None
        self._on_state(self.state)
        if self.queue.waiting:
            self.keep()

    async def close(self) -> None:
        """End the worker; it is not started again."""
        self._closed = True
        self.queue.close(self._unavailable, hold=False)
        await self._end()

    def adopt(self, spec: WorkerSpec, *, capacity: int) -> None:
        """Take over limits that need no other process; shrinking drops nobody."""
        self.spec = replace(
            self.spec, load_timeout_s=spec.load_timeout_s, step_timeout_s=spec.step_timeout_s
        )
        self.queue.capacity = capacity
        if self._worker is not None:
            self._worker.patience(
                load_timeout_s=spec.load_timeout_s, step_timeout_s=spec.step_timeout_s
            )

    def note_failure(self) -> None:
        """Say that it failed on a job through no fault of the client."""
        if self.on_trouble is not None:
            self.on_trouble()

    def show(self) -> None:
        """Tell from now on what becomes of it."""
        self.shown = True
        self._on_state(self.state)

    def _start(self) -> None:
        barred = self._closed or self.held or self._leaving  # those who wait start it
        if not barred and (self._keeper is None or self._keeper.done()):
            if not self.load_failed:  # whoever was turned away before, from now on they wait
                self.queue.close(self._unavailable)
            self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.id}")

    async def _end(self) -> None:
        keeper, self._keeper = self._keeper, None
        self._kept = self._on_trial = False
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait({keeper})
        if self._worker is not None:
            await self._worker.stop(timeout_s=STOP_TIMEOUT_S)
            self._worker = None
        self._decided.set()

    async def _keep(self) -> None:
        """Run one worker after another."""
        failures = 0
        while True:
            pause_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            self._load_at = time.monotonic() + pause_s
            await asyncio.sleep(pause_s)
            steady = False
            try:
                steady = await self._live()
            except Exception as err:  # noqa: BLE001 a fault of ours must not end the keeping
                self._reason = "The daemon lost track of its process, which is being replaced."
                LOGGER.error("model %s is started anew: %s", self.id, place_of(err))  # noqa: TRY400
            self._worker = None
            self._on_state(self.state)
            self._decided.set()
            if not self._kept:
                return
            if not self._on_trial:
                self.note_failure()
            failures = 0 if steady else failures + 1

    async def _live(self) -> bool:
        """Run one worker to its end; tell whether that was long in coming."""
        try:
            if self.before_load is not None and not self._on_trial:  # who tries it made room
                await self.before_load(self)
            spec = await self._prepared()
        except SpeechError as err:
            self._note_failure(EngineUnavailableError(err.message, code=err.error_code))
            return False
        self._worker = worker = WorkerHandle(
            spec,
            on_state=self._on_state,
            on_counted=partial(self._metrics.model_counted, self.id),
            on_progress=self._say,
            gpu_bytes=held_by,
        )
        try:
            return await self._see_through(worker)
        finally:
            await worker.stop(timeout_s=STOP_TIMEOUT_S)

    async def _recast(self, casting: Casting, say: Say) -> tuple[Voice, ...]:
        try:
            return () if self.info is None else await casting.recast(self.info, say)
        finally:
            self.is_cast = True

    async def _prepared(self) -> WorkerSpec:
        """Return what to load, once all that it needs is there."""
        if self._prepare is None:
            return self.spec
        self._preparing, self._reason = True, None
        self._on_state(self.state)
        try:
            options = await self._prepare(self._say)
        finally:
            self._preparing = False
        self._reason = None
        return replace(self.spec, options={**self.spec.options, **options})

    def _say(self, sentence: str) -> None:
        self._reason = sentence
        self.on_progress(sentence)
        self._events.publish("progress", id=self.id, message=sentence)

    def _note_failure(self, err: EngineUnavailableError) -> None:
        again = self._failure is not None and self._failure.error_code == err.error_code
        if err.error_code == ChangedError.code and not (again or self._on_trial):
            self.on_changed()
        self._reason, self.load_failed, self._failure = err.message, True, err
        self._decided.set()
        self.asleep = False
        self.queue.close(self._unavailable, hold=False)
        self._metrics.model_loads.labels(self.id, "failed").inc()
        if err.error_code == FULL:
            self._metrics.ran_out_of_memory(self.id)
        LOGGER.error("model %s did not load: %s", self.id, err.message)

    async def _see_through(self, worker: WorkerHandle) -> bool:
        """Load, and wait for the end of the process; tell whether it was long in coming."""
        born = time.monotonic()
        try:
            self.info = await worker.start()
        except EngineUnavailableError as err:
            self._note_failure(err)
            return False
        ready_at = time.monotonic()
        self.memory_bytes = worker.footprint.scarce if worker.footprint else None
        self._welcome(self.info, ready_at - born)
        reason = await worker.wait_closed()
        why = worker.reason or f"Its process ended ({reason})."
        self._reason = f"{why} It is being replaced."
        self._metrics.worker_restarts.labels(self.id, reason).inc()
        LOGGER.error("model %s lost its process (%s); starting another", self.id, reason)
        return time.monotonic() - ready_at > STEADY_S

    def _welcome(self, info: ModelInfo, took_s: float) -> None:
        self._reason, self.load_failed, self._load_s = None, False, took_s
        self._failure, self.asleep = None, False
        self.queue.resize(info.max_jobs)
        self._decided.set()
        if self.on_ready is not None:
            self.on_ready(self)
        self._metrics.model_loads.labels(self.id, "ok").inc()
        self._metrics.model_load_duration.labels(self.id).observe(took_s)
        self._metrics.worker_start_time.labels(self.id).set(time.time())
        LOGGER.info("model %s is ready after %.1f s", self.id, took_s)

    def _on_state(self, state: WorkerState) -> None:
        if self.queue.slots and state is not WorkerState.ready:
            self._load_at = time.monotonic()
            self.queue.close(self._unavailable)
        if self.shown:
            self._metrics.model_is(self.id, state)
            self._events.publish("model", id=self.id, state=str(state))

    def _unavailable(self) -> EngineUnavailableError:
        """Say why it cannot speak, and guess for how long.

        A load takes as long as the last one did; one that takes longer, as long again as that.
        """
        what, why = "is not ready", self.reason
        if self.load_failed and self._failure is not None:  # the next try has its own words
            what, why = "does not load", self._failure.message
        left_s = self._load_at + self._load_s - time.monotonic()
        return EngineUnavailableError(
            f"The model {self.id} {what}. {why or 'It is still loading.'}",
            code=FULL if self._failure and self._failure.error_code == FULL else None,
            retry_after_s=max(LEAST_RETRY_S, abs(left_s)),
        )
