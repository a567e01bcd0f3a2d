"""Kill -9 of any process at any moment: the house speaks again by itself, and has lost nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import os
from pathlib import Path
import random
import signal
import statistics
import time

import aiohttp
import pytest

from indextts_daemon.engines.fake import FRAME, SAMPLE_RATE
from indextts_daemon.engines.fake_options import FakeOptions
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.house import VERSIONS, House, Reports, children, furnish, taken
from tests.daemon.told import BROKEN, samples_of

CLIENTS = 3
WORDS = "I speak on and on, whoever may be killed."
NUM_FRAMES = round(len(WORDS) * FakeOptions().seconds_per_character * SAMPLE_RATE / FRAME)
NUM_SAMPLES = NUM_FRAMES * FRAME
STEP_S = 0.02  # that each tenth of a second of sound takes
UNNOTICED_S = 0.5  # that a kill may be older than an order which it costs its worker
AGAIN_S = 30.0  # until the next sentence is heard, at most
PLACES = ("idle", "speaking", "loading", "swapping")

Measured = Callable[[str, object], None]


def figures(found: list[float]) -> str:
    return f"median {statistics.median(found):.2f} s, worst {max(found):.2f} s"


@dataclass(slots=True, eq=False)
class First:
    """When something happened first."""

    at: float = 0.0

    def __call__(self) -> None:
        self.at = self.at or time.monotonic()


@dataclass(slots=True, eq=False)
class Traffic:
    """Clients that speak without pause while a worker is killed, and what became of each order."""

    session: aiohttp.ClientSession
    kills: list[float] = field(default_factory=list)  # when
    well_at: float = 0.0  # when the model itself was last heard to the end
    why: str = ""  # somebody was refused last
    ends: Counter[str] = field(default_factory=Counter)
    _live: int = 0
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Let the clients speak while inside, and wait for their last word."""
        self._flowing.set()
        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(self._speak_on(number))
            try:
                yield
            finally:
                self._flowing.clear()

    async def _speak_on(self, seed: int) -> None:
        while self._flowing.is_set():
            since = min(time.monotonic() - UNNOTICED_S, self.well_at)
            end = await self.say(seed=seed)
            kills = sum(at > since for at in self.kills)
            self.ends[f"{end} after {min(kills, 2)} kills"] += 1
            allowed = {0: {"whole", "plain"}, 1: {"whole", "plain", "broken off"}}
            assert end in allowed.get(kills, {*allowed[1], "refused"}), (end, kills, self.why)

    async def say(self, *, seed: int = 0, heard: Callable[[], None] = lambda: None) -> str:
        """Speak once, and return how that ended; `heard` is called at the first sound."""
        order = {"input": WORDS, "voice": "attic", "seed": seed, "response_format": "wav"}
        sound = b""
        async with self.session.post("/v1/audio/speech", json=order) as answer:
            if answer.status != 200:
                assert answer.status == 503, await answer.text()
                assert int(answer.headers["Retry-After"]) > 0
                self.why = (await answer.json())["error"]["message"]
                return "refused"
            model = answer.headers["X-IndexTTS-Model"]
            try:
                async for part in answer.content.iter_any():
                    sound += part
                    if len(sound) > 44:
                        heard()
            except BROKEN:
                assert len(sound) > 44  # else it would have been spoken by another process
                return "broken off"
        if model == "embedded":  # a plain voice is more than none
            return "plain"
        samples = samples_of(sound)
        assert len(samples) == NUM_SAMPLES  # nothing of it is missing
        self.well_at = time.monotonic()
        number = int(samples[2])
        assert number in VERSIONS.values()
        assert_spoken_by_fake(samples, [WORDS], tag=101, seed=seed, generation=number)
        return "whole"


