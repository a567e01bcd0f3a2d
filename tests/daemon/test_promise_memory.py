"""Promise: models come and go for as long as the house stands, and nothing of them stays behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile

from indextts_daemon.service.versions import FAKE_FILE
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.rooms import is_running
from tests.daemon.running import RunningDaemon

KIB_PER_MIB = 1024
OWN = ("Pss_Anon:", "SwapPss:")  # of the lines in smaps_rollup
HELD_MIB = 64  # by each version, so that one that stays behind would show
MOST_MIB = 0.3  # per cycle
ONCE_MIB = 4.0  # a thread of a pool takes them when it works for the first time, whenever that is
WARM_UP = 10  # cycles, until caches and pools have their size
AT_REST_S = 20.0
LONG_TEXT = "The kettle is warm. " * 40  # is read in a thread
CYCLES = [8, pytest.param(50, marks=pytest.mark.long)]

Tell = Callable[[str, object], None]
Cycle = Callable[["House", int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the kernel says of a daemon's processes at one moment."""

    front_mib: float  # of memory that is its own
    tree_mib: float
    fds: int
    threads: int
    children: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, int, int]:
        """What must not become more."""
        return self.fds, self.threads, len(self.children)


def look(pid: int) -> Sight:
    """Read it from /proc; children that end meanwhile are none."""
    process = Path(f"/proc/{pid}")
    children = _children(process)
    front = _own_mib(process)
    return Sight(
        front_mib=front,
        tree_mib=front + sum(_own_mib(Path(f"/proc/{child}")) for child in children),
        fds=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        children=children,
    )


def _children(process: Path) -> tuple[int, ...]:
    """Return those that any of its threads started."""
    found: list[int] = []
    for task in (process / "task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found += map(int, (task / "children").read_text().split())
    return tuple(sorted(found))


def _own_mib(process: Path) -> float:
    """Return its own memory, swapped out or not; pages of files are shared with whoever runs."""
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(OWN)) / KIB_PER_MIB


def slope(values: list[float]) -> float:
    """Return by how much they grow from one to the next, by least squares."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0])


@dataclass(frozen=True, slots=True)
class House:
    """A daemon, and a client that speaks to it on one connection."""

    daemon: RunningDaemon
    session: aiohttp.ClientSession

    @property
    def pid(self) -> int:
        return self.daemon.process.pid

    async def post(self, path: str, body: Any = None) -> Any:
        async with self.session.post(path, json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def speak(self, generation: int) -> None:
        """Hear that this version speaks, each sample of it."""
        order = {"input": "Hello.", "voice": "fake-03", "response_format": "wav"}
        async with self.session.post("/v1/audio/speech", json=order) as response:
            assert response.status == 200, await response.text()
            samples, _ = soundfile.read(io.BytesIO(await response.read()), dtype="int16")
        assert_spoken_by_fake(samples, ["Hello."], tag=3, generation=generation)

    async def crowd(self) -> None:
        """Have as many at once as all pools of threads have threads for."""
        async with self.daemon.session() as session:

            async def one() -> None:
                order = {"input": LONG_TEXT, "speed": 2.0, "response_format": "pcm"}
                async with session.post("/v1/audio/speech", json=order) as response:
                    assert response.status == 200, await response.text()
                    await response.read()

            await asyncio.gather(*(one() for _ in range(12)))

    async def at_rest(self, before: Sight | None = None) -> Sight:
        """Look once one worker is left, and nothing is more than `before`, or time is over."""
        async with asyncio.timeout(AT_REST_S):
            while len((seen := look(self.pid)).children) != 1:  # noqa: ASYNC110 nothing tells
                await asyncio.sleep(0.05)
        deadline = asyncio.get_running_loop().time() + AT_REST_S / 4
        while before and any(
            now > then for now, then in zip(seen.counts, before.counts, strict=True)
        ):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.05)
            seen = look(self.pid)
        return seen


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    for name, generation in (("fake", 1), ("fake.b", 2)):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        options = {"generation": generation, "memory_mib": HELD_MIB}
        (folder / FAKE_FILE).write_text(json.dumps(options))
    with RunningDaemon(tmp_path) as daemon:
        async with daemon.session() as session:
            yield House(daemon, session)


async def unload_and_load(house: House, _: int) -> None:
    """Unload, see that the process is gone, and have it loaded by speaking."""
    worker = house.daemon.worker_pid()
    await house.post("/v1/models/fake/unload?wait=true")
    assert not is_running(worker)
    assert look(house.pid).children == ()
    await house.speak(1)


async def swap_side_by_side(house: House, number: int) -> None:
    """Change to the other version while this one stays loaded."""
    generation = 1 + number % 2
    body = {"version": ("main", "b")[number % 2]}
    done = (await house.post("/v1/models/fake/activate?wait=true", body))["operation"]
    assert (done["result"], done["details"]["mode"]) == ("applied", "side_by_side")
    await house.speak(generation)


@pytest.mark.parametrize("cycles", CYCLES)
@pytest.mark.parametrize("cycle", [unload_and_load, swap_side_by_side])
async def test_models_that_come_and_go_leave_nothing_behind(
    house: House, cycle: Cycle, cycles: int, record_property: Tell
) -> None:
    await house.crowd()
    for number in range(1, 1 + WARM_UP):
        await cycle(house, number)
    before = await house.at_rest()
    assert before.tree_mib > HELD_MIB  # a version that stayed would be seen
    seen = [before]
    for number in range(1 + WARM_UP, 1 + WARM_UP + cycles):
        await cycle(house, number)
        seen.append(await house.at_rest(before))
    last = seen[-1]
    front, tree = (
        slope([getattr(one, name) for one in seen]) for name in ("front_mib", "tree_mib")
    )
    record_property("front_mib", f"{before.front_mib:.1f} -> {last.front_mib:.1f}")
    record_property("front_mib_per_cycle", f"{front:.3f}")
    record_property("tree_mib", f"{before.tree_mib:.1f} -> {last.tree_mib:.1f}")
    record_property("tree_mib_per_cycle", f"{tree:.3f}")
    record_property("fds_threads_children", f"{before.counts} -> {last.counts}")
    assert front < MOST_MIB + ONCE_MIB / cycles
    assert tree < 2 * MOST_MIB + ONCE_MIB / cycles
    assert max(now - then for now, then in zip(last.counts, before.counts, strict=True)) <= 0
