"""Whether the daemon can speak right now, and what stands in the way."""

from dataclasses import dataclass
from typing import Protocol

from indextts_daemon.worker.handle import WorkerState

from .models import Model
from .pause import Pause
from .pool import ModelPool
from .routing import FALLBACK, Absence
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
    """`state` is ready, degraded, asleep, paused, loading or draining."""

    state: str
    can_speak: bool  # a request made now should be spoken
    checks: tuple[Check, ...]


class Away(Absence, Protocol):
    """Says for whom models had to leave the machine, too."""

    @property
    def paused(self) -> Pause | None:
        """The pause that is in force."""
        ...


class Trouble(Protocol):
    """Something that may be wrong."""

    @property
    def trouble(self) -> str:
        """What is wrong, in words; nothing where all is well."""
        ...


class Health:
    """Looks at the models and the queue; remembers that the daemon has spoken to itself."""

    def __init__(
        self, pool: ModelPool, synthesizer: Synthesizer, sharing: Away, settings: Trouble
    ) -> None:
        self._pool = pool
        self._synthesizer = synthesizer
        self._sharing = sharing
        self._settings = settings
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
                message=self._worker(),
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
            Check(
                name="config",
                ok=not self._settings.trouble,
                message=self._settings.trouble or "The settings are as they are written.",
            ),
        )
        state = self._state(spoke=spoke)
        return HealthReport(state=state, can_speak=self._can_speak(state), checks=checks)

    def _worker(self) -> str:
        default, pause = self._pool.default, self._sharing.paused
        if pause is not None and not self._sharing.may_use_gpu(default):
            return f"{default.name} is away: the daemon is paused (by {pause.who})."
        return f"{default.name} {STATES[default.state]}. {default.reason or ''}".rstrip()

    def _can_speak(self, state: str) -> bool:
        if state == "paused":
            stands_in = self._pool.settings.sharing.while_away == "embedded"
            fallback = self._fallback
            return stands_in and (fallback.state is WorkerState.ready or _sleeps(fallback))
        return state in {"ready", "degraded", "asleep"}

    @property
    def _fallback(self) -> Model:
        pool = self._pool
        return next((model for model in pool if model.id == FALLBACK), pool.default)

    def _state(self, *, spoke: bool) -> str:
        if self._synthesizer.draining:
            return "draining"
        if not spoke:
            return "loading"
        default = self._pool.default
        if not self._sharing.may_use_gpu(default):
            return "paused"
        if default.state is WorkerState.ready:
            return "ready"
        if _sleeps(default):
            return "asleep"
        return "degraded" if self._fallback.state is WorkerState.ready else "loading"


def _sleeps(model: Model) -> bool:
    """Whether the next request wakes it, as it has spoken before."""
    return model.asleep and model.state is WorkerState.unloaded
