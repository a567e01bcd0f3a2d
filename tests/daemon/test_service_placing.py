"""Exchanging a voice's files: all of them or none, whatever fails and whenever the power does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
import os
from pathlib import Path
import shutil
import tempfile
from typing import Any

import pytest

from indextts_daemon.service.placing import Placing, settle

OLD = {"anna.mp3": b"old sound", "anna.yaml": b"old words", "bob.wav": b"bob"}
NEW = {"anna.wav": b"new sound", "anna.yaml": b"new words", "bob.wav": b"bob"}
GONE = {"bob.wav": b"bob"}
STEPS = 80  # more than there are; a test says so

CALLS = [
    (Path, "rename"),
    (Path, "replace"),
    (Path, "unlink"),
    (os, "fsync"),
    (tempfile, "mkstemp"),
    (shutil, "rmtree"),
]


class PowerCut(BaseException):
    """Nothing runs after it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "voices"
    made.mkdir()
    for name, content in OLD.items():
        (made / name).write_bytes(content)
    return made


def exchange(folder: Path) -> Placing:
    put = {name: content for name, content in NEW.items() if name != "bob.wav"}
    return Placing(folder=folder, put=put, drop=("anna.mp3", "anna.yaml"))


def removal(folder: Path) -> Placing:
    return Placing(folder=folder, put={}, drop=("anna.mp3", "anna.yaml"))


def there(folder: Path) -> dict[str, bytes]:
    """Return what a reader sees, and fail if anything else is left."""
    assert not (folder / ".placing").exists()
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@contextmanager
def failing(error: BaseException, *, at: int, forever: bool) -> Iterator[list[int]]:
    """Let the system's nth step fail, and what follows it too if the power is gone."""
    steps = [0]
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in CALLS:
            patch.setattr(
                owner, name, counted(getattr(owner, name), steps, error, at=at, forever=forever)
            )
        yield steps


def counted(
    real: Callable[..., Any], steps: list[int], error: BaseException, *, at: int, forever: bool
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        steps[0] += 1
        if steps[0] == at or (forever and steps[0] > at):
            raise error
        return real(*args, **kwargs)

    return call


@pytest.mark.parametrize(("placing", "after"), [(exchange, NEW), (removal, GONE)])
def test_files_are_exchanged_and_can_be_put_back(
    folder: Path, placing: Callable[[Path], Placing], after: dict[str, bytes]
) -> None:
    one = placing(folder)
    one.begin()
    seen = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    assert seen == after
    one.put_back()
    assert there(folder) == OLD
    again = placing(folder)
    again.begin()
    again.keep()
    assert there(folder) == after


@pytest.mark.parametrize(("placing", "after"), [(exchange, NEW), (removal, GONE)])
@pytest.mark.parametrize("end", ["keep", "put_back"])
@pytest.mark.parametrize("at", range(1, STEPS))
def test_a_power_cut_at_any_step_leaves_all_of_the_files_or_none(
    folder: Path, placing: Callable[[Path], Placing], after: dict[str, bytes], end: str, at: int
) -> None:
    one = placing(folder)
    with failing(PowerCut(), at=at, forever=True), suppress(PowerCut):
        one.begin()
        getattr(one, end)()
    settle(folder)
    found = there(folder)
    assert found in (OLD, after)
    settle(folder)
    assert there(folder) == found


@pytest.mark.parametrize("at", range(1, STEPS, 3))
def test_a_power_cut_while_it_is_made_good_is_made_good_too(folder: Path, at: int) -> None:
    for cut in range(1, STEPS, 4):
        with failing(PowerCut(), at=at, forever=True), suppress(PowerCut):
            exchange(folder).begin()
            exchange(folder).keep()
        with failing(PowerCut(), at=cut, forever=True), suppress(PowerCut):
            settle(folder)
        settle(folder)
        assert there(folder) in (OLD, NEW)
        for name, content in OLD.items():
            (folder / name).write_bytes(content)
        (folder / "anna.wav").unlink(missing_ok=True)


@pytest.mark.parametrize("placing", [exchange, removal])
@pytest.mark.parametrize("at", range(1, STEPS))
def test_what_the_disk_refuses_changes_nothing(
    folder: Path, placing: Callable[[Path], Placing], at: int
) -> None:
    one = placing(folder)
    try:
        with failing(OSError(28, "No space left on device"), at=at, forever=False):
            one.begin()
    except OSError:
        assert there(folder) == OLD
    else:
        one.keep()


def test_these_are_all_steps(folder: Path) -> None:
    with failing(PowerCut(), at=STEPS, forever=True) as steps:
        one = exchange(folder)
        one.begin()
        one.put_back()
        one.begin()
        one.keep()
    assert 20 < steps[0] < STEPS


def test_a_link_is_put_back_as_a_link(folder: Path) -> None:
    (folder / "anna.mp3").unlink()
    (folder / "anna.mp3").symlink_to("bob.wav")
    one = exchange(folder)
    one.begin()
    one.put_back()
    assert (folder / "anna.mp3").is_symlink()


def test_the_first_voice_makes_the_folder(tmp_path: Path) -> None:
    one = Placing(folder=tmp_path / "voices", put={"anna.wav": b"sound"}, drop=())
    one.begin()
    one.keep()
    assert there(tmp_path / "voices") == {"anna.wav": b"sound"}


def test_where_nothing_waits_nothing_is_done(tmp_path: Path) -> None:
    settle(tmp_path)
    settle(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
