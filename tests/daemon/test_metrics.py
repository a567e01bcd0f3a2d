"""Names, labels and buckets are a contract; all start at zero, stay few, and something feeds each.

After a change on purpose, `golden()` below prints the new tests/daemon/metrics_golden.txt.
"""

import ast
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from itertools import pairwise, product
from pathlib import Path
import platform
import re
from types import SimpleNamespace
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase
import pytest

import indextts_daemon
from indextts_daemon.api.routes import ROUTES
from indextts_daemon.metrics import (
    EVICTIONS,
    FRONTENDS,
    JOB_ENDS,
    MODEL_STATES,
    OUTCOMES,
    PAUSES,
    PRIORITIES,
    REJECTIONS,
    RELOADS,
    RESTARTS,
    SCOPES,
    STAGES,
    SWAPS,
    VOICE_REJECTIONS,
    VOICE_STATES,
    CardFigures,
    Metrics,
)
from tests.daemon.door import Door

PACKAGE = Path(indextts_daemon.__file__).parent
GOLDEN = Path(__file__).parent / "metrics_golden.txt"
FEEDING = {"inc", "dec", "set", "observe"}
OWNERS = {"metrics", "_metrics", "self"}
MOST_AT_FIRST, MOST_OF_A_ROUTE = 480, 20  # series
PREPARING = {
    "__init__",
    "_keep_lifecycle",
    "_start_at_zero",
    "know_model",
}  # of Metrics: they feed nothing


def ours(metrics: Metrics) -> dict[str, MetricWrapperBase]:
    return {
        attribute: metric
        for attribute, metric in vars(metrics).items()
        if isinstance(metric, MetricWrapperBase)
    }


def golden() -> str:
    lines = []
    for metric in ours(Metrics()).values():
        (family,) = metric.describe()
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = ",".join(metric._labelnames) or "-"
        bounds = metric._kwargs.get("buckets", ())
        lines.append(" ".join([name, family.type, labels, *map(str, bounds)]))
    return "\n".join(sorted(lines)) + "\n"


