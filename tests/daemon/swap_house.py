"""A house with one fake model, real workers and everything that swaps; room and absence as told."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from indextts_daemon.errors import EngineUnavailableError, SpeechError
from indextts_daemon.metrics import Metrics
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.gate import Gate
from indextts_daemon.service.generation import Generations
from indextts_daemon.service.lineup import Lineup
from indextts_daemon.service.models import Model
from indextts_daemon.service.operations import Operation, Operations, Running
from indextts_daemon.service.pool import ModelPool
from indextts_daemon.service.probation import Probation
from indextts_daemon.service.promotion import Entrance, Promoter
from indextts_daemon.service.queue import JobQueue
from indextts_daemon.service.reloading import Change, Reloader
from indextts_daemon.service.routing import Router, SpeechOrder
from indextts_daemon.service.swapping import Swapper
from indextts_daemon.service.synthesizer import Synthesizer
from indextts_daemon.speech import Say
from indextts_daemon.worker.handle import WorkerSpec
from tests.daemon.rooms import generations_of

HELLO = SpeechOrder(text="Hello there.", language="en")
STORY = SpeechOrder(
    text="Once upon a time. {{sleep 1}} And they all lived. The end.", language="en"
)


class MuteError(SpeechError):
    code = "canary_failed"


@dataclass
class Absent:
    """Somebody who may have taken the GPU."""

    when_paused: asyncio.Event = field(default_factory=asyncio.Event)

    def may_use_gpu(self, model: Model) -> bool:
        return not self.when_paused.is_set()

    def refusal(self) -> EngineUnavailableError:
        return EngineUnavailableError("Somebody plays.", code="paused")


@dataclass
class Room:
    """Lets models in as it is told."""

    in_place: bool = False

    async def entrance(
        self, spec: WorkerSpec, *, residents: Sequence[Model], replaced: Model | None
    ) -> Entrance:
        if not self.in_place:
            return Entrance(mode="side_by_side", reason="There is room.")
        return Entrance(mode="in_place", reason="It is tight.", leaving=tuple(residents))


def spec(generation: int, **options: object) -> WorkerSpec:
    return WorkerSpec(
        model="fake",
        engine="fake",
        version=f"v{generation}",
        content=str(generation),
        options={"generation": generation, "step_sleep_s": 0.002} | options,
    )


class House:
    """One fake model, and everything that can put another in its place."""

    def __init__(self) -> None:
        self.metrics, self.events = Metrics(), EventBus()
        self.room, self.absent, self.gate = Room(), Absent(), Gate()
        self.heard: list[int] = []
        self.admitted: list[str] = []
        self.deaf_to: set[int] = set()
        self.undone: list[str] = []
        self.specs: list[WorkerSpec] = []
        self.generations: Generations = generations_of(self.make(spec(1)))
        self.pool = ModelPool(self.generations)
        self.synthesizer = Synthesizer(Router(), self.generations, self.metrics, self.gate)
        self.operations = Operations(self.events)
        self.reloader = Reloader(self.generations, self.operations, self.events)
        self.probation = Probation()
        promoter = Promoter(
            self.generations,
            room=self.room,
            audience=self,
            gate=self.gate,
            absent=self.absent,
        )
        self.swapper = Swapper(
            self.generations,
            self.pool,
            make=self.make,
            promoter=promoter,
            probation=self.probation,
        )
        self.reloader.add(self)

    name = "models"

    async def stage(self, wish: object, running: Running) -> Change:
        assert isinstance(wish, WorkerSpec)
        settings = self.generations.current.settings
        lineup = Lineup(default="fake", specs={"fake": wish}, reason="A test.")
        return await self.swapper.staged(lineup, settings, running, undo=self.undone.append)

    def make(self, wanted: WorkerSpec) -> Model:
        queue = JobQueue(capacity=32, metrics=self.metrics)
        return Model(wanted, queue=queue, metrics=self.metrics, events=self.events)

    async def hear(self, model: Model, say: Say) -> Mapping[str, object]:
        generation = model.spec.options["generation"]
        assert isinstance(generation, int)
        self.heard.append(generation)
        if generation in self.deaf_to:
            raise MuteError("It made silence.")
        return {"lines": 1}

    async def admit(self, model: Model) -> None:
        self.admitted.append(model.spec.version)

    async def swap(self, wanted: WorkerSpec) -> Operation:
        async with asyncio.timeout(60):
            return await self.reloader.reload("models", who="api", wish=wanted)

    async def speak(self, order: SpeechOrder = HELLO) -> set[int]:
        """Return of which generations what is heard is."""
        heard: set[int] = set()
        async with asyncio.timeout(60), self.synthesizer.speak(order) as speech:
            async for chunk in speech:
                frames = (chunk.samples * 32768).round().astype(int).reshape(-1, 4)
                heard |= set(frames[:, 2].tolist())
        assert speech.complete
        return heard

    @property
    def model(self) -> Model:
        return self.pool.default

    def pid(self) -> int:
        assert self.model.worker is not None
        assert self.model.worker.pid is not None
        return self.model.worker.pid


@asynccontextmanager
async def living() -> AsyncIterator[House]:
    """Have a house whose model speaks, and leave no process behind."""
    house = House()
    try:
        await house.model.ready()
        yield house
    finally:
        await house.reloader.close()
        await house.pool.close()
