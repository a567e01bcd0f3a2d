"""Versions on the disk: which there are, which may be loaded, and what was chosen outlives us."""

import asyncio
from collections.abc import Callable
import json
import os
from pathlib import Path
import time
from typing import Any

import pytest

from indextts_daemon.checkpoints.layout import LayoutError
from indextts_daemon.config import load_settings
from indextts_daemon.service import versions as room
from indextts_daemon.service.activation import MAIN, Activation
from indextts_daemon.service.versions import (
    FAKE_FILE,
    Standing,
    VersionIncompleteError,
    VersionNotFoundError,
    Versions,
)
from tests.daemon.rooms import shut

SETTINGS = load_settings(file=None, environment={}, flags={"engine": "fake"})


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def fake(shelf: Path, name: str, content: str = "generation: 1") -> Path:
    folder = shelf / name
    folder.mkdir()
    (folder / FAKE_FILE).write_text(content)
    return folder


def names(versions: Versions, model: str = "kitchen") -> list[str]:
    return [version.name for version in versions.of(model)]


def test_the_folder_without_a_dot_is_main_and_comes_first(shelf: Path) -> None:
    for name in ("kitchen.a", "kitchen", "kitchen.b", "cellar.a"):
        fake(shelf, name)
    assert names(Versions(shelf)) == [MAIN, "a", "b"]
    assert Versions(shelf).models() == ("cellar", "kitchen")


@pytest.mark.parametrize(
    "name",
    ["kitchen.", ".kitchen", "kitchen.A", "kitchen.a.b", "Kitchen", "kitchen.main", ".a", "x y"],
)
def test_what_is_called_otherwise_is_no_version(shelf: Path, name: str) -> None:
    fake(shelf, name)
    assert Versions(shelf).models() == ()
    assert names(Versions(shelf)) == []


def test_a_file_is_no_version_and_no_folder_means_no_versions(shelf: Path) -> None:
    (shelf / "kitchen").write_text("")
    assert names(Versions(shelf)) == []
    assert names(Versions(shelf / "missing")) == []


def test_a_fake_version_is_known_by_its_options(shelf: Path) -> None:
    for name, content in {"kitchen": "generation: 1", "kitchen.b": "generation: 2"}.items():
        fake(shelf, name, content)
    main, other = Versions(shelf).of("kitchen")
    assert (main.engine, main.trouble) == ("fake", "")
    assert main.revision
    assert main.revision != other.revision
    (shelf / "kitchen" / FAKE_FILE).write_text("generation: 2")
    assert Versions(shelf).of("kitchen")[0].revision == other.revision


@pytest.mark.parametrize("content", ["", "# nothing yet", "5", "[", "- 1", "a: &a [*a", "\x00"])
def test_a_fake_version_that_is_not_whole_cannot_be_loaded(shelf: Path, content: str) -> None:
    fake(shelf, "kitchen.b", content)
    versions = Versions(shelf)
    [found] = versions.of("kitchen")
    assert found.trouble
    assert versions.standing(found, SETTINGS) == (Standing.failed, found.trouble)
    with pytest.raises(VersionIncompleteError):
        versions.find("kitchen", "b")


