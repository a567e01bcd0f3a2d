"""Promise: whatever is reloaded, spoken and killed at once, nothing hangs, mixes or stays behind.

A run is drawn by a seed. Hypothesis is not used: what happens hangs on how real processes are
scheduled, so the same steps need not fail twice, and it would call that flaky and shrink nothing.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
import gc
from pathlib import Path
import random
import threading
from typing import Any

import pytest

from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.service import models
from indextts_daemon.service.operations import Result
from indextts_daemon.service.routing import SpeechOrder
from indextts_daemon.service.versions import ModelsWish
from tests.daemon.random_house import (
    PATIENCE_S,
    House,
    Voices,
    children_of_this_process,
    heard_once,
    open_files,
    random_house,
)
from tests.daemon.random_steps import STEPS, Person

NUM_STEPS = 16
RESTS = 2  # in the course of a run: all that was begun is waited for
SHORT, LONG = 8, 1000  # runs
SEEDS = [
    pytest.param(seed, marks=[pytest.mark.long] if seed >= SHORT else []) for seed in range(LONG)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One step of a run, as its seed has drawn it."""

    what: str
    seed: int
    then_s: float | None  # how long until the next one; None until this one is done


def drawn(seed: int) -> list[Plan]:
    chance = random.Random(seed)  # noqa: S311 no secret
    names = chance.choices([*STEPS], [*STEPS.values()], k=NUM_STEPS)
    return [
        Plan(
            what=name,
            seed=chance.randrange(1 << 30),
            then_s=None if chance.random() < 0.25 else chance.choice([0, 0.01, 0.05, 0.2]),
        )
        for name in names
    ]


async def taken(house: House, plan: Plan) -> None:
    """Take a step; one that takes too long is a deadlock."""
    person = Person(house, random.Random(plan.seed))  # noqa: S311 no secret
    try:
        async with asyncio.timeout(PATIENCE_S):
            await getattr(person, plan.what)()
    except TimeoutError:
        raise AssertionError(f"{plan} did not end") from None


async def run(house: House, plans: list[Plan]) -> None:
    """Take all steps, many at once, and check the house after each."""
    number, under_way = 0, set[asyncio.Task[None]]()
    for place, plan in enumerate(plans, start=1):
        task = asyncio.create_task(taken(house, plan), name=plan.what)
        under_way.add(task)
        await asyncio.wait({task}, timeout=plan.then_s)
        now = house.services.generations.current.number
        assert now >= number, "generations went backwards"
        number = now
        for done in [task for task in under_way if task.done()]:
            under_way.discard(done)
            done.result()
        if place % (len(plans) // RESTS) == 0:
            await asyncio.gather(*under_way)
            under_way.clear()
            await house.at_rest()
            await taken(house, Plan(what="plain", seed=place, then_s=None))
    await house.services.sharing.resume(who="api")
    await house.at_rest()
    await taken(house, Plan(what="plain", seed=0, then_s=None))


async def drained(house: House) -> None:
    """Stop while somebody is spoken to: who came is heard to the end, who comes is refused."""
    plan = Plan(what="speak", seed=1, then_s=None)
    last = asyncio.create_task(taken(house, plan))
    await asyncio.sleep(0.02)
    synthesizer = house.services.synthesizer
    assert await synthesizer.drain(timeout_s=PATIENCE_S)
    await last
    with pytest.raises(EngineUnavailableError) as refusal:
        async with synthesizer.speak(SpeechOrder(text="Too late.")):
            pass
    assert refusal.value.error_code == "draining"


async def each_tried(house: House) -> None:
    """Have it known what two versions need: of what is not known, it is tried whether it fits."""
    for version in ("b", "main"):
        wish = ModelsWish(action="activate", model="fake", version=version)
        operation = await house.services.reloader.reload("models", who="api", wish=wish)
        assert operation.result is Result.applied
    assert operation.details["mode"] == "in_place"


async def story(seed: int, data_dir: Path, voices: Voices, counted: Counter[str]) -> int:
    """Live one run through, count how orders ended, and return how many tasks are left."""
    tight = seed % 2 == 1
    async with random_house(data_dir, voices, tight=tight) as house:
        await house.services.pool.default.ready()
        if tight:
            await each_tried(house)
        await run(house, drawn(seed))
        await drained(house)
        modes = [one.details.get("mode") for one in house.services.operations.listed()]
        counted.update(house.counted, **Counter(str(mode) for mode in modes if mode))
    await asyncio.sleep(0.05)
    return len(asyncio.all_tasks()) - 1


def left() -> Counter[str]:
    """Return what there is that a run may leave behind."""
    gc.collect()
    kinds = {"processes": len(children_of_this_process()), "threads": threading.active_count()}
    return Counter(open_files()) + Counter(kinds)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Voices:
    return asyncio.run(heard_once(tmp_path_factory.mktemp("voices")))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_comes_together_ends_well_and_leaves_nothing(
    seed: int, tmp_path: Path, voices: Voices, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    monkeypatch.setattr(models, "BACKOFF_S", (0.0, 0.0, 0.05, 0.1))
    before, counted = left(), Counter[str]()
    assert asyncio.run(story(seed, tmp_path, voices, counted)) == 0
    record_property("orders", ", ".join(f"{how} {n}" for how, n in counted.items()))
    assert not left() - before
