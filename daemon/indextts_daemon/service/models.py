"""The known models and their processes: started when first needed, replaced when they die."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
import contextlib
from dataclasses import replace
from functools import partial
import hashlib
import logging
import time

from indextts_daemon.errors import EngineUnavailableError, ModelNotFoundError, place_of
from indextts_daemon.metrics import Metrics
from indextts_daemon.speech import ModelInfo, Voice
from indextts_daemon.text import TEXT_RULES_VERSION
from indextts_daemon.worker.handle import WorkerHandle, WorkerSpec, WorkerState

from .events import EventBus
from .queue import JobQueue
from .revision import Revisions

LOGGER = logging.getLogger(__name__)

BACKOFF_S = (0.0, 0.0, 1.0, 2.0, 5.0, 10.0, 30.0)  # before the nth start in a row
STEADY_S = 60.0  # a worker that was ready for this long starts the backoff anew
STOP_TIMEOUT_S = 5.0
LEAST_RETRY_S = 1.0

# Makes ready what a worker needs to be told besides, and says in sentences how far that has come.
Prepare = Callable[[Callable[[str], None]], Awaitable[Mapping[str, object]]]


class Model:
    """One known model: its worker while there is one, and the queue in front of it."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        queue: JobQueue,
        metrics: Metrics,
        events: EventBus,
        prepare: Prepare | None = None,
    ) -> None:
        """`prepare` runs before each worker; it raises EngineUnavailableError if none can be."""
        self.spec = spec
        self.queue = queue
        self.info: ModelInfo | None = None  # of the last worker; survives its death
        self._metrics = metrics
        self._events = events
        self._prepare = prepare
        self._preparing = False
        self._worker: WorkerHandle | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._reason: str | None = None
        self._closed = False
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
            return self._worker.state
        if self._preparing:
            return WorkerState.loading
        return WorkerState.failed if self.load_failed else WorkerState.unloaded

    @property
    def reason(self) -> str | None:
        """Why it last failed, in a sentence, while it is not ready."""
        return None if self.state is WorkerState.ready else self._reason

    @property
    def worker(self) -> WorkerHandle | None:
        """The process, while there is one."""
        return self._worker

    def keep(self) -> None:
        """See to it that a worker runs, from now until `close`; returns at once."""
        if not self._closed and (self._keeper is None or self._keeper.done()):
            self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.id}")

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

    async def close(self) -> None:
        """End the worker; it is not started again."""
        self._closed = True
        self.queue.close(self._unavailable, hold=False)
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._worker is not None:
            await self._worker.stop(timeout_s=STOP_TIMEOUT_S)

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
            failures = 0 if steady else failures + 1

    async def _live(self) -> bool:
        """Run one worker to its end; tell whether that was long in coming."""
        try:
            spec = await self._prepared()
        except EngineUnavailableError as err:
            self._note_failure(err)
            return False
        self._worker = worker = WorkerHandle(
            spec,
            on_state=self._on_state,
            on_counted=partial(self._metrics.model_counted, self.id),
            on_progress=self._say,
        )
        try:
            return await self._see_through(worker)
        finally:
            await worker.stop(timeout_s=STOP_TIMEOUT_S)

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
        self._events.publish("progress", id=self.id, message=sentence)

    def _note_failure(self, err: EngineUnavailableError) -> None:
        self._reason, self.load_failed = err.message, True
        self.queue.close(self._unavailable, hold=False)
        self._metrics.model_loads.labels(self.id, "failed").inc()
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
        self._welcome(self.info, ready_at - born)
        reason = await worker.wait_closed()
        self._reason = f"Its process ended ({reason}) and is being replaced."
        self._metrics.worker_restarts.labels(self.id, reason).inc()
        LOGGER.error("model %s lost its process (%s); starting another", self.id, reason)
        return time.monotonic() - ready_at > STEADY_S

    def _welcome(self, info: ModelInfo, took_s: float) -> None:
        self._reason, self.load_failed, self._load_s = None, False, took_s
        self.queue.resize(info.max_jobs)
        self._metrics.model_loads.labels(self.id, "ok").inc()
        self._metrics.model_load_duration.labels(self.id).observe(took_s)
        self._metrics.worker_start_time.labels(self.id).set(time.time())
        LOGGER.info("model %s is ready after %.1f s", self.id, took_s)

    def _on_state(self, state: WorkerState) -> None:
        if self.queue.slots and state is not WorkerState.ready:
            self._load_at = time.monotonic()
            self.queue.close(self._unavailable)
        self._metrics.model_is(self.id, state)
        self._events.publish("model", id=self.id, state=str(state))

    def _unavailable(self) -> EngineUnavailableError:
        """Say why it cannot speak, and guess for how long.

        A load takes as long as the last one did; one that takes longer, as long again as that.
        """
        what = "does not load" if self.load_failed else "is not ready"
        left_s = self._load_at + self._load_s - time.monotonic()
        return EngineUnavailableError(
            f"The model {self.id} {what}. {self._reason or 'It is still loading.'}",
            retry_after_s=max(LEAST_RETRY_S, abs(left_s)),
        )


class ModelPool:
    """All known models; one is the default."""

    def __init__(
        self,
        specs: Iterable[WorkerSpec],
        *,
        default: str,
        make: Callable[[WorkerSpec], Model],
        revisions: Revisions | None = None,
        manner: str = "",
    ) -> None:
        """`manner` names all else by which the same words sound the same, such as the moods."""
        self._models = {spec.model: make(spec) for spec in specs}
        self.default = self._models[default]
        self.revisions = revisions or Revisions()
        self._manner = manner

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    @property
    def waiting(self) -> int:
        """How many wait, whatever for."""
        return sum(model.queue.waiting for model in self)

    @property
    def in_flight(self) -> int:
        """How many are being spoken."""
        return sum(model.queue.in_flight for model in self)

    def get(self, model: str) -> Model:
        """Return a known model. Raises ModelNotFoundError."""
        try:
            return self._models[model]
        except KeyError:
            known = ", ".join(self._models)
            raise ModelNotFoundError(
                f"There is no such model. Known are: {known}.", param="model"
            ) from None

    def voices(self) -> dict[str, Voice]:
        """Return every voice of a model that has been loaded, by id; the default model's win."""
        found: dict[str, Voice] = {}
        for model in sorted(self, key=lambda model: model is not self.default):
            for voice in model.info.voices if model.info else ():
                found.setdefault(voice.id, voice)
        return found

    def revision(self) -> str | None:
        """Return what changes when the same words would sound different; None if none can.

        While another model stands in for the default it is that one's, so that nobody keeps what
        it says for the default's own.
        """
        rules = f"{TEXT_RULES_VERSION} {self._manner}".rstrip()
        if self.default.info is not None and self.default.state is WorkerState.ready:
            return self.revisions.of(self.default.info, rules=rules)
        for model in self:
            if model.info is not None and model.state is WorkerState.ready:
                told = f"{model.id} {model.info.revision} {rules}"
                return hashlib.sha256(told.encode()).hexdigest()[:16]
        return None

    async def close(self) -> None:
        """End every worker."""
        await asyncio.gather(*(model.close() for model in self))
