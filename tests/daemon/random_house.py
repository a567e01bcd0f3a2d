"""A house that is driven through random steps at once, with real workers, a card and a clock."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
import json
from pathlib import Path
import shutil
import time
from typing import Any

import pytest
import yaml

from indextts_daemon import compose
from indextts_daemon.api.keys import Services
from indextts_daemon.config import Source, settings_history
from indextts_daemon.gpu import GpuProcess, GpuUsage
from indextts_daemon.identity import Identity, Pairing
from indextts_daemon.metrics import Metrics
from indextts_daemon.service.card import Card
from indextts_daemon.service.models import Model
from indextts_daemon.service.settings_file import SettingsFile
from indextts_daemon.service.token_scope import TokenScope
from indextts_daemon.service.versions import FAKE_FILE
from indextts_daemon.service.voices import VoiceStore
from indextts_daemon.worker.handle import WorkerState
from tests.daemon.recordings import RATE, encoded, heart

GIB = 2**30
GAME = 99  # its pid
ANNA = "anna"  # a voice of the household
PATIENCE_S = 30.0  # with anything: whatever takes longer is taken for a deadlock
NOTICED_S = 0.5  # after which a death is known to all
GOOD = {"main": 1, "b": 2, "slow": 3}  # versions that can speak, and their first number
VERSIONS: dict[str, dict[str, object]] = {
    "main": {},
    "b": {},
    "slow": {"load": "slow", "load_s": 0.3},
    "mute": {"sound": "silent"},
    "broken": {"load": "fail"},
}
TIGHT_GIB = 0.4  # for all models together, of which each takes some 0.25
SETTINGS: dict[str, Any] = {
    "engine": "fake",
    "models": {"max_hold_s": 5, "drain_timeout_s": 10, "probation_s": 5},
    "sharing": {"while_away": "refuse"},
    "worker": {"load_timeout_s": 20},
}


class Clock:
    """The time that the house goes by; hours can be skipped."""

    def __init__(self) -> None:
        self.skipped_s = 0.0

    def now(self) -> float:
        return time.monotonic() + self.skipped_s


@dataclass(frozen=True, slots=True)
class Voices:
    """A good recording, and what is derived from it, which takes a while."""

    recording: bytes
    heard: Path


async def heard_once(folder: Path) -> Voices:
    """Have a recording listened to, and return what comes of it."""
    recording = encoded(heart()[: 5 * RATE])
    (folder / "voices").mkdir()
    (folder / "voices" / f"{ANNA}.wav").write_bytes(recording)
    store = VoiceStore(folder / "voices", folder / "state")
    (voice,) = await store.fake_cast((), languages=("en",))
    assert voice.id == ANNA
    return Voices(recording=recording, heard=folder / "state")


@dataclass(slots=True)
class Folders:
    """What lies in the data folder, and what each version has been numbered so far."""

    data: Path
    numbers: dict[str, set[int]] = field(default_factory=dict)
    _last: int = 10

    def furnish(self, voices: "Voices", *, tight: bool) -> None:
        for version in VERSIONS:
            self.put(version, GOOD.get(version, 9))
        budget = {"memory_budget_gib": TIGHT_GIB if tight else None}
        settings = {**SETTINGS, "models": {**SETTINGS["models"], **budget}}
        (self.data / "settings.yaml").write_text(yaml.safe_dump(settings))
        (self.data / "moods.yaml").write_text("party: {emotion: {happy: 0.5}}\n")
        (self.data / "token").write_text("a-token-for-tests\n")
        (self.data / "voices").mkdir()
        shutil.copytree(voices.heard, self.data / "state" / "voices")

    def file(self, version: str) -> Path:
        name = "fake" if version == "main" else f"fake.{version}"
        return self.data / "models" / name / FAKE_FILE

    def renew(self, version: str) -> None:
        """Give a version another number."""
        self._last += 1
        self.put(version, self._last)

    def put(self, version: str, number: int) -> None:
        options = {"generation": number, "memory_mib": 200, "step_sleep_s": 0.002}
        self.numbers.setdefault(version, set()).add(number)
        self.write(version, json.dumps(options | VERSIONS[version]))

    def write(self, version: str, text: str) -> None:
        file = self.file(version)
        file.parent.mkdir(parents=True, exist_ok=True)
        put(file, text.encode())


def put(file: Path, content: bytes) -> None:
    """Replace a file as a careful editor does."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(file)


