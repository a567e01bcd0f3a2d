"""The power fails at any step of any write: the daemon starts again with what was good, and speaks.

What a disk forgets of what was not synced cannot be seen from here; so it is also held that all is
synced before it gets its name, and the name after.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
import random
import shutil

import pytest

from indextts_daemon.service.placing import WAITING
from indextts_daemon.storage import UNFINISHED
from tests.daemon import power_cut
from tests.daemon.house import House, furnish, taken
from tests.daemon.test_promise_kills import Measured, measured
from tests.daemon.told import BROKEN, FIRST, Told, lexicon, moods, settings

IN_SHORT = 5
CUT = 9  # how the process ends then
SCRIPT: tuple[tuple[str, object], ...] = (
    ("config", 1),
    ("moods", 1),
    ("lexicon", 1),
    ("models", "other"),
    ("pause", True),
    ("pause", False),
    ("pair", True),
    ("voices", True),
    ("config", 2),
    ("lexicon", 2),
    ("voices", False),
    ("models", "main"),
)
__all__ = ["measured"]


@dataclass(frozen=True, slots=True)
class Step:
    """One call by which files change."""

    name: str
    kind: str  # file or folder
    place: str  # in the data folder
    source: str  # of what is moved there


def cut_house(data_dir: Path, step: int) -> House:
    launcher = (power_cut.__file__, str(data_dir), str(step), str(notes_of(data_dir)))
    return House(data_dir, *launcher)


def notes_of(data_dir: Path) -> Path:
    return data_dir.with_name(f"{data_dir.name}.steps")


def steps_of(data_dir: Path) -> list[Step]:
    lines = notes_of(data_dir).read_text().splitlines()
    return [Step(*line.split("\t")) for line in lines]


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a house that is new."""
    data_dir = tmp_path_factory.mktemp("power") / "data"
    furnish(data_dir, config=settings(0), moods=moods(0), lexicon=lexicon(0))
    return data_dir


@pytest.fixture(scope="module")
def steps(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    """Return every step of a whole life that nothing cuts off."""
    data_dir = tmp_path_factory.mktemp("whole") / "data"
    shutil.copytree(furnished, data_dir)
    told = Told()
    with cut_house(data_dir, 0) as house:
        asyncio.run(live(house, told))
        assert house.stop() == 0
    assert told.asked == {}
    assert told.acknowledged == FIRST | {k: v for k, v in SCRIPT if k in FIRST}
    return steps_of(data_dir)


async def live(house: House, told: Told) -> None:
    """Change all there is, one after the other, and hear it."""
    async with house.session() as session:
        for subject, value in SCRIPT:
            if subject == "pair":
                code = (await taken(session, "POST", "/v1/pair/code"))["code"]
                await taken(session, "POST", "/v1/pair", json={"code": code, "name": "a test"})
            else:
                assert await told.tell(session, subject, value=value), subject
        await told.assert_speaks(session)
        while (await taken(session, "GET", "/v1/status"))["revision"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # kept from the moment on that it is told


async def cut_at(data_dir: Path, step: int) -> bool:
    """Cut the power before one step, and start again; return whether it came to that step."""
    told = Told()
    with ExitStack() as stack:
        house = cut_house(data_dir, step)
        try:
            stack.enter_context(house)
        except AssertionError:  # it did not come as far as to speak
            assert house.process.returncode == CUT, house.log
        else:
            with suppress(*BROKEN):
                await live(house, told)
                house.process.terminate()
        if house.process.wait(30) != CUT:
            return False
    with House(data_dir) as again:
        async with again.session() as session:
            await told.assert_kept(session)
            await told.assert_speaks(session)
        assert "Traceback" not in again.log
        assert again.stop() == 0
    return True


async def cut_all(furnished: Path, folder: Path, steps: Sequence[int]) -> int:
    """Cut at each of these steps; return how many of them were come to."""
    number = 0
    for step in steps:
        data_dir = folder / f"{step}" / "data"
        shutil.copytree(furnished, data_dir)
        try:
            number += await cut_at(data_dir, step)
        except AssertionError as err:
            raise AssertionError(
                f"cut before step {step}, after {steps_of(data_dir)[-1:]}"
            ) from err
        shutil.rmtree(data_dir.parent)
    return number


async def test_wherever_the_power_fails_it_starts_again_with_what_was_good(
    furnished: Path, steps: list[Step], tmp_path: Path, measured: Measured
) -> None:
    """At a dozen steps, of all parts of a life; the long form fails at each."""
    seed = random.randrange(1 << 32)  # noqa: S311 it is told
    measured("seed", seed)
    measured("steps", len(steps))
    chance, part = random.Random(seed), len(steps) / IN_SHORT  # noqa: S311
    chosen = [1 + int(part * (place + chance.random())) for place in range(IN_SHORT)]
    measured("cuts", await cut_all(furnished, tmp_path, chosen))


@pytest.mark.long
async def test_at_no_step_does_a_power_cut_lose_what_was_good(
    furnished: Path, steps: list[Step], tmp_path: Path, measured: Measured
) -> None:
    measured("steps", len(steps))
    measured("cuts", await cut_all(furnished, tmp_path, range(1, len(steps) + 1)))


def test_each_write_is_on_the_disk_before_its_name_and_the_name_soon_after(
    steps: list[Step],
) -> None:
    written = {
        "settings.yaml",
        "moods.yaml",
        "lexicon.yaml",
        "token",
        "instance.json",
        *(f"state/{name}.json" for name in ("models", "paused", "operations", "revision")),
        "state/identity.json",
        "state/paired",
    }
    named = [number for number, step in enumerate(steps) if step.name in {"replace", "rename"}]
    assert {steps[number].place for number in named} >= written
    for number in named:
        step = steps[number]
        if step.source.endswith(UNFINISHED):
            own = [one.name for one in steps[:number] if step.source.endswith(f"/{one.place}")]
            assert own[:1] == ["open"], step
            assert own[-1] == "fsync", step
            assert "write" in own, step
        if WAITING in Path(step.place).parts:
            continue  # it lies aside until the journal is done with it
        folder = str(Path(step.place).parent)
        assert any(
            (one.name, one.kind, one.place) == ("fsync", "folder", folder)
            for one in steps[number + 1 :]
        ), step


def test_nothing_is_ever_written_in_place(steps: list[Step]) -> None:
    for step in steps:
        if step.name in {"write", "write on", "truncate", "ftruncate"}:
            assert step.place.endswith(UNFINISHED), step
        if step.name == "open":
            assert step.place.endswith((UNFINISHED, ".lock")), step