@dataclass(slots=True, eq=False, kw_only=True)
class Killer:
    """Kills workers of a daemon at places of chance, and hears how soon it speaks again."""

    house: House
    traffic: Traffic
    reports: Reports
    chance: random.Random
    soon_s: list[float] = field(default_factory=list)  # until anything was heard
    itself_s: list[float] = field(default_factory=list)  # until it was the model itself
    struck_at: float = 0.0
    others: Counter[str] = field(default_factory=Counter)  # answers before that

    async def kill(self, place: str) -> None:
        """Kill at one place, and have the next sentence spoken."""
        if place == "idle":
            await asyncio.sleep(self.chance.uniform(0, 0.3))
            await self.strike()
            await self.heard_again()
            return
        since = len(self.reports.ended)
        async with self.traffic.flowing():
            await asyncio.sleep(self.chance.uniform(0.05, 0.8))
            if place == "swapping":
                await self.activate(wait=False)
                await asyncio.sleep(self.chance.uniform(0, 1.0))
            await self.strike()
            if place == "loading":
                await asyncio.sleep(self.chance.uniform(0, 0.6))
                await self.strike()
            await self.heard_again()
            if place == "swapping":
                await self.reports.next("models", "applied", "rejected", since=since)

    async def strike(self) -> None:
        """Kill one worker, the old or the new where there are two."""
        async with asyncio.timeout(AGAIN_S):
            while not (workers := children(self.house.process.pid)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        self.struck_at = time.monotonic()
        self.traffic.kills.append(self.struck_at)
        os.kill(self.chance.choice(workers), signal.SIGKILL)

    async def activate(self, *, wait: bool) -> None:
        """Go to the version that does not speak now."""
        models = (await taken(self.traffic.session, "GET", "/v1/models"))["data"]
        version = "other" if models[0]["version"] == "main" else "main"
        path = f"/v1/models/fake/activate{'?wait=true' if wait else ''}"
        await taken(self.traffic.session, "POST", path, json={"version": version})

    async def heard_again(self) -> None:
        """Ask for sentences, as a client does, until the model that was killed is heard."""
        any_s = -1.0
        async with asyncio.timeout(AGAIN_S):
            while (end := await self.traffic.say(heard=(first := First()))) != "whole":
                assert end in {"plain", "refused"}
                any_s = first.at - self.struck_at if end == "plain" and any_s < 0 else any_s
                self.others[end] += 1
                await asyncio.sleep(0.05)
        self.itself_s.append(first.at - self.struck_at)
        self.soon_s.append(first.at - self.struck_at if any_s < 0 else any_s)


async def kill_workers(data_dir: Path, rounds: int, measured: Measured) -> None:
    """Kill at every place in each round, of which each ends with a swap that nobody disturbs."""
    furnish(data_dir)
    options = {"generation": 1, "step_sleep_s": STEP_S}
    for version, number in VERSIONS.items():
        folder = data_dir / "models" / ("fake" if version == "main" else f"fake.{version}")
        text = "".join(
            f"{key}: {value}\n" for key, value in {**options, "generation": number}.items()
        )
        (folder / "fake.yaml").write_text(text)
    seed = random.randrange(1 << 32)  # noqa: S311 it is told
    measured("seed", seed)
    with House(data_dir) as house:
        async with house.session() as session, Reports.of(session) as reports:
            traffic = Traffic(session)
            killer = Killer(
                house=house,
                traffic=traffic,
                reports=reports,
                chance=random.Random(seed),  # noqa: S311
            )
            for _ in range(rounds):
                for place in killer.chance.sample(PLACES, len(PLACES)):
                    await killer.kill(place)
                await killer.activate(wait=True)
            await killer.heard_again()
            assert "Traceback" not in house.log
            measured("kills", len(traffic.kills))
            measured("the next sentence", figures(killer.soon_s))
            measured("the next one of the model itself", figures(killer.itself_s))
            measured("before that", dict(killer.others))
            measured("orders", dict(traffic.ends))
        assert house.stop() == 0


@pytest.fixture
def measured(record_property: Measured) -> Measured:
    def note(name: str, value: object) -> None:
        record_property(name, str(value))
        print(f"{name}: {value}")  # noqa: T201 shown with -s

    return note


async def test_whichever_worker_is_killed_the_next_sentence_is_spoken(
    tmp_path: Path, measured: Measured
) -> None:
    """Ten times; the long form does it a hundred times."""
    await kill_workers(tmp_path / "data", 2, measured)


@pytest.mark.long
async def test_a_hundred_killed_workers_are_replaced(tmp_path: Path, measured: Measured) -> None:
    await kill_workers(tmp_path / "data", 20, measured)