def values(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def series(metrics: Metrics) -> int:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return len([line for line in lines if not line.startswith("#")])


def functions(folder: Path) -> Iterator[ast.AST]:
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not (
                file.name == "metrics.py" and node.name in PREPARING
            ):
                yield node


def fed(function: ast.AST) -> set[str]:
    """Return the metrics that a function sets or observes, be it under another name."""
    called = {
        node.targets[0].id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    found = set()
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in FEEDING:
            fed_one = call.func.value
            if isinstance(fed_one, ast.Name):
                fed_one = called.get(fed_one.id, fed_one)
            found |= {
                node.attr
                for node in ast.walk(fed_one)
                if isinstance(node, ast.Attribute)
                and getattr(node.value, "attr", getattr(node.value, "id", "")) in OWNERS
            }
    return found


def test_names_labels_and_buckets_are_what_dashboards_were_built_on() -> None:
    assert golden() == GOLDEN.read_text("utf-8")


def test_names_follow_the_conventions_of_prometheus() -> None:
    for line in GOLDEN.read_text("utf-8").splitlines():
        name, kind, _, *bounds = line.split()
        assert re.fullmatch(r"indextts_[a-z][a-z_]*[a-z]", name), name
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|kb|mb|percent)(_|$)", name), name
        assert all(float(low) < float(high) for low, high in pairwise(bounds)), name
        assert bool(bounds) == (kind == "histogram"), name


def test_every_metric_explains_itself() -> None:
    text = generate_latest(Metrics().registry).decode()
    for line in GOLDEN.read_text("utf-8").splitlines():
        assert re.search(rf"^# HELP {line.split()[0]} \S", text, re.MULTILINE), line


def test_what_can_be_known_is_zero_from_the_start() -> None:
    metrics = Metrics()
    metrics.know_model("fake")
    now = values(metrics)
    expected = [
        *product(["indextts_requests_total"], product(OUTCOMES, PRIORITIES, FRONTENDS)),
        *product(["indextts_rejections_total"], product(REJECTIONS)),
        *product(["indextts_stage_duration_seconds_count"], product(STAGES)),
        *product(
            [
                "indextts_time_to_first_audio_seconds_count",
                "indextts_request_duration_seconds_count",
                "indextts_queue_wait_seconds_count",
                "indextts_queue_length",
            ],
            product(PRIORITIES),
        ),
        *product(["indextts_model_loads_total"], product(["fake"], ["ok", "failed"])),
        *product(["indextts_worker_restarts_total"], product(["fake"], RESTARTS)),
        *product(["indextts_engine_jobs_total"], product(["fake"], JOB_ENDS)),
        *product(["indextts_reloads_total"], product(SCOPES, RELOADS)),
        *product(["indextts_reload_duration_seconds_count"], product(SCOPES)),
        *product(["indextts_model_swaps_total"], product(SWAPS)),
        *product(["indextts_model_evictions_total"], product(EVICTIONS)),
        *product(["indextts_paused"], product(PAUSES)),
        *product(["indextts_voices"], product(VOICE_STATES)),
        *product(["indextts_voice_rejections_total"], product(VOICE_REJECTIONS)),
        ("indextts_lexicon_entries", ()),
        ("indextts_worker_oom_total", ("fake",)),
        ("indextts_engine_jobs_started_total", ("fake",)),
        ("indextts_engine_sentences_total", ("fake",)),
        ("indextts_engine_steps_total", ("fake",)),
        ("indextts_model_load_duration_seconds_count", ("fake",)),
        ("indextts_worker_up", ("fake",)),
        ("indextts_worker_start_time_seconds", ("fake",)),
        ("indextts_worker_heartbeat_timestamp_seconds", ("fake",)),
        ("indextts_in_flight_requests", ()),
        ("indextts_http_connections", ()),
    ]
    assert {key: now.get(key) for key in expected} == dict.fromkeys(expected, 0)


def build(metrics: Metrics) -> dict[str, str]:
    (family,) = metrics.build_info.collect()
    (sample,) = family.samples
    assert sample.value == 1
    return sample.labels


def test_what_runs_is_told_as_far_as_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"torch": "2.11.0+cu130", "indextts-daemon": "0.1.0"}
    origin = '{"url": "https://example.org/x", "vcs_info": {"vcs": "git", "commit_id": "f00d"}}'

    def distribution(name: str) -> Any:
        if name not in installed:
            raise PackageNotFoundError(name)
        return SimpleNamespace(version=installed[name], read_text=lambda _: origin)

    monkeypatch.setattr("indextts_daemon.metrics.distribution", distribution)
    metrics, bare, unknown = Metrics(), Metrics(), Metrics()
    metrics.runs("0.1.0")
    known = {"version": "0.1.0", "python": platform.python_version()}
    assert build(metrics) == known | {"commit": "f00d", "torch": "2.11.0+cu130", "cuda": "cu130"}
    installed["torch"], origin = "2.11.0", ""
    bare.runs("0.1.0")
    assert build(bare) == known | {"commit": "", "torch": "2.11.0", "cuda": ""}
    installed.clear()
    unknown.runs("0.1.0")
    assert build(unknown) == known | {"commit": "", "torch": "", "cuda": ""}


def test_a_model_is_in_one_state_at_a_time() -> None:
    metrics = Metrics()
    metrics.know_model("fake")
    for state in MODEL_STATES:
        metrics.model_is("fake", state)
        now = values(metrics)
        figures = {name: now["indextts_model_state", ("fake", name)] for name in MODEL_STATES}
        assert [name for name, figure in figures.items() if figure] == [state]
        assert now["indextts_worker_up", ("fake",)] == (state == "ready")


def test_what_a_worker_counts_is_added() -> None:
    metrics = Metrics()
    counted = {"jobs_started": 5, "sentences": 7, "steps": 90, "out_of_memory": 2}
    ends = {"jobs_finished": 2, "jobs_failed": 1, "jobs_cancelled": 1}
    metrics.model_counted("fake", counted | ends)
    metrics.model_counted("fake", counted | ends)
    now = values(metrics)
    names = {
        "sentences": "engine_sentences",
        "steps": "engine_steps",
        "out_of_memory": "worker_oom",
    }
    for told, name in ({"jobs_started": "engine_jobs_started"} | names).items():
        assert now[f"indextts_{name}_total", ("fake",)] == 2 * counted[told]
    for told, number in ends.items():
        outcome = told.removeprefix("jobs_")
        assert now["indextts_engine_jobs_total", ("fake", outcome)] == 2 * number