class House:
    """The daemon's rooms, and a look behind them."""

    def __init__(self, services: Services, folders: Folders, clock: Clock, voices: Voices) -> None:
        self.services = services
        self.voices = voices
        self.folders = folders
        self.clock = clock
        self.game = False  # somebody plays
        self.ticks = 0
        self.speaking = 0
        self.counted = Counter[str]()  # how orders ended
        self.told: list[dict[str, Any]] = []  # what the event loop had to complain about
        self._happened: list[tuple[float, str]] = []
        self._strangers = children_of_this_process()

    @property
    def voice_file(self) -> Path:
        return self.folders.data / "voices" / f"{ANNA}.wav"

    def note(self, what: str) -> None:
        """Remember that something happened that a request may suffer from."""
        self._happened.append((time.monotonic(), what))

    def troubles(self, since: float) -> set[str]:
        """Name what may be in the way of a request that came then, or was meanwhile."""
        services = self.services
        found = {what for at, what in self._happened if at >= since - NOTICED_S}
        wall = time.time() - (time.monotonic() - since)
        found |= {
            f"moving {one.scope}"
            for one in services.operations.listed()
            if one.ended_at is None or one.ended_at >= wall
        }
        if services.pool.default.state is not WorkerState.ready:
            found.add("down")
        if (pause := services.sharing.paused) is not None:
            found.add(pause.code)
        if services.pool.settings.models.memory_budget_gib is not None:
            found.add("tight")
        if "party" not in services.generations.current.moods:
            found.add("moods")
        bereft = services.pool.default.id == "embedded"  # after a version died, and none is before
        if bereft or ANNA not in services.pool.voices():
            found.add("voices")
        if services.synthesizer.draining:
            found.add("draining")
        if self.speaking >= services.pool.settings.queue.capacity:  # besides who was refused
            found.add("crowd")
        return found

    def worker_pids(self) -> set[int]:
        """Return all workers of this house that the kernel knows, whoever they belong to."""
        return children_of_this_process() - self._strangers

    def known_pids(self) -> set[int]:
        return {
            model.worker.pid
            for model in self.services.pool
            if model.worker is not None and model.worker.pid is not None
        }

    def look(self) -> GpuUsage:
        """Be the driver: the workers' memory counts as the card's."""
        held = [
            model.memory_bytes or 0
            for model in self.services.pool
            if model.state is WorkerState.ready and model.id != "embedded"
        ]
        others = int(15.8 * GIB) if self.game else GIB // 2
        players = [GpuProcess(pid=GAME, memory_bytes=others, graphics=True)] if self.game else []
        return GpuUsage(
            total_bytes=16 * GIB,
            free_bytes=max(0, 16 * GIB - others - sum(held)),
            ours_bytes=sum(held),
            foreign=tuple(players),
            load=0.9 if self.game else 0.0,
        )

    async def until(self, condition: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():  # noqa: ASYNC110 what is waited for tells nobody
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"it never came to it that {what}") from None

    def _comes(self, model: Model) -> bool:
        """Whether a model is still on its way; a default that failed is tried until it is there."""
        if model is self.services.pool.default:
            return model.state not in SETTLED
        return model.state not in {*SETTLED, WorkerState.failed}

    async def live(self) -> None:
        """Look around as the daemon does, only more often."""
        while True:
            await self.services.sharing.tick(self.clock.now())
            self.ticks += 1
            await asyncio.sleep(0.03)

    async def at_rest(self) -> None:
        """Wait until nobody does anything, and check that all is in order then."""
        services = self.services
        sharing, reloader = services.sharing, services.reloader

        def resting() -> bool:
            moving = reloader._tasks or sharing._moves or sharing.residency._tasks
            coming = [model for model in services.pool if self._comes(model)]
            alone = self.worker_pids() == self.known_pids()  # each model has one process at most
            return alone and not (moving or coming or services.pool._leaving)

        await self.until(resting, "all is at rest, and each process belongs to one model")
        gate = services.synthesizer._gate
        assert not gate._shut, "the gate stayed shut"
        assert not gate.waiting
        assert not [model.id for model in services.pool if model.held], "a model stayed held"
        assert not services.generations.newcomers, "somebody is about to come in for ever"
        assert not [model.id for model in services.pool if model.busy], "a queue stayed busy"
        if services.sharing.paused:
            there = [model.id for model in services.pool if model.worker is not None]
            assert set(there) <= {"embedded"}, "somebody stayed on the card"
        assert not services.generations._bindings, "somebody stayed bound"
        assert not [one for one in services.operations.listed() if one.ended_at is None]
        assert not [one for one in services.operations.listed() if one.code == "internal"]
        assert not self.told, self.told


SETTLED = frozenset({WorkerState.ready, WorkerState.unloaded})


def children_of_this_process() -> set[int]:
    """Return the children that run a worker; one that has ended and is not reaped counts too."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found |= set(map(int, (task / "children").read_text().split()))
    return found


@asynccontextmanager
async def random_house(data_dir: Path, voices: Voices, *, tight: bool) -> AsyncIterator[House]:
    """Open a house whose clock and card are ours; nothing of it is left afterwards.

    In a `tight` one a model can only take the place of another.
    """
    folders, clock = Folders(data_dir), Clock()
    folders.furnish(voices, tight=tight)
    house: House

    def card(metrics: Metrics) -> Card:
        return Card(metrics, lambda _: house.look())

    flags = {"discovery.enabled": False}
    source = Source(file=data_dir / "settings.yaml", flags=flags)
    identity = Identity(instance_id="0" * 32, token="a-token-for-tests")  # noqa: S106
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "Card", card)
        services = compose.build(
            source.load(),
            identity,
            Pairing(data_dir),
            data_dir=data_dir,
            settings_file=SettingsFile(source, settings_history(data_dir)),
        )
    services.reloader.add(TokenScope(identity, data_dir, given=None))
    house = House(services, folders, clock, voices)
    asyncio.get_running_loop().set_exception_handler(lambda _, told: house.told.append(told))
    living = asyncio.create_task(house.live(), name="live")
    try:
        yield house
    finally:
        living.cancel()
        await asyncio.wait({living})
        async with asyncio.timeout(PATIENCE_S):
            await services.reloader.close()
            await services.sharing.close()
            await services.pool.close()
        services.encoders.shutdown()
    assert living.cancelled(), living.exception()


def open_files() -> list[str]:
    """Name what is open."""
    found = []
    for file in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(file.readlink()))
    return sorted(found)
