"""Baselines: which one a voice is held to, that they outlive the daemon, and damaged files."""

import asyncio
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon.audio.timbre import FIGURES, Timbre
from indextts_daemon.service import baselines as room
from indextts_daemon.service.baselines import Baseline, Baselines
from indextts_daemon.service.golden_lines import GoldenLine, lines
from tests.daemon.rooms import shut, voice


def line(revision: str = "1", identity: str = "heart", language: str = "en") -> GoldenLine:
    [found] = lines([voice(identity, language, revision=revision)])
    return found


def baseline(duration_s: float = 2.0) -> Baseline:
    figures = tuple(float(number) for number in range(FIGURES))
    return Baseline(duration_s=duration_s, timbre=Timbre(mean=figures, scatter=figures))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "canary.json"


def test_a_voice_is_held_to_its_own_line_and_revision_only() -> None:
    baselines = Baselines()
    baselines.learn([(line(), baseline())])
    assert baselines.of(line()) == baseline()
    for other in (line("2"), line(identity="lotus"), line(language="de")):
        assert baselines.of(other) is None
    assert baselines.of(replace(line(), text="Good night.")) is None


def test_it_is_compared_to_the_last_voice_of_its_id() -> None:
    baselines = Baselines()
    assert baselines.before(line("3")) is None
    baselines.learn([(line("1"), baseline(1.0)), (line("2"), baseline(2.0))])
    assert baselines.before(line("3")) == baseline(2.0)
    assert baselines.before(line("1")) == baseline(1.0)
    assert baselines.before(line("3", identity="lotus")) is None


def test_the_first_baseline_of_a_voice_stays() -> None:
    baselines = Baselines()
    for duration_s in (2.0, 3.0, 4.5):
        baselines.learn([(line(), baseline(duration_s))])
    assert baselines.of(line()) == baseline(2.0)


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 3)
    baselines = Baselines()
    baselines.learn([(line(str(number)), baseline()) for number in range(5)])
    kept = [number for number in range(5) if baselines.of(line(str(number)))]
    assert kept == [2, 3, 4]


def test_they_outlive_the_daemon(file: Path) -> None:
    before = Baselines(file)
    silent = (line("2"), Baseline(duration_s=1.0, timbre=None))
    before.learn([(line(), baseline()), silent])
    asyncio.run(before.save())
    after = Baselines(file)
    assert after.of(line()) == baseline()
    assert after.of(line("2")) == silent[1]


def entry(**broken: Any) -> bytes:
    fields = {"duration_s": 2.0, "timbre": None} | broken
    return json.dumps({"baselines": [["heart", "1", "en", fields]]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"5",
        b"\xff",
        b'{"baselines": 5}',
        b'{"baselines": [["heart", "1"]]}',
        entry(duration_s=None),
        entry(duration_s=0),
        entry(duration_s=float("nan")),
        entry(timbre=5),
        entry(timbre={"mean": [1.0], "scatter": [1.0]}),
        entry(timbre={"mean": ["x"] * FIGURES, "scatter": [1.0] * FIGURES}),
    ],
    ids=lambda content: content[-50:].decode(errors="replace"),
)
def test_a_damaged_file_is_started_afresh_and_said_so(
    file: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    baselines = Baselines(file)
    assert baselines.before(line()) is None
    assert "starting afresh" in caplog.text
    baselines.learn([(line(), baseline())])
    asyncio.run(baselines.save())
    assert Baselines(file).of(line()) == baseline()


def test_a_disk_that_refuses_is_only_logged(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir()
    baselines = Baselines(file)
    baselines.learn([(line(), baseline())])
    with shut(file.parent):
        asyncio.run(baselines.save())
    assert "could not remember" in caplog.text
    assert baselines.of(line()) == baseline()
