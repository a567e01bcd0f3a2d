"""What people and machines get to read."""

from dataclasses import replace
import json

import pytest

from indextts_daemon.bench.figures import Spread, Subject
from indextts_daemon.bench.report import as_json, as_table
from indextts_daemon.bench.rounds import Measurement
from indextts_daemon.bench.servers import Figures
from tests.daemon.test_bench_figures import TRIAL


def measurement() -> Measurement:
    return Measurement(
        engine="fake",
        cores=2,
        rounds=1,
        seconds=5.0,
        trials={
            Subject(server=server, clients=clients, format="wav"): [TRIAL]
            for server in ("naive", "daemon")
            for clients in (1, 16)
        },
        sent=20,
        reached=Figures(answered=20, jobs=21, sentences=40, steps=80, audio_s=80.0, engine_s=0.5),
    )


def test_the_table_has_a_row_for_each_load_and_a_verdict_for_each_aim() -> None:
    table = as_table(measurement()).splitlines()
    assert sum(line.split()[:1] == ["daemon"] for line in table) == 2
    assert [line.split()[0] for line in table[-4:]] == ["met"] * 4
    reached = next(line for line in table if line.startswith("Of 20 requests to the daemon"))
    assert "20 were spoken. Its worker counted 21 jobs with 40 sentences in 80 steps" in reached


def test_the_columns_stand_in_line() -> None:
    lines = as_table(measurement()).splitlines()
    rows = lines[2 : lines.index("", 2)]
    assert len({len(row) for row in rows}) == 1


def test_a_quiet_machine_is_said_to_be_quiet() -> None:
    assert "No other process took more than 0.1 of a core." in as_table(measurement())


def test_whoever_disturbed_the_run_is_named_worst_first() -> None:
    found = measurement()
    found.disturbing = {"make": 0.2, "cc1plus": 0.9}
    found.stolen_share = 0.3
    disturbed = [line for line in as_table(found).splitlines() if line.startswith("Disturbed")]
    assert [words.split()[1] for words in disturbed] == ["cc1plus", "make", "the"]


def test_disturbers_too_short_to_be_seen_are_told_together() -> None:
    found = measurement()
    found.others_share = 0.5
    assert "short processes took 0.5 of a core" in as_table(found)


def test_lost_requests_are_shown_beside_the_answers() -> None:
    found = measurement()
    assert "lost" not in as_table(found)
    subject = Subject(server="daemon", clients=16, format="wav")
    found.trials[subject] = [replace(TRIAL, refused=3, failed=1)]
    assert "10 (4 lost)" in as_table(found)


def test_json_holds_the_same_and_null_where_there_is_no_figure() -> None:
    found = measurement()
    found.trials[Subject(server="daemon", clients=1, format="mp3")] = [
        replace(TRIAL, audio_s=None, first_ms=Spread.of([]))
    ]
    whole = json.loads(as_json(found), parse_constant=pytest.fail)
    assert len(whole["rows"]) == 5
    assert whole["rows"][-1]["first_ms"] == {"p50": None, "p95": None}
    assert whole["rows"][-1]["audio_s"] is None
    assert whole["engine_requests"]["answered"] == 20
    assert [aim["met"] for aim in whole["aims"]] == [True] * 4
