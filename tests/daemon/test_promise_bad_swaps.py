"""From a version that speaks to one that does not: the one before is heard, and the reason told."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

from tests.daemon.household import House, Household, Lost, living_in
from tests.daemon.ledger import Operation
from tests.daemon.reloads import put_in_place
from tests.daemon.spoken import Line, moods_document, version_options

PEOPLE = 4
GOOD = {"chunk_s": 0.4, "step_sleep_s": 0.02}
BAD = {  # what is wrong with a version, and what of the reason a person is told
    "no YAML at all": ("{generation: [", "cannot be read"),
    "no option of ours": ("{generation: 2, colour: red}", "colour"),
    "no number": ("generation: many", "generation"),
    "nothing": ("", "holds no options"),
    "it fails to load": (version_options(2, people=PEOPLE, load="fail"), "to fail"),
    "it dies while it loads": (version_options(2, people=PEOPLE, load="crash"), "exit code 70"),
    "it needs too much": (version_options(2, people=PEOPLE, load="oom"), "memory"),
    "it is silent": (version_options(2, people=PEOPLE, sound="silent"), "is silent"),
    "it never ends": (version_options(2, people=PEOPLE, sound="endless"), "too long"),
    "it is clipped": (version_options(2, people=PEOPLE, sound="clipped"), "is distorted"),
    "it is no sound": (version_options(2, people=PEOPLE, sound="nan"), "not audio"),
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Run a daemon that speaks with a good version."""
    settings = {"models": {"probation_s": 600}, "worker": {"step_timeout_s": 30}}
    house = House(tmp_path, settings)
    house.version("main", version_options(1, people=PEOPLE, **GOOD))
    put_in_place(tmp_path / "moods.yaml", moods_document(0))
    with house:
        yield house


def cli(house: House, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "indextts_daemon", *arguments]
    where = ["--data-dir", str(house.data_dir)]
    return subprocess.run([*command, *where], capture_output=True, text=True, check=False)


def assert_a_sentence(reason: str, *, holds: str) -> None:
    """Fail unless a person can read it: words and a full stop, no class, path or traceback."""
    assert holds in reason
    assert reason[0].isupper() or reason.startswith("fake.yaml ")
    assert reason.endswith(".")
    for foreign in ("Traceback", "Error(", "/", "<", "None"):
        assert foreign not in reason


async def status(home: Household) -> Any:
    return await home.ask("GET", "/v1/status")


async def versions(home: Household) -> dict[str, str]:
    listed = (await home.ask("GET", "/v1/models/fake/versions"))["versions"]
    return {one["version"]: one["state"] for one in listed}


async def model_operations(home: Household) -> list[Operation]:
    listed = (await home.ask("GET", "/v1/operations"))["operations"]
    return [one for one in listed if one["scope"] == "models"]


async def test_whatever_is_wrong_with_a_version_the_one_before_speaks_on(house: House) -> None:
    async with living_in(house) as home:
        home.move_in()
        async with home.talking(PEOPLE, seed=0):
            for number, (wrong, (options, told)) in enumerate(BAD.items()):
                name = f"bad-{number}"
                house.version(name, options)
                refused = await home.ask(
                    "POST",
                    "/v1/models/fake/activate",
                    507 if "memory" in told else 422,
                    params={"wait": "1"},
                    json={"version": name},
                )
                reason = refused["error"]["message"]
                assert_a_sentence(reason, holds=told)
                newest = next(o for o in await model_operations(home) if o["action"] == "activate")
                assert (newest["result"], newest["details"]["version"]) == ("rejected", name), wrong
                assert " ".join(error["message"] for error in newest["errors"]) == reason
                blamed = "memory" not in told  # of which there may be more tomorrow
                assert (await versions(home))[name] == ("failed" if blamed else "candidate")
                assert (await versions(home))["main"] == "active"
                said = await asyncio.to_thread(cli, house, "models", "activate", "fake", name)
                assert (said.returncode, said.stderr.strip()) == (1, reason.replace(". ", ".\n"))
            canary = (await status(home))["canary"]
            assert_a_sentence(canary["failed"], holds="not audio")
            assert (canary["model"], canary["version"]) == ("fake", name)
    assert not home.lost, home.lost[:3]
    assert not home.mixed, home.mixed[:3]
    assert home.answers > 3 * PEOPLE


async def test_a_version_that_dies_on_probation_gives_its_place_back(house: House) -> None:
    house.version("b", version_options(2, people=PEOPLE, dies_after=4, **GOOD))
    async with living_in(house) as home:
        home.move_in()
        activated = {"version": "b"}
        await home.ask("POST", "/v1/models/fake/activate", params={"wait": "1"}, json=activated)
        assert (await versions(home))["b"] == "active"
        line = Line(sentences=("Who is there?",), seat=1)
        async with asyncio.timeout(60):
            while (await versions(home))["main"] != "active":
                with suppress(Lost):  # it may die in the middle of an answer
                    await home.speak(line)
        back = next(one for one in await model_operations(home) if one["who"] == "probation")
        assert (back["action"], back["result"]) == ("rollback", "applied")
        assert_a_sentence(back["details"]["failed"], holds="soon after")
        assert_a_sentence((await status(home))["canary"]["failed"], holds="soon after")
        assert (await status(home))["canary"]["version"] == "b"
        said = await asyncio.to_thread(cli, house, "models", "versions", "fake")
        assert "main  active" in said.stdout
        assert "b     failed: It failed 3 times soon after it was promoted." in said.stdout
        listed = (await asyncio.to_thread(cli, house, "operations")).stdout
        assert "models rollback fake: applied (by probation)\n  It failed 3 times" in listed
        for seat in range(PEOPLE):
            line = Line(sentences=("Here I am again.", "All is well."), seat=seat)
            answer = await home.speak(line)
            line.check(answer, await home.ledger.of(answer.generation))


@pytest.mark.parametrize("sound", ["silent", "clipped"])
async def test_files_that_are_replaced_by_bad_ones_are_not_heard(house: House, sound: str) -> None:
    async with living_in(house) as home:
        home.move_in()
        house.version("main", version_options(2, people=PEOPLE, sound=sound))
        async with asyncio.timeout(30):
            while not (failed := (await status(home))["canary"]["failed"]):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert_a_sentence(failed, holds={"silent": "is silent", "clipped": "is distorted"}[sound])
        line = Line(sentences=("Still the same.",), seat=2)
        answer = await home.speak(line)
        line.check(answer, await home.ledger.of(answer.generation))
