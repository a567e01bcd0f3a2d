"""What must stay true of the committed files themselves."""

import hashlib
import json
from pathlib import Path
import re
import subprocess
import tomllib

from packaging.requirements import Requirement
from packaging.version import Version
import pytest

ROOT = Path(__file__).parent.parent.parent
LOCKS = ["constraints.txt", "constraints-ha.txt", "constraints-hass.txt"]
PIN = re.compile(r"([a-z0-9-]+)==([^\s;]+)(?: ; .+)?")
APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
SOUND = {".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav", ".webm"}
# In two parts, so that this file does not name what it forbids.
PLACES = re.compile(
    "|".join(["pypi" + r"\.org", "python" + "hosted", "/" + "work/", "/" + "root/", "/" + "home/"])
)


def committed() -> dict[str, str]:
    listing = subprocess.run(
        ["git", "ls-files", "--stage"],  # noqa: S607
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.splitlines()
    return {path: mode for mode, _, _, path in (line.split(maxsplit=3) for line in listing)}


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    matches = [PIN.fullmatch(line) for line in lines]
    assert all(matches), [line for line in lines if not PIN.fullmatch(line)]
    return {match[1]: match[2] for match in matches if match}


def requirements() -> list[Requirement]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lists = [
        pyproject["project"]["dependencies"],
        *pyproject["project"].get("optional-dependencies", {}).values(),
        *pyproject["dependency-groups"].values(),
    ]
    return [Requirement(line) for lines in lists for line in lines]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_pins_and_nothing_else(name: str) -> None:
    assert pins(name)


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    pinned = pins("constraints.txt")
    for wanted in requirements():
        assert wanted.specifier.contains(pinned[wanted.name.lower().replace("_", "-")]), wanted


def test_the_oldest_home_assistant_promised_is_the_one_tested() -> None:
    promised = json.loads((ROOT / "hacs.json").read_text("utf-8"))["homeassistant"]
    oldest = Version(pins("constraints-ha.txt")["homeassistant"])
    assert oldest.release[:2] == Version(promised).release[:2]
    assert oldest < Version(pins("constraints-hass.txt")["homeassistant"])


def test_no_file_names_a_package_index_or_a_place_on_somebodys_machine() -> None:
    named = {
        path: found[0]
        for path in committed()
        if (found := PLACES.search((ROOT / path).read_bytes().decode("utf-8", "replace")))
    }
    assert not named


def test_a_file_is_executable_exactly_when_it_names_its_interpreter() -> None:
    wrong = [
        path
        for path, mode in committed().items()
        if (mode == "100755") != (ROOT / path).read_bytes().startswith(b"#!")
    ]
    assert not wrong


def test_no_recording_is_committed() -> None:
    assert not [path for path in committed() if Path(path).suffix.lower() in SOUND]


def test_the_licence_is_apache_2_0_to_the_letter() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0


def test_ci_runs_the_command_that_the_readme_names() -> None:
    called = (ROOT / ".ci/run").read_text("utf-8").split()[-1]
    assert called == "scripts/test"
    assert f"All tests: `{called}`" in (ROOT / "README.md").read_text("utf-8")