def test_a_link_out_of_the_folder_is_not_followed(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("generation: 1")
    folder = shelf / "kitchen"
    folder.mkdir()
    (folder / FAKE_FILE).symlink_to(tmp_path / "secret.yaml")
    (shelf / "cellar").mkdir()
    (shelf / "cellar" / FAKE_FILE).symlink_to("nowhere")
    for model in ("kitchen", "cellar"):
        [found] = Versions(shelf).of(model)
        assert found.trouble
        assert not found.revision


def test_a_version_that_is_flipped_by_a_link_is_another_one(shelf: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / FAKE_FILE).write_text(f"generation: {len(name)}\nload: {name}")
    (shelf / "kitchen").symlink_to(tmp_path / "one")
    first = Versions(shelf).find("kitchen", MAIN)
    (shelf / "new").symlink_to(tmp_path / "two")
    (shelf / "new").rename(shelf / "kitchen")
    assert Versions(shelf).find("kitchen", MAIN).revision != first.revision


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_version_that_cannot_be_read_is_told_and_not_raised(
    shelf: Path, make: Callable[[Path], None]
) -> None:
    (shelf / "kitchen").mkdir()
    make(shelf / "kitchen" / FAKE_FILE)
    [found] = Versions(shelf).of("kitchen")
    assert "cannot be read" in found.trouble


def test_an_empty_folder_says_how_a_model_comes_into_it(shelf: Path) -> None:
    (shelf / "indextts-2-5").mkdir()
    [found] = Versions(shelf).of("indextts-2-5")
    assert found.engine == "indextts"
    assert "models download" in found.trouble


class Published:
    """What stands in for a model as it was published: nothing in it is written last."""

    converted = False


@pytest.fixture
def published(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put two versions on the shelf that come as they were published, and are just here."""
    for name in ("big", "big.b"):
        (shelf / name / "official").mkdir(parents=True)
        (shelf / name / "official/gpt.pth").write_bytes(b"1")
    monkeypatch.setattr(room, "find", lambda _: Published())
    monkeypatch.setattr(room, "revision_of", lambda _: "weights")
    return shelf


@pytest.mark.parametrize(("name", "rests"), [(MAIN, False), ("b", False), ("b", True)])
def test_published_files_are_only_chosen_once_nothing_changes_any_more(
    published: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, rests: bool
) -> None:
    now = time.time() + (room.SETTLE_S + 1 if rests else 0)
    monkeypatch.setattr(room.time, "time", lambda: now)
    if name == "b" and not rests:
        with pytest.raises(VersionIncompleteError, match="may not all be here yet"):
            Versions(published).find("big", name)
    else:
        assert Versions(published).find("big", name).revision == "weights"


def test_published_files_are_followed_as_soon_as_the_watch_tells_of_them(published: Path) -> None:
    """It has waited until they were at rest, and tells only once."""
    told = [(found.name, found.revision, found.trouble) for found in Versions(published).of("big")]
    assert told == [(MAIN, "weights", ""), ("b", "weights", "")]


def test_an_old_date_does_not_make_a_file_that_has_just_come_old(published: Path) -> None:
    for path in (published / "big.b", *(published / "big.b").rglob("*")):
        os.utime(path, (0, 0))
    with pytest.raises(VersionIncompleteError, match="may not all be here yet"):
        Versions(published).find("big", "b")


def test_what_is_wrong_with_a_checkpoint_is_its_trouble(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(_: Path) -> None:
        raise LayoutError("The converted model lacks gpt.safetensors: convert it again.")

    (shelf / "big").mkdir()
    monkeypatch.setattr(room, "find", find)
    [found] = Versions(shelf).of("big")
    assert "lacks gpt.safetensors" in found.trouble


def test_only_a_version_that_is_there_is_found(shelf: Path) -> None:
    fake(shelf, "kitchen")
    versions = Versions(shelf)
    assert versions.find("kitchen", MAIN).folder == shelf / "kitchen"
    for model, version in (("kitchen", "b"), ("cellar", MAIN), ("kitchen", "../../x")):
        with pytest.raises(VersionNotFoundError) as caught:
            versions.find(model, version)
        assert ".." not in caught.value.message


def test_each_version_has_one_standing(shelf: Path) -> None:
    for name in ("kitchen", "kitchen.b", "kitchen.c", "kitchen.d"):
        fake(shelf, name)
    versions = Versions(shelf)
    failed = versions.find("kitchen", "d")
    versions.activation = (
        Activation()
        .under(SETTINGS)
        .activate("kitchen", "b")
        .activate("kitchen", "c")
        .fail("kitchen", "d", revision=failed.revision, reason="It was silent.")
    )
    assert {found.name: versions.standing(found, SETTINGS) for found in versions.of("kitchen")} == {
        MAIN: (Standing.candidate, ""),
        "b": (Standing.previous, ""),
        "c": (Standing.active, ""),
        "d": (Standing.failed, "It was silent."),
    }
    (shelf / "kitchen.d" / FAKE_FILE).write_text("generation: 5")
    assert versions.standing(versions.find("kitchen", "d"), SETTINGS) == (Standing.candidate, "")


def test_what_was_chosen_under_other_settings_is_not_told_as_active(shelf: Path) -> None:
    for name in ("kitchen", "kitchen.b"):
        fake(shelf, name)
    versions = Versions(shelf)
    versions.activation = Activation().under(SETTINGS).activate("kitchen", "b")
    edited = load_settings(file=None, environment={}, flags={"engine": "embedded"})
    assert {found.name: versions.standing(found, edited) for found in versions.of("kitchen")} == {
        MAIN: (Standing.active, ""),
        "b": (Standing.candidate, ""),
    }


def test_what_was_chosen_outlives_the_daemon(shelf: Path, tmp_path: Path) -> None:
    file = tmp_path / "state" / "models.json"
    chosen = (
        Activation(settings=("fake", "/data/x"))
        .activate("kitchen", "b")
        .activate("cellar")
        .fail("kitchen", "c", revision="1", reason="It was silent.")
    )
    asyncio.run(Versions(shelf, file).choose(chosen))
    assert Versions(shelf, file).activation == chosen


def kept(**broken: Any) -> bytes:
    whole = {"default": "", "active": {}, "before": {}, "failed": {}, "settings": ["fake", ""]}
    return json.dumps(whole | broken).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        kept(default=5),
        kept(active={"a": 5}),
        kept(active=[]),
        kept(before={"a": "main"}),
        kept(before={"a": {"default": ""}}),
        kept(failed={"a": {"revision": "1", "reason": None}}),
        kept(settings=["fake"]),
    ],
    ids=lambda content: content[:40].decode(errors="replace"),
)
def test_a_damaged_choice_leaves_the_settings_to_count(
    shelf: Path, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "models.json"
    file.write_bytes(content)
    assert Versions(shelf, file).activation == Activation()
    assert "the settings count" in caplog.text
    assert str(tmp_path) not in caplog.text


def test_a_choice_that_cannot_be_written_counts_until_the_end(shelf: Path, tmp_path: Path) -> None:
    file = tmp_path / "state" / "models.json"
    file.parent.mkdir()
    versions, chosen = Versions(shelf, file), Activation().activate("kitchen", "b")
    with shut(file.parent), pytest.raises(OSError, match="denied"):
        asyncio.run(versions.choose(chosen))
    assert versions.activation == chosen


def test_a_folder_that_cannot_be_read_for_a_moment_has_lost_no_model(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for name in ("fake", "fake.b"):
        (folder / name).mkdir(parents=True)
        (folder / name / FAKE_FILE).write_text("generation: 1")
    versions = Versions(folder)
    assert [one.trouble for one in versions.of("fake")] == ["", ""]
    with shut(folder):
        troubles = [one.trouble for one in versions.of("fake")]
        assert all("cannot be read" in trouble for trouble in troubles)
        assert len(troubles) == 2
    assert [one.trouble for one in versions.of("fake")] == ["", ""]
    folder.rename(tmp_path / "away")
    assert versions.models() == ()
