"""Weights are used only if they are the pinned ones."""

import hashlib
from pathlib import Path

import pytest

from indextts_daemon.engines.packaged import checked, revision_of
from indextts_daemon.errors import EngineUnavailableError

DIGEST = hashlib.sha256(b"weights").hexdigest()


def test_the_bytes_that_were_checked_are_returned(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"weights")
    assert checked(tmp_path, {"a.bin": DIGEST}) == {"a.bin": b"weights"}


def test_a_changed_file_is_refused_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"Weights")
    with pytest.raises(EngineUnavailableError) as refusal:
        checked(tmp_path, {"a.bin": DIGEST})
    assert "a.bin" in refusal.value.message
    assert str(tmp_path) not in refusal.value.message


def test_a_missing_file_is_refused_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError) as refusal:
        checked(tmp_path, {"a.bin": DIGEST})
    assert refusal.value.message == "a.bin cannot be read: No such file or directory."


def test_the_revision_follows_every_file() -> None:
    assert revision_of({"a": "1", "b": "2"}) == revision_of({"b": "2", "a": "1"})
    assert revision_of({"a": "1", "b": "2"}) != revision_of({"a": "1", "b": "3"})
