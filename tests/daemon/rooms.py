"""The service's rooms for tests: models that only say what they can do, and real ones."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
import os
from pathlib import Path
import stat
from typing import Any

from indextts_daemon.config import load_settings
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.metrics import Metrics
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.generation import Generation, Generations
from indextts_daemon.service.models import BACKOFF_S, Casting, Model
from indextts_daemon.service.pool import ModelPool
from indextts_daemon.service.queue import JobQueue
from indextts_daemon.speech import (
    AudioChunk,
    JobId,
    ModelInfo,
    Sentence,
    SpeechRequest,
    Voice,
)
from indextts_daemon.worker.handle import JobStream, WorkerSpec, WorkerState


def voice(identity: str, *languages: str, revision: str = "1") -> Voice:
    return Voice(
        id=identity, name=identity.title(), languages=languages, models=(), revision=revision
    )


def info(model: str, *voices: Voice, parameters: tuple[str, ...] = ("seed", "speed")) -> ModelInfo:
    return ModelInfo(
        id=model,
        engine=model,
        name=model.title(),
        revision="weights",
        voices=voices,
        parameters=frozenset(parameters),
        max_jobs=2,
    )


@dataclass(eq=False)
class StubModel:
    """A model with no process behind it: it is there, or it is down."""

    id: str
    knows: ModelInfo | None
    info: ModelInfo | None = None  # what it has shown so far
    load_failed: bool = False
    state: WorkerState = WorkerState.ready
    reason: str | None = None
    asked: int = 0
    queue: JobQueue = field(default_factory=lambda: JobQueue(capacity=2, metrics=Metrics()))
    worker: "StubWorker | None" = None
    wakes_soon: bool = False
    asleep: bool = False
    is_cast: bool = True
    kept: int = 0
    failures: int = 0

    def keep(self) -> None:
        self.kept += 1

    def note_failure(self) -> None:
        self.failures += 1

    @property
    def name(self) -> str:
        return self.info.name if self.info is not None else self.id

    async def ready(self, priority: str) -> None:
        self.asked += 1
        if self.knows is None or self.load_failed:
            raise EngineUnavailableError(f"The model {self.id} is down.")
        self.info = self.knows

    def speaker(self) -> "StubWorker":
        if self.worker is None:
            raise EngineUnavailableError(f"The model {self.id} is down.")
        return self.worker


@dataclass(eq=False)
class StubWorker:
    """Takes jobs and answers each with the same; `...` at the end leaves a job unfinished."""

    answer: Sequence[Any] = ()
    submitted: list[tuple[SpeechRequest, Voice, list[Sentence]]] = field(default_factory=list)
    ends: list[bool] = field(default_factory=list)
    sent: list[object] = field(default_factory=list)

    def submit(
        self, request: SpeechRequest, speaker: Voice, text: list[Sentence], *, end: bool = True
    ) -> JobStream:
        self.submitted.append((request, speaker, text))
        self.ends.append(end)
        stream = JobStream(JobId(len(self.submitted)), self.sent.extend)
        for part in self.answer:
            if isinstance(part, AudioChunk):
                stream.push(part)
            elif part is not ...:
                stream.finish(part)
        return stream


def generations_of(*models: Any, **fields: Any) -> Generations:
    """Make a first generation with these models; the first is the default.

    Settings are given as `settings={"server.port": 1}`.
    """
    settings = load_settings(file=None, environment={}, flags=fields.pop("settings", {}))
    by_id = {model.id: model for model in models}
    return Generations(Generation(settings=settings, models=by_id, default=models[0].id, **fields))


def pool_of(*models: Any) -> ModelPool:
    """Pool these models; the first is the default."""
    return ModelPool(generations_of(*models))


@dataclass(frozen=True)
class RealModel:
    """A model with a real worker process, and what it tells."""

    model: Model
    metrics: Metrics
    events: EventBus

    def figure(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            f"indextts_{name}", {"model": self.model.id} | labels
        )

    @property
    def pid(self) -> int:
        assert self.model.worker is not None
        assert self.model.worker.pid is not None
        return self.model.worker.pid


@asynccontextmanager
async def real_model(
    *,
    metrics: Metrics | None = None,
    capacity: int = 8,
    hold_s: float = 30.0,
    casting: Casting | None = None,
    **spec: Any,
) -> AsyncIterator[RealModel]:
    """Offer a model of the fake engine, and leave no process behind."""
    metrics, events = metrics or Metrics(), EventBus()
    model = Model(
        WorkerSpec(**{"model": "fake", "engine": "fake"} | spec),
        queue=JobQueue(capacity=capacity, metrics=metrics, hold_s=hold_s),
        metrics=metrics,
        events=events,
        casting=casting,
    )
    try:
        yield RealModel(model, metrics, events)
    finally:
        await model.close()
    assert model.worker is None or model.worker.pid is None


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Backoff(Sequence[float]):
    """No pause at all before any start, and a record of which pause it would have been."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(BACKOFF_S)

    def __getitem__(self, place: Any) -> Any:
        self.asked.append(place)
        return 0.0


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until the condition holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 what is waited for tells nobody
            await asyncio.sleep(0.001)


@contextmanager
def shut(folder: Path) -> Iterator[None]:
    """Take away the right to enter `folder`; root has to become somebody for that."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)
        folder.chmod(mode)
