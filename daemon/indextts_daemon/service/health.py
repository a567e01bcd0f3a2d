"""Whether the daemon can speak right now, and what stands in the way."""

from dataclasses import dataclass

from indextts_daemon.worker.handle import WorkerState

from .models import Model, ModelPool
from .synthesizer import Synthesizer

STATES = {
    WorkerState.unloaded: "is not loaded",
    WorkerState.loading: "is loading",
    WorkerState.warming: "is warming up",
    WorkerState.ready: "is ready",
    WorkerState.draining: "is stopping",
    WorkerState.failed: "did not load",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """`state` is ready, degraded, loading or draining; the first two can speak."""

    state: str
    checks: tuple[Check, ...]

    @property
    def can_speak(self) -> bool:
        """Whether a request made now should be spoken."""
        return self.state in {"ready", "degraded"}


class Health:
    """Looks at the models and the queue; remembers that the daemon has spoken to itself."""

    def __init__(self, pool: ModelPool, synthesizer: Synthesizer, *, fallback: Model) -> None:
        self._pool = pool
        self._synthesizer = synthesizer
        self._fallback = fallback
        self.spoke: str | None = None  # why the first words failed; "" once they sounded

    def report(self) -> HealthReport:
        """Look now."""
        default = self._pool.default
        queue = default.queue
        spoke = self.spoke == ""
        checks = (
            Check(
                name="worker",
                ok=default.state is WorkerState.ready,
                message=f"{default.name} {STATES[default.state]}. {default.reason or ''}".rstrip(),
            ),
            Check(
                name="voice",
                ok=spoke,
                message=self.spoke or ("It has spoken." if spoke else "It has not spoken yet."),
            ),
            Check(
                name="queue",
                ok=queue.has_room,
                message=f"{queue.in_flight} are spoken, {queue.waiting} of {queue.capacity} wait.",
            ),
        )
        return HealthReport(state=self._state(spoke=spoke), checks=checks)

    def _state(self, *, spoke: bool) -> str:
        if self._synthesizer.draining:
            return "draining"
        if not spoke:
            return "loading"
        if self._pool.default.state is WorkerState.ready:
            return "ready"
        return "degraded" if self._fallback.state is WorkerState.ready else "loading"
