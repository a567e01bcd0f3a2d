"""Operations: what is told of one, what is kept, counted and remembered, and what is not."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon.errors import Problem
from indextts_daemon.metrics import SWAPS, Metrics
from indextts_daemon.service import operations as room
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.operations import KEPT, Operation, Operations, Result
from tests.daemon.rooms import shut

PROBLEM = Problem(message="settings.yaml, line 3: no.", path="server.port", line=3)


def begun(operations: Operations, action: str = "activate", **how: Any) -> room.Running:
    return operations.begin("models", action, **{"who": "api", "subject": "fake"} | how)


def figure(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"indextts_{name}", labels)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "operations.json"


def kept_in(file: Path) -> Operations:
    return Operations(EventBus(), file=file)


def save(operations: Operations) -> None:
    asyncio.run(operations.save())


def test_every_change_is_told_as_it_is_then() -> None:
    events = EventBus()
    with events.subscribe() as heard:
        running = begun(Operations(events))
        running.say("It loads.")
        running.detail(mode="side_by_side")
        running.end(Result.rejected, generation=4, code="canary_failed", errors=[PROBLEM])
        told = [heard.get_nowait().data for _ in range(heard.qsize())]
    assert [each["result"] for each in told] == ["running"] * 3 + ["rejected"]
    last = told[-1]
    assert (last["progress"], last["details"]) == ("It loads.", {"mode": "side_by_side"})
    assert last["errors"] == [{"message": PROBLEM.message, "path": "server.port", "line": 3}]
    assert json.loads(json.dumps(last)) == last
    assert last["ended_at"] >= last["started_at"]


def test_the_last_fifty_are_kept_the_newest_first_and_none_that_still_runs_is_dropped() -> None:
    operations = Operations(EventBus())
    running = begun(operations)
    done = [begun(operations).end(Result.applied) for _ in range(KEPT + 5)]
    listed = operations.listed()
    assert len(listed) == KEPT
    assert listed[-1] == running.now
    assert listed[:-1] == tuple(reversed(done))[: KEPT - 1]
    assert operations.get(done[0].id) is None
    assert operations.get(done[-1].id) == done[-1]


def test_what_has_ended_outlives_the_daemon_as_it_was(file: Path) -> None:
    before = kept_in(file)
    running = begun(before)
    running.say("It speaks.")
    running.detail(canary=[{"language": "en", "peak": 0.3}])
    running.end(Result.rejected, generation=2, code="canary_failed", errors=[PROBLEM])
    begun(before, "unload", who="idle").end(Result.applied, generation=3)
    save(before)
    assert kept_in(file).listed() == before.listed()
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_was_running_when_the_daemon_died_was_interrupted(file: Path) -> None:
    before = kept_in(file)
    running = begun(before, who="cli")
    save(before)
    after = kept_in(file).get(running.now.id)
    assert after is not None
    assert (after.result, after.code, after.who) == (Result.rejected, "interrupted", "cli")
    assert after.started_at == running.now.started_at
    assert after.ended_at is not None
    assert after.errors[0].message == room.INTERRUPTED


def test_nothing_is_written_while_nothing_is_new(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    monkeypatch.setattr(room, "_write", lambda *content: written.append(content))
    operations = kept_in(file)
    save(operations)
    running = begun(operations)
    save(operations)
    save(operations)
    assert len(written) == 1
    running.say("It loads.")
    save(operations)
    assert len(written) == 2


def whole() -> dict[str, Any]:
    return Operation(id="1", scope="voices", action="reload", who="file", started_at=1.5).shape()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"operations": 5}',
        b'{"operations": [5]}',
        b"\xff\xfe",
        b"[" * 100_000,
        *(
            json.dumps({"operations": [whole(), whole() | broken]}).encode()
            for broken in (
                {"result": "zork"},
                {"id": 5},
                {"errors": [{"zork": 1}]},
                {"errors": 5},
                {"started_at": None},
                {"ended_at": "late"},
                {"details": 5},
                {"generation": "four"},
            )
        ),
        json.dumps({"operations": [{"id": "1"}]}).encode(),
    ],
    ids=lambda content: content[:30].decode(errors="replace"),
)
def test_a_damaged_file_is_started_afresh_and_said_so(
    file: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    operations = kept_in(file)
    assert operations.listed() == ()
    assert "starting afresh" in caplog.text
    assert str(file.parent) not in caplog.text
    begun(operations).end(Result.applied)
    save(operations)
    assert kept_in(file).listed() == operations.listed()


def test_a_disk_that_refuses_is_logged_once_and_tried_again(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    operations = kept_in(file)
    begun(operations)
    file.parent.mkdir()
    with shut(file.parent), caplog.at_level(logging.WARNING):
        save(operations)
        save(operations)
    assert len(caplog.records) == 1
    save(operations)
    assert len(kept_in(file).listed()) == 1


def last_of(operations: Operations, scope: str = "config") -> tuple[str, int]:
    last = operations.last_reloads[scope]
    return str(last.result), len(last.errors)


def test_a_bad_file_is_told_until_its_scope_is_read_again() -> None:
    metrics = Metrics()
    operations = Operations(EventBus(), metrics=metrics)
    assert operations.last_reloads == {}
    operations.begin("config", "reload", who="file").end(Result.rejected, errors=[PROBLEM])
    operations.begin("config", "check", who="cli").end(Result.unchanged)
    operations.begin("config", "rollback", who="api").end(Result.rejected, errors=[PROBLEM])
    operations.begin("config", "reload", who="file")
    for _ in range(KEPT):
        operations.begin("sharing", "prewarm", who="api").end(Result.applied)
    assert last_of(operations) == ("rejected", 1)
    assert figure(metrics, "config_last_reload_successful", scope="config") == 0
    operations.begin("models", "reload", who="file").end(Result.rejected, errors=[PROBLEM])
    operations.begin("models", "unload", who="api").end(Result.applied)
    assert last_of(operations, "models") == ("rejected", 1)
    operations.begin("config", "replace", who="api").end(Result.applied, generation=3)
    assert last_of(operations) == ("applied", 0)
    assert figure(metrics, "config_last_reload_successful", scope="config") == 1
    operations.begin("config", "check", who="cli").end(Result.rejected, errors=[PROBLEM])
    assert last_of(operations) == ("applied", 0)
    assert figure(metrics, "config_last_reload_successful", scope="config") == 1
    assert figure(metrics, "reloads_total", scope="config", result="rejected") == 2


def test_what_is_wrong_beside_what_is_applied_is_told() -> None:
    metrics = Metrics()
    operations = Operations(EventBus(), metrics=metrics)
    running = operations.begin("voices", "reload", who="file")
    running.warn([PROBLEM])
    assert running.end(Result.applied, generation=2).errors == (PROBLEM,)
    assert last_of(operations, "voices") == ("applied", 1)
    assert figure(metrics, "config_last_reload_successful", scope="voices") == 0


def test_what_was_wrong_beside_what_is_refused_is_told_after_it() -> None:
    running = Operations(EventBus()).begin("models", "reload", who="file")
    running.warn([PROBLEM])
    why = Problem(message="It is silent.")
    assert running.end(Result.rejected, errors=[why, PROBLEM]).errors == (why, PROBLEM)


def test_what_became_of_files_before_the_start_is_not_told_of_them_now(file: Path) -> None:
    operations = kept_in(file)
    operations.begin("config", "reload", who="file").end(Result.rejected, errors=[PROBLEM])
    operations.begin("voices", "reload", who="file")
    save(operations)
    again = kept_in(file)
    assert len(again.listed()) == 2
    assert again.last_reloads == {}


def test_how_reloads_go_is_counted_by_scope() -> None:
    metrics = Metrics()
    operations = Operations(EventBus(), metrics=metrics)
    assert figure(metrics, "config_last_reload_successful", scope="config") == 1
    operations.begin("config", "reload", who="file").end(Result.rejected, generation=1)
    assert figure(metrics, "config_last_reload_successful", scope="config") == 0
    assert figure(metrics, "config_last_reload_successful", scope="voices") == 1
    operations.begin("config", "reload", who="file").end(Result.applied, generation=7)
    assert figure(metrics, "config_last_reload_successful", scope="config") == 1
    for result, count in {"applied": 1, "rejected": 1, "unchanged": 0}.items():
        assert figure(metrics, "reloads_total", scope="config", result=result) == count
    assert figure(metrics, "reload_duration_seconds_count", scope="config") == 2
    assert figure(metrics, "config_generation") == 7
    assert figure(metrics, "model_generation") == 1


@pytest.mark.parametrize(
    ("action", "who", "result", "counted"),
    [
        ("activate", "api", Result.applied, "promoted"),
        ("activate", "api", Result.rejected, "rejected"),
        ("rollback", "probation", Result.applied, "rolled_back"),
        ("rollback", "cli", Result.rejected, "rejected"),
    ],
)
def test_swaps_are_counted_by_how_they_ended(
    action: str, who: str, result: Result, counted: str
) -> None:
    metrics = Metrics()
    operations = Operations(EventBus(), metrics=metrics)
    begun(operations, action, who=who).end(result, generation=3)
    for known in SWAPS:
        assert figure(metrics, "model_swaps_total", result=known) == (known == counted)
    assert figure(metrics, "model_generation") == (3 if result is Result.applied else 1)


@pytest.mark.parametrize(
    ("action", "result"),
    [
        ("activate", Result.unchanged),
        ("rollback", Result.unchanged),
        ("load", Result.applied),
        ("unload", Result.applied),
    ],
)
def test_what_put_no_other_model_in_place_is_no_swap(action: str, result: Result) -> None:
    metrics = Metrics()
    begun(Operations(EventBus(), metrics=metrics), action).end(result, generation=1)
    assert not any(figure(metrics, "model_swaps_total", result=known) for known in SWAPS)


def test_what_is_no_reload_is_not_counted_as_one() -> None:
    metrics = Metrics()
    operations = Operations(EventBus(), metrics=metrics)
    operations.begin("sharing", "unload", who="idle").end(Result.applied, generation=9)
    assert figure(metrics, "config_generation") == 1
    assert figure(metrics, "reloads_total", scope="sharing", result="applied") is None
