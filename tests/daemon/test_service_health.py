"""Whether the daemon can speak, in every state that its parts can be in."""

from dataclasses import dataclass

import pytest

from indextts_daemon.service.health import STATES, Health, HealthReport
from indextts_daemon.service.pause import Pause
from indextts_daemon.worker.handle import WorkerState
from tests.daemon.rooms import StubModel, pool_of

READY, LOADING, FAILED = WorkerState.ready, WorkerState.loading, WorkerState.failed
UNLOADED = WorkerState.unloaded


@dataclass
class StubSynthesizer:
    draining: bool = False


@dataclass
class StubSettings:
    trouble: str = ""


@dataclass
class StubAbsence:
    away: bool

    @property
    def paused(self) -> Pause | None:
        return Pause(reason="Films", who="cli", since=0.0) if self.away else None

    def may_use_gpu(self, model: object) -> bool:
        return not self.away


def look(  # noqa: PLR0913 each is one thing that may stand in the way
    default: WorkerState,
    fallback: WorkerState | None = None,
    *,
    spoke: str | None = "",
    draining: bool = False,
    waiting: int = 0,
    away: bool = False,
    asleep: bool = False,
    fallback_asleep: bool = False,
    trouble: str = "",
) -> HealthReport:
    first = StubModel(id="big", knows=None, state=default, reason="It broke.", asleep=asleep)
    models = [first]
    if fallback is not None:
        models.append(StubModel(id="embedded", knows=None, state=fallback, asleep=fallback_asleep))
    first.queue._waiting.extend([None] * waiting)
    health = Health(
        pool_of(*models), StubSynthesizer(draining), StubAbsence(away=away), StubSettings(trouble)
    )
    health.spoke = spoke
    return health.report()


@pytest.mark.parametrize(
    ("report", "state", "can_speak"),
    [
        (look(READY), "ready", True),
        (look(READY, FAILED), "ready", True),
        (look(READY, spoke=None), "loading", False),
        (look(READY, spoke="It made silence."), "loading", False),
        (look(LOADING, spoke=None), "loading", False),
        (look(FAILED, READY), "degraded", True),
        (look(LOADING, READY), "degraded", True),
        (look(FAILED, READY, spoke=None), "loading", False),
        (look(FAILED, FAILED), "loading", False),
        (look(FAILED), "loading", False),
        (look(UNLOADED, LOADING), "loading", False),
        (look(READY, draining=True), "draining", False),
        (look(UNLOADED, READY, away=True), "paused", True),
        (look(UNLOADED, FAILED, away=True), "paused", False),
        (look(UNLOADED, UNLOADED, away=True), "paused", False),
        (look(UNLOADED, LOADING, away=True, fallback_asleep=True), "paused", False),
        (look(UNLOADED, UNLOADED, away=True, fallback_asleep=True), "paused", True),
        (look(UNLOADED, READY, asleep=True), "asleep", True),
        (look(LOADING, asleep=True), "loading", False),
        (look(FAILED, spoke=None, draining=True), "draining", False),
    ],
)
def test_the_state_says_whether_a_request_would_be_spoken(
    report: HealthReport, state: str, *, can_speak: bool
) -> None:
    assert report.state == state
    assert report.can_speak is can_speak


@pytest.mark.parametrize("state", WorkerState)
def test_only_a_ready_worker_passes_its_check(state: WorkerState) -> None:
    check = look(state).checks[0]
    assert (check.name, check.ok) == ("worker", state is READY)
    assert check.message == f"big {STATES[state]}. It broke."


def test_a_worker_that_is_away_for_a_pause_says_who_paused_it() -> None:
    check = look(UNLOADED, READY, away=True).checks[0]
    assert (check.name, check.ok) == ("worker", False)
    assert check.message == "big is away: the daemon is paused (by cli)."


@pytest.mark.parametrize("trouble", ["", "settings.yaml, line 1: no."])
def test_only_settings_that_count_pass_their_check(trouble: str) -> None:
    check = look(READY, trouble=trouble).checks[3]
    assert (check.name, check.ok) == ("config", not trouble)
    assert check.message == (trouble or "The settings are as they are written.")


@pytest.mark.parametrize(
    ("spoke", "ok", "message"),
    [
        (None, False, "It has not spoken yet."),
        ("It made silence.", False, "It made silence."),
        ("", True, "It has spoken."),
    ],
)
def test_only_sound_passes_the_check_of_the_voice(
    spoke: str | None, *, ok: bool, message: str
) -> None:
    check = look(READY, spoke=spoke).checks[1]
    assert (check.name, check.ok, check.message) == ("voice", ok, message)


@pytest.mark.parametrize(("waiting", "ok"), [(0, True), (1, True), (2, False), (3, False)])
def test_only_a_queue_with_room_passes_its_check(waiting: int, *, ok: bool) -> None:
    check = look(READY, waiting=waiting).checks[2]
    assert (check.name, check.ok) == ("queue", ok)
    assert check.message == f"0 are spoken, {waiting} of 2 wait."
