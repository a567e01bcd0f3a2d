"""A graphics card for tests, the models on it and their neighbors, and a clock that is turned."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon.config import load_settings
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.gpu import GpuProcess, GpuUsage
from indextts_daemon.metrics import Metrics
from indextts_daemon.service import sharing as sharing_module
from indextts_daemon.service.card import Card
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.generation import Generation, Generations
from indextts_daemon.service.operations import Operation, Operations
from indextts_daemon.service.pause import PauseBook
from indextts_daemon.service.residency import Residency
from indextts_daemon.service.sharing import Sharing
from indextts_daemon.worker.handle import WorkerSpec, WorkerState

GIB = 2**30
CORE = 5  # the pid of the desktop
DRAIN_S = 60.0


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def time(self) -> float:
        """Return it as Unix time."""
        return self.now

    async def sleep(self, for_s: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + for_s, future))
        await future

    async def pass_by(self, for_s: float) -> None:
        self.now += for_s
        for sleeper in [one for one in self._sleepers if one[0] <= self.now]:
            self._sleepers.remove(sleeper)
            if not sleeper[1].done():
                sleeper[1].set_result(None)
        await settle()


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


@dataclass(eq=False)
class Guest:
    """A model that comes and goes, and notes when it was sent away in the middle of a word."""

    clock: Clock
    spec: WorkerSpec
    allowed: Callable[["Guest"], bool] = lambda _: True
    state: WorkerState = WorkerState.ready
    memory_bytes: int | None = 6 * GIB
    last_used_at: float = 0.0
    fails: str = ""  # how a load ends
    stuck: bool = False  # it cannot be unloaded
    metrics: Metrics = field(default_factory=Metrics)
    wronged: list[str] = field(default_factory=list)
    unloads: int = 0
    loads: int = 0
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)
    _here: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._quiet.set()

    @property
    def id(self) -> str:
        return self.spec.model

    @property
    def busy(self) -> bool:
        return not self._quiet.is_set()

    @property
    def held_bytes(self) -> int:
        gone = {WorkerState.unloaded, WorkerState.failed}
        return 0 if self.state in gone or self.spec.engine == "embedded" else self.memory_bytes or 0

    def speak(self) -> None:
        self._quiet.clear()
        self.last_used_at = self.clock.now

    def finish(self) -> None:
        self._quiet.set()
        self.last_used_at = self.clock.now

    def keep(self) -> None:
        if self.state in {WorkerState.unloaded, WorkerState.failed}:
            if not self.allowed(self):
                self.wronged.append("it was loaded while paused")
            self.state, self.loads = WorkerState.loading, self.loads + 1

    def loaded(self) -> None:
        """Let a load that is under way come to its end."""
        if self.state is WorkerState.loading:
            self.state = WorkerState.failed if self.fails else WorkerState.ready
            self._here.set()

    async def ready(self, priority: str = "interactive") -> Any:
        self.keep()
        if self.state is not WorkerState.ready:
            self._here.clear()
            await self._here.wait()
        if self.state is not WorkerState.ready:
            raise EngineUnavailableError(self.fails or "It was sent away.")

    async def unload(
        self, *, timeout_s: float, reason: str | None = None, turn_away: bool = False
    ) -> None:
        if self.stuck:
            raise RuntimeError(self.id)
        if reason is not None:
            self.metrics.evicted(reason)
        begun = self.clock.now
        quiet = asyncio.create_task(self._quiet.wait())
        late = asyncio.create_task(self.clock.sleep(timeout_s))
        try:
            await asyncio.wait({quiet, late}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (quiet, late):
                task.cancel()
        if self.busy and self.clock.now - begun < DRAIN_S:
            self.wronged.append("it was unloaded in the middle of a word")
        self._quiet.set()
        self.state, self.unloads = WorkerState.unloaded, self.unloads + 1
        self._here.set()


@dataclass
class Screen:
    """The card: what it has, and who of others holds how much of it."""

    total_gib: float = 16.0
    others: dict[int, float] = field(default_factory=lambda: {CORE: 0.8})  # GiB by pid
    load: float | None = 0.0
    tells: bool = True  # who holds what
    dead: bool = False  # the driver


@dataclass
class House:
    """All rooms around the card."""

    clock: Clock
    screen: Screen
    guests: dict[str, Guest]
    generations: Generations
    operations: Operations
    events: list[tuple[str, dict[str, object]]]
    metrics: Metrics
    sharing: Sharing

    @property
    def residency(self) -> Residency:
        return self.sharing.residency

    @property
    def model(self) -> Guest:
        return self.guests["indextts-2"]

    @property
    def told(self) -> list[object]:
        """What was told about pauses: who, or None for their end."""
        return [
            data["paused"] and data["paused"]["who"]  # type: ignore[index]
            for name, data in self.events
            if name == "paused"
        ]

    def figure(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"indextts_{name}", labels)

    def set(self, **flags: Any) -> None:
        """Change settings, as a reload does."""
        settings = settings_of(flags)
        self.generations.commit(lambda now: replace(now, settings=settings))

    async def ticks(self, count: int = 1) -> None:
        """Let seconds pass, each with a look around; loads end within one."""
        for _ in range(count):
            await self.clock.pass_by(1.0)
            await self.sharing.tick(self.clock.now)
            await settle()
            for guest in self.guests.values():
                guest.loaded()
            await settle()

    async def done(self, operation: Operation) -> Operation:
        async with asyncio.timeout(10):
            return await self.sharing.done(operation)


def settings_of(flags: dict[str, Any]) -> Any:
    flags = {name.replace("__", "."): value for name, value in flags.items()}
    return load_settings(file=None, environment={}, flags=flags)


def make_house(
    monkeypatch: pytest.MonkeyPatch,
    *,
    file: Path | None = None,
    models: tuple[str, ...] = ("indextts-2", "embedded"),
    clock: Clock | None = None,
    screen: Screen | None = None,
    **flags: Any,
) -> House:
    """Furnish a house whose default is the first model; flags have `__` where settings have `.`."""
    clock, screen = clock or Clock(), screen or Screen()
    monkeypatch.setattr(sharing_module, "time", clock)
    metrics, bus = Metrics(), EventBus()
    events: list[tuple[str, dict[str, object]]] = []
    publish = bus.publish

    def told(name: str, **data: object) -> None:
        events.append((name, data))
        publish(name, **data)

    monkeypatch.setattr(bus, "publish", told)
    guests = {
        id_: Guest(
            clock,
            WorkerSpec(model=id_, engine="embedded" if id_ == "embedded" else "indextts"),
            last_used_at=clock.now,
        )
        for id_ in models
    }

    def look(failed: Callable[[], object]) -> GpuUsage | None:
        if screen.dead:
            failed()
            return None
        ours = sum(guest.held_bytes for guest in guests.values())
        used = ours + int(sum(screen.others.values()) * GIB)
        return GpuUsage(
            total_bytes=int(screen.total_gib * GIB),
            free_bytes=max(0, int(screen.total_gib * GIB) - used),
            ours_bytes=ours if screen.tells else None,
            foreign=tuple(
                GpuProcess(pid=pid, memory_bytes=int(gib * GIB), graphics=True)
                for pid, gib in screen.others.items()
            )
            if screen.tells
            else None,
            load=screen.load,
        )

    shown: Any = guests
    generations = Generations(
        Generation(settings=settings_of(flags), models=shown, default=models[0])
    )
    operations, card = Operations(bus), Card(metrics, look)
    residency = Residency(generations, operations)
    book = PauseBook(bus, metrics, file)
    sharing = Sharing(generations, operations, residency, book, card)
    for guest in guests.values():
        guest.allowed = sharing.may_use_gpu
        guest.metrics = metrics
    return House(
        clock=clock,
        screen=screen,
        guests=guests,
        generations=generations,
        operations=operations,
        events=events,
        metrics=metrics,
        sharing=sharing,
    )
