"""What the daemon measures about itself: one table of names, labels and buckets. A contract."""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product
import json
import platform
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase

FIRST_AUDIO_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 15, 30)
HTTP_S = (0.005, 0.02, 0.1, 0.5, 2, 10, 60)
REQUEST_S = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120)
QUEUE_S = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
STAGE_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
LOAD_S = (1, 2, 5, 10, 20, 30, 60, 120, 300)
RTF = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 4)

OUTCOMES = ("ok", "error", "rejected", "cancelled", "timeout")
PRIORITIES = ("critical", "interactive")
FRONTENDS = ("http", "ws")
REJECTIONS = ("queue_full", "invalid", "too_large", "loading", "draining", "auth")
STAGES = (
    "normalize",
    "reference",
    "emotion",
    "gpt",
    "s2mel",
    "vocoder",
    "postprocess",
    "encode",
)
MODEL_STATES = ("unloaded", "loading", "warming", "ready", "draining", "failed")
RESTARTS = ("crash", "hang")
JOB_ENDS = ("finished", "failed", "cancelled")

# `_created` doubles the series and is asked for by nobody.
disable_created_metrics()  # type: ignore[no-untyped-call]

Metric = TypeVar("Metric", bound=MetricWrapperBase)


class Metrics:
    """Every metric of the front process, on a registry of its own, zero where it can be."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for default in (ProcessCollector, PlatformCollector, GCCollector):
            default(registry=self.registry)
        new = self._new
        self.build_info = new(
            Gauge,
            "build_info",
            "1, labelled with what runs; empty where that is unknown.",
            ("version", "commit", "python", "torch", "cuda"),
        )
        self.http_requests = new(
            Counter, "http_requests", "HTTP requests answered.", ("route", "method", "code")
        )
        self.http_duration = new(
            Histogram, "http_request_duration_seconds", "HTTP request time.", ("route",), HTTP_S
        )
        self.http_connections = new(Gauge, "http_connections", "Open connections.")
        self.requests = new(
            Counter,
            "requests",
            "Requests to speak, by how they ended.",
            ("outcome", "priority", "frontend"),
        )
        self.rejections = new(Counter, "rejections", "Requests refused.", ("reason",))
        self.first_audio = new(
            Histogram,
            "time_to_first_audio_seconds",
            "From the request to its first encoded audio.",
            ("priority",),
            FIRST_AUDIO_S,
        )
        self.duration = new(
            Histogram,
            "request_duration_seconds",
            "From the request to its last audio.",
            ("priority",),
            REQUEST_S,
        )
        self.stages = new(
            Histogram, "stage_duration_seconds", "Time in a stage.", ("stage",), STAGE_S
        )
        self.queue_wait = new(
            Histogram, "queue_wait_seconds", "Time waiting for a place.", ("priority",), QUEUE_S
        )
        self.queue_length = new(Gauge, "queue_length", "Requests waiting.", ("priority",))
        self.queue_capacity = new(Gauge, "queue_capacity", "Requests that may wait, per model.")
        self.in_flight = new(Gauge, "in_flight_requests", "Requests being spoken.")
        self.audio_seconds = new(Counter, "synthesized_audio_seconds", "Audio made.")
        self.synthesis_seconds = new(Counter, "synthesis_seconds", "Engine time spent on it.")
        self.real_time_factor = new(
            Histogram, "real_time_factor", "Engine time over audio time, per request.", (), RTF
        )
        self.input_characters = new(Counter, "input_characters", "Characters accepted.")
        self.cancelled_audio = new(
            Counter, "cancelled_audio_seconds", "Audio made for requests that were then left."
        )
        self.model_state = new(
            Gauge, "model_state", "1 for the state a model is in.", ("model", "state")
        )
        self.model_loads = new(Counter, "model_loads", "Loads of a model.", ("model", "result"))
        self.model_load_duration = new(
            Histogram, "model_load_duration_seconds", "Load time.", ("model",), LOAD_S
        )
        self.worker_up = new(Gauge, "worker_up", "Whether the worker can speak.", ("model",))
        self.worker_restarts = new(
            Counter, "worker_restarts", "Worker replacements.", ("model", "reason")
        )
        self.worker_start_time = new(
            Gauge, "worker_start_time_seconds", "When the worker started (Unix).", ("model",)
        )
        self.worker_heartbeat = new(
            Gauge,
            "worker_heartbeat_timestamp_seconds",
            "When the worker was last heard (Unix).",
            ("model",),
        )
        self.engine_jobs_started = new(
            Counter, "engine_jobs_started", "Jobs that reached the engine.", ("model",)
        )
        self.engine_jobs = new(
            Counter,
            "engine_jobs",
            "Jobs that ended in the engine, as it counts them.",
            ("model", "outcome"),
        )
        self.engine_sentences = new(
            Counter, "engine_sentences", "Sentences that reached the engine.", ("model",)
        )
        self.engine_steps = new(Counter, "engine_steps", "Steps of the engine.", ("model",))
        self.voices = new(Gauge, "voices", "Voices that can be used.")
        self.last_success = new(
            Gauge,
            "last_synthesis_success_timestamp_seconds",
            "When speech was last made whole (Unix).",
        )
        self.event_subscribers = new(Gauge, "events_subscribers", "Clients of the event stream.")
        self.event_loop_lag = new(
            Histogram, "event_loop_lag_seconds", "How late the event loop runs.", (), QUEUE_S
        )
        self._start_at_zero()

    def runs(self, version: str) -> None:
        """Record what is installed; torch is not imported for that."""
        torch = _version("torch")
        tag = torch.partition("+")[2]
        cuda = tag if tag.startswith("cu") else ""
        labels = (version, _commit(), platform.python_version(), torch, cuda)
        self.build_info.labels(*labels).set(1)

    def model_counted(self, model: str, counted: Mapping[str, int]) -> None:
        """Add what the worker of `model` has counted since the last time."""
        self.engine_jobs_started.labels(model).inc(counted["jobs_started"])
        self.engine_sentences.labels(model).inc(counted["sentences"])
        self.engine_steps.labels(model).inc(counted["steps"])
        for outcome in JOB_ENDS:
            self.engine_jobs.labels(model, outcome).inc(counted[f"jobs_{outcome}"])

    def model_is(self, model: str, state: str) -> None:
        """Record the state that `model` is in now."""
        for name in MODEL_STATES:
            self.model_state.labels(model, name).set(name == state)
        self.worker_up.labels(model).set(state == "ready")

    def know_model(self, model: str) -> None:
        """Start the series of a model at zero."""
        self.model_is(model, "unloaded")
        self.worker_start_time.labels(model).set(0)
        self.worker_heartbeat.labels(model).set(0)
        self.model_load_duration.labels(model)
        _touch(self.model_loads, (model,), ("ok", "failed"))
        _touch(self.worker_restarts, (model,), RESTARTS)
        _touch(self.engine_jobs, (model,), JOB_ENDS)
        for metric in (self.engine_jobs_started, self.engine_sentences, self.engine_steps):
            metric.labels(model)

    def _start_at_zero(self) -> None:
        _touch(self.requests, OUTCOMES, PRIORITIES, FRONTENDS)
        _touch(self.rejections, REJECTIONS)
        _touch(self.stages, STAGES)
        for metric in (self.first_audio, self.duration, self.queue_wait, self.queue_length):
            _touch(metric, PRIORITIES)

    def _new(
        self,
        kind: type[Metric],
        name: str,
        documentation: str,
        labels: tuple[str, ...] = (),
        buckets: tuple[float, ...] | None = None,
    ) -> Metric:
        extra: dict[str, Any] = {} if buckets is None else {"buckets": buckets}
        return kind(
            name, documentation, labels, namespace="indextts", registry=self.registry, **extra
        )


def _touch(metric: MetricWrapperBase, *values: Iterable[str]) -> None:
    """Make every label combination of `metric` exist."""
    for labels in product(*values):
        metric.labels(*labels)


def _version(package: str) -> str:
    try:
        return distribution(package).version
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    """Return the commit that pip installed the daemon from, if it was one (PEP 610)."""
    try:
        origin = distribution("indextts-daemon").read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    commit: str = json.loads(origin or "{}").get("vcs_info", {}).get("commit_id", "")
    return commit