def test_speech_is_paused_for_one_reason_at_a_time() -> None:
    metrics = Metrics()
    for reason in (*PAUSES, None):
        metrics.paused_is(reason)
        now = values(metrics)
        assert [known for known in PAUSES if now["indextts_paused", (known,)]] == (
            [reason] if reason else []
        )


def test_there_are_no_figures_of_a_card_until_the_driver_answers() -> None:
    metrics = Metrics()
    assert not [name for name, _ in values(metrics) if re.match("indextts_gpu_.*bytes", name)]
    metrics.card_is(CardFigures(used=5, total=9, ours=3, foreign=2))
    now = values(metrics)
    names = {"memory_used": 5, "memory_total": 9, "process_memory": 3, "foreign_memory": 2}
    for name, figure in names.items():
        assert now[f"indextts_gpu_{name}_bytes", ("0",)] == figure


def test_what_is_in_the_house_and_what_went_wrong_is_told() -> None:
    metrics = Metrics()
    metrics.house_is(voices=3, invalid=1, lexicon_entries=7)
    metrics.ran_out_of_memory("fake")
    metrics.evicted("budget")
    metrics.voice_refused("clipped")
    metrics.voice_refused("a code that nobody foresaw")
    now = values(metrics)
    assert now["indextts_voices", ("ready",)] == 3
    assert now["indextts_voices", ("invalid",)] == 1
    assert now["indextts_lexicon_entries", ()] == 7
    assert now["indextts_worker_oom_total", ("fake",)] == 1
    assert now["indextts_model_evictions_total", ("budget",)] == 1
    assert now["indextts_voice_rejections_total", ("clipped",)] == 1
    assert now["indextts_voice_rejections_total", ("other",)] == 1


def test_a_reload_that_is_refused_shows_until_one_is_taken() -> None:
    metrics = Metrics()
    last = "indextts_config_last_reload_success_timestamp_seconds"
    started_at = values(metrics)[last, ("voices",)]
    metrics.files_read("voices", good=False)
    now = values(metrics)
    assert now["indextts_config_last_reload_successful", ("voices",)] == 0
    assert now[last, ("voices",)] == started_at
    metrics.files_read("voices", good=True)
    now = values(metrics)
    assert now["indextts_config_last_reload_successful", ("voices",)] == 1
    assert now[last, ("voices",)] > started_at


def test_two_daemons_in_one_process_share_no_figure() -> None:
    one, other = Metrics(), Metrics()
    one.in_flight.inc()
    assert values(one)["indextts_in_flight_requests", ()] == 1
    assert values(other)["indextts_in_flight_requests", ()] == 0


def test_the_process_and_its_collector_are_measured_too() -> None:
    names = {name for name, _ in values(Metrics())}
    assert {
        "process_resident_memory_bytes",
        "process_open_fds",
        "python_gc_collections_total",
        "python_info",
    } <= names


def test_before_any_use_the_series_are_few() -> None:
    metrics = Metrics()
    for model in ("fake", "embedded"):
        metrics.know_model(model)
    assert series(metrics) <= MOST_AT_FIRST


async def test_after_every_kind_of_use_the_series_are_still_few(door: Door) -> None:
    async def ask(method: str, path: str, **how: Any) -> None:
        async with door.session.request(method, path, **how) as response:
            if response.content_type != "text/event-stream":
                await response.read()

    paths = [route.path for route in ROUTES] + [f"/zork-{number}" for number in range(50)]
    for path in paths:
        for method in ("GET", "POST", "PUT", "BREW"):
            await ask(method, path.replace("{id}", f"voice{method}"))
        await ask("GET", path, headers={"Authorization": ""})
    for text in ("Hello.", "😀", "{{fail one}}", "{{fail two}}", "x" * 5000):
        await ask("POST", "/v1/audio/speech", json={"input": text, "voice": "fake-01"})
        await ask("POST", "/v1/audio/speech", json={"input": text, "model": f"m{len(text)}"})
        await ask("POST", "/v1/pair", json={"code": text, "name": "x"})
    assert series(door.services.metrics) <= MOST_AT_FIRST + MOST_OF_A_ROUTE * len(ROUTES)


def test_something_in_the_daemon_feeds_every_metric() -> None:
    feeding = set().union(*map(fed, functions(PACKAGE)))
    assert set(ours(Metrics())) - feeding == set()
