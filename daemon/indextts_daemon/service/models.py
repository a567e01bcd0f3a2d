"""The known models and their processes: started when first needed, replaced when they die."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
import contextlib
import hashlib
import logging
import math
import time

from indextts_daemon.errors import EngineUnavailableError, ModelNotFoundError, QueueFullError
from indextts_daemon.metrics import Metrics
from indextts_daemon.speech import ModelInfo, Voice
from indextts_daemon.text import TEXT_RULES_VERSION
from indextts_daemon.worker.handle import WorkerHandle, WorkerSpec, WorkerState

from .events import EventBus
from .queue import JobQueue

LOGGER = logging.getLogger(__name__)

BACKOFF_S = (0.0, 0.0, 1.0, 2.0, 5.0, 10.0, 30.0)  # before the nth start in a row
STEADY_S = 60.0  # a worker that was ready for this long starts the backoff anew
HOLD_S = 10.0  # how long a request waits for a model that is (re)starting
STOP_TIMEOUT_S = 5.0


class Model:
    """One known model: its worker while there is one, and the queue in front of it."""

    def __init__(
        self, spec: WorkerSpec, *, queue: JobQueue, metrics: Metrics, events: EventBus
    ) -> None:
        self.spec = spec
        self.queue = queue
        self.info: ModelInfo | None = None  # of the last worker; survives its death
        self._metrics = metrics
        self._events = events
        self._worker: WorkerHandle | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._reason: str | None = None
        self._closed = False
        self._holding = 0  # requests that wait for it to load
        self.load_failed = False  # the last start failed; the next is only tried after a while
        metrics.know_model(spec.model)

    @property
    def id(self) -> str:
        """The model's id."""
        return self.spec.model

    @property
    def state(self) -> WorkerState:
        """What its process is doing."""
        if self._worker is not None:
            return self._worker.state
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

    async def ready(self, *, timeout_s: float = HOLD_S) -> WorkerHandle:
        """Return the worker once it can speak, starting it if need be.

        Raises EngineUnavailableError when that takes longer than `timeout_s`, and QueueFullError
        when as many are waiting for it as may.
        """
        worker = self._worker
        if worker is not None and worker.state is WorkerState.ready:
            return worker
        self.keep()
        if self.load_failed:
            raise EngineUnavailableError(
                f"The model {self.id} does not load. {self._reason}", retry_after_s=30.0
            )
        if self._holding >= self.queue.capacity:
            raise QueueFullError(
                f"{self._holding} requests wait for the model {self.id} to load already.",
                retry_after_s=timeout_s,
            )
        self._holding += 1
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(
                    lambda: self.load_failed or self.state is WorkerState.ready
                )
        except TimeoutError as err:
            raise EngineUnavailableError(
                f"The model {self.id} is not ready. {self._reason or 'It is still loading.'}",
                retry_after_s=5.0,
            ) from err
        finally:
            self._holding -= 1
        if self.load_failed or self._worker is None:
            raise EngineUnavailableError(f"The model {self.id} is not ready. {self._reason}")
        return self._worker

    async def close(self) -> None:
        """End the worker; it is not started again."""
        self._closed = True
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
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            born, ready_at = time.monotonic(), math.inf
            self._worker = worker = WorkerHandle(self.spec, on_state=self._on_state)
            try:
                self.info = await worker.start()
            except EngineUnavailableError as err:
                self._reason, self.load_failed = err.message, True
                await self._notify()
                self._metrics.model_loads.labels(self.id, "failed").inc()
                LOGGER.error("model %s did not load: %s", self.id, err.message)  # noqa: TRY400
            else:
                ready_at = time.monotonic()
                self._welcome(self.info, ready_at - born)
                await self._notify()
                reason = await worker.wait_closed()
                self._reason = f"Its process ended ({reason}) and is being replaced."
                self._metrics.worker_restarts.labels(self.id, reason).inc()
                LOGGER.error("model %s lost its process (%s); starting another", self.id, reason)
            await worker.stop(timeout_s=STOP_TIMEOUT_S)
            self._worker = None
            self._on_state(self.state)
            failures = 0 if time.monotonic() - ready_at > STEADY_S else failures + 1

    def _welcome(self, info: ModelInfo, took_s: float) -> None:
        self._reason, self.load_failed = None, False
        self.queue.resize(info.max_jobs)
        self._metrics.model_loads.labels(self.id, "ok").inc()
        self._metrics.model_load_duration.labels(self.id).observe(took_s)
        self._metrics.worker_start_time.labels(self.id).set(time.time())
        LOGGER.info("model %s is ready after %.1f s", self.id, took_s)

    def _on_state(self, state: WorkerState) -> None:
        self._metrics.model_is(self.id, state)
        self._events.publish("model", id=self.id, state=str(state))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class ModelPool:
    """All known models; one is the default."""

    def __init__(
        self, specs: Iterable[WorkerSpec], *, default: str, make: Callable[[WorkerSpec], Model]
    ) -> None:
        self._models = {spec.model: make(spec) for spec in specs}
        self.default = self._models[default]

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

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
        """Return what changes when the same words would sound different; None before loading."""
        info = self.default.info
        if info is None:
            return None
        voices = [f"{voice.id}={voice.revision}" for voice in info.voices]
        heard = "\n".join([TEXT_RULES_VERSION, info.id, info.revision, *sorted(voices)])
        return hashlib.sha256(heard.encode()).hexdigest()[:16]

    async def close(self) -> None:
        """End every worker."""
        await asyncio.gather(*(model.close() for model in self))
