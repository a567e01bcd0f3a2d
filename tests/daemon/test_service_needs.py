"""What models took: by version and options, over a restart, guessed where it was never measured."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from indextts_daemon.service import needs as room
from indextts_daemon.service.needs import Need, Needs, estimated
from indextts_daemon.worker.handle import WorkerSpec
from tests.daemon.rooms import shut

SPEC = WorkerSpec(model="big", engine="indextts", content="1", options={"quality": "fast"})
MIB = 2**20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "needs.json"


def test_a_need_is_of_one_version_with_these_weights_and_options() -> None:
    needs, need = Needs(), Need(resident=5 * MIB, gpu=7 * MIB)
    needs.note(SPEC, need)
    assert needs.of(replace(SPEC, step_timeout_s=1, nice=3)) == need
    for other in (
        replace(SPEC, model="small"),
        replace(SPEC, version="b"),
        replace(SPEC, content="2"),
        replace(SPEC, options={"quality": "balanced"}),
    ):
        assert needs.of(other) is None


def test_what_was_measured_last_counts_and_small_changes_do_not() -> None:
    needs = Needs()
    needs.note(SPEC, Need(resident=1000 * MIB))
    needs.note(SPEC, Need(resident=1010 * MIB))
    assert needs.of(SPEC) == Need(resident=1000 * MIB)
    needs.note(SPEC, Need(resident=1010 * MIB, gpu=500 * MIB))
    assert needs.of(SPEC) == Need(resident=1010 * MIB, gpu=500 * MIB)


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 3)
    needs = Needs()
    for number in (0, 1, 2, 0, 3):
        needs.note(replace(SPEC, content=str(number)), Need(resident=(number + 1) * 100 * MIB))
    known = [n for n in range(4) if needs.of(replace(SPEC, content=str(n)))]
    assert known == [1, 2, 3]


def test_needs_outlive_the_daemon_and_are_written_only_when_new(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Needs(file)
    asyncio.run(before.save())
    assert not file.exists()
    before.note(SPEC, Need(resident=5 * MIB, gpu=7 * MIB))
    before.note(replace(SPEC, content="2"), Need(resident=9 * MIB))
    asyncio.run(before.save())
    after = Needs(file)
    assert after.of(SPEC) == Need(resident=5 * MIB, gpu=7 * MIB)
    assert after.of(replace(SPEC, content="2")) == Need(resident=9 * MIB)
    file.unlink()
    asyncio.run(before.save())
    asyncio.run(after.save())
    assert not file.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b'{"a": 5}', b'{"a": [1]}', b'{"a": ["x", null]}', b'{"a": [1e999, 1]}'],
    ids=repr,
)
def test_a_damaged_file_is_started_afresh_and_said_so(
    file: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    needs = Needs(file)
    assert needs.of(SPEC) is None
    assert "starting afresh" in caplog.text


def test_a_disk_that_refuses_is_logged_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir()
    needs = Needs(file)
    needs.note(SPEC, Need(resident=5 * MIB))
    with shut(file.parent):
        asyncio.run(needs.save())
        asyncio.run(needs.save())
    assert len(caplog.records) == 1
    asyncio.run(needs.save())
    assert Needs(file).of(SPEC) is not None


def test_a_model_that_was_never_loaded_is_guessed_by_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: dict[str, Any] = {name: tmp_path / name for name in ("gpt", "vocoder")}
    for name, path in files.items():
        path.write_bytes(b"x" * len(name))
    monkeypatch.setattr(room, "find", lambda _: SimpleNamespace(files=files))
    assert estimated(replace(SPEC, options={"model": str(tmp_path)})) == len("gpt" + "vocoder")


def test_where_there_are_no_weights_nothing_is_guessed(tmp_path: Path) -> None:
    assert estimated(replace(SPEC, options={"model": str(tmp_path)})) is None
    assert estimated(SPEC) is None
    assert estimated(WorkerSpec(model="fake", engine="fake", options={"model": "x"})) is None
