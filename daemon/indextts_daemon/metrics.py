"""What the daemon measures about itself: one table of names, labels and buckets. A contract."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product
import json
import platform
import time
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
RELOAD_S = (0.05, 0.5, 2, 10, 60, 300)
RTF = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 4)

OUTCOMES = ("ok", "error", "rejected", "cancelled", "timeout")
PRIORITIES = ("critical", "interactive")
FRONTENDS = ("http", "ws")
REJECTIONS = ("queue_full", "invalid", "too_large", "loading", "paused", "draining", "auth")
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
RESTARTS = ("crash", "hang", "oom")
JOB_ENDS = ("finished", "failed", "cancelled")
SCOPES = ("config", "token", "voices", "moods", "lexicon", "models")
RELOADS = ("applied", "unchanged", "rejected")
SWAPS = ("promoted", "rejected", "rolled_back")
EVICTIONS = ("idle", "budget", "foreign", "admin", "oom")
PAUSES = ("paused", "gpu_busy")
VOICE_STATES = ("ready", "invalid")
VOICE_REJECTIONS = (  # codes of the voice coach and of the upload; `other` is any of later ones
    "too_short",
    "too_long",
    "too_large",
    "too_quiet",
    "too_noisy",
    "clipped",
    "hum",
    "no_speech",
    "multi_speaker",
    "not_audio",
    "empty",
    "other",
)

# `_created` doubles the series and is asked for by nobody.
disable_created_metrics()  # type: ignore[no-untyped-call]

Metric = TypeVar("Metric", bound=MetricWrapperBase)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFigures:
    """Bytes of a graphics card: in use at all, by our workers, by others, and all that it has."""

    used: int
    total: int
    ours: int
    foreign: int


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
        self.worker_oom = new(
            Counter, "worker_oom", "Jobs or loads that ran out of memory.", ("model",)
        )
        self.voices = new(Gauge, "voices", "Voices of the house, by state.", ("state",))
        self.voice_rejections = new(
            Counter, "voice_rejections", "Recordings refused as a voice.", ("reason",)
        )
        self.lexicon_entries = new(Gauge, "lexicon_entries", "Rules of the household's lexicon.")
        self._keep_lifecycle()
        self.last_success = new(
            Gauge,
            "last_synthesis_success_timestamp_seconds",
            "When speech was last made whole (Unix).",
        )
        self.event_subscribers = new(Gauge, "events_subscribers", "Clients of the event stream.")
        self.event_loop_lag = new(
            Histogram, "event_loop_lag_seconds", "How late the event loop runs.", (), QUEUE_S
        )
        self._models: set[str] = set()
        self._start_at_zero()

    def _keep_lifecycle(self) -> None:
        """Make what tells of reloads, of models that come and go, and of a shared card."""
        new = self._new
        self.model_swaps = new(
            Counter, "model_swaps", "Changes of a model's version or of the default.", ("result",)
        )
        self.model_evictions = new(
            Counter, "model_evictions", "Models that were unloaded.", ("reason",)
        )
        self.model_generation = new(
            Gauge, "model_generation", "Generation in which a model was last changed."
        )
        self.config_generation = new(Gauge, "config_generation", "Generation that is current.")
        self.reload_successful = new(
            Gauge, "config_last_reload_successful", "Whether the last one was taken.", ("scope",)
        )
        self.reload_success_at = new(
            Gauge,
            "config_last_reload_success_timestamp_seconds",
            "When one was last taken (Unix); at first the start.",
            ("scope",),
        )
        self.reloads = new(Counter, "reloads", "Reloads, by how they ended.", ("scope", "result"))
        self.reload_duration = new(
            Histogram, "reload_duration_seconds", "Time of a reload.", ("scope",), RELOAD_S
        )
        self.paused = new(Gauge, "paused", "1 while speech is paused for the reason.", ("reason",))
        self.gpu_used = new(Gauge, "gpu_memory_used_bytes", "Of the card, in use.", ("gpu",))
        self.gpu_total = new(Gauge, "gpu_memory_total_bytes", "Of the card, all.", ("gpu",))
        self.gpu_ours = new(
            Gauge, "gpu_process_memory_bytes", "Of the card, used by the daemon.", ("gpu",)
        )
        self.gpu_foreign = new(
            Gauge, "gpu_foreign_memory_bytes", "Of the card, used by other programs.", ("gpu",)
        )
        self.gpu_collector_errors = new(
            Counter, "gpu_collector_errors", "Questions that the card's driver did not answer."
        )

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
        self.worker_oom.labels(model).inc(counted["out_of_memory"])
        for outcome in JOB_ENDS:
            self.engine_jobs.labels(model, outcome).inc(counted[f"jobs_{outcome}"])

    def reload_ended(self, scope: str, result: str, took_s: float) -> None:
        """Count a reload that has ended."""
        self.reloads.labels(scope, result).inc()
        self.reload_duration.labels(scope).observe(took_s)

    def files_read(self, scope: str, *, good: bool) -> None:
        """Say whether all that the files of a scope hold counts."""
        self.reload_successful.labels(scope).set(good)
        if good:
            self.reload_success_at.labels(scope).set(time.time())

    def swap_ended(self, result: str) -> None:
        """Count a change of a model's version or of the default model."""
        self.model_swaps.labels(result).inc()

    def evicted(self, reason: str) -> None:
        """Count a model that was unloaded."""
        self.model_evictions.labels(reason).inc()

    def ran_out_of_memory(self, model: str) -> None:
        """Count a job or a load of `model` that there was too little memory for."""
        self.worker_oom.labels(model).inc()

    def voice_refused(self, reason: str) -> None:
        """Count a recording that no voice is made of, by the code of the refusal."""
        self.voice_rejections.labels(reason if reason in VOICE_REJECTIONS else "other").inc()

    def generation_is(self, number: int, *, models: bool) -> None:
        """Record the current generation, and whether a model changed with it."""
        self.config_generation.set(number)
        if models:
            self.model_generation.set(number)

    def house_is(self, *, voices: int, invalid: int, lexicon_entries: int) -> None:
        """Record how many voices can be used, how many cannot, and the rules of the lexicon."""
        self.voices.labels("ready").set(voices)
        self.voices.labels("invalid").set(invalid)
        self.lexicon_entries.set(lexicon_entries)

    def paused_is(self, reason: str | None) -> None:
        """Record why speech is paused; one of PAUSES, None while it is not."""
        for known in PAUSES:
            self.paused.labels(known).set(known == reason)

    def card_is(self, figures: CardFigures, *, gpu: int = 0) -> None:
        """Record what the driver says of a card; there are no such figures until it answers."""
        self.gpu_used.labels(gpu).set(figures.used)
        self.gpu_total.labels(gpu).set(figures.total)
        self.gpu_ours.labels(gpu).set(figures.ours)
        self.gpu_foreign.labels(gpu).set(figures.foreign)

    def model_is(self, model: str, state: str) -> None:
        """Record the state that `model` is in now."""
        for name in MODEL_STATES:
            self.model_state.labels(model, name).set(name == state)
        self.worker_up.labels(model).set(state == "ready")

    def know_model(self, model: str) -> None:
        """Start the series of a model at zero, unless it is known already."""
        if model in self._models:
            return
        self._models.add(model)
        self.model_is(model, "unloaded")
        self.worker_start_time.labels(model).set(0)
        self.worker_heartbeat.labels(model).set(0)
        self.model_load_duration.labels(model)
        _touch(self.model_loads, (model,), ("ok", "failed"))
        _touch(self.worker_restarts, (model,), RESTARTS)
        _touch(self.engine_jobs, (model,), JOB_ENDS)
        for metric in (self.engine_jobs_started, self.engine_sentences, self.engine_steps):
            metric.labels(model)
        self.worker_oom.labels(model)

    def _start_at_zero(self) -> None:
        _touch(self.requests, OUTCOMES, PRIORITIES, FRONTENDS)
        _touch(self.rejections, REJECTIONS)
        _touch(self.stages, STAGES)
        for metric in (self.first_audio, self.duration, self.queue_wait, self.queue_length):
            _touch(metric, PRIORITIES)
        _touch(self.reloads, SCOPES, RELOADS)
        _touch(self.reload_duration, SCOPES)
        for scope in SCOPES:  # what was there at the start was taken
            self.reload_successful.labels(scope).set(1)
            self.reload_success_at.labels(scope).set_to_current_time()
        self.config_generation.set(1)
        self.model_generation.set(1)
        _touch(self.model_swaps, SWAPS)
        _touch(self.model_evictions, EVICTIONS)
        _touch(self.paused, PAUSES)
        _touch(self.voices, VOICE_STATES)
        _touch(self.voice_rejections, VOICE_REJECTIONS)

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
