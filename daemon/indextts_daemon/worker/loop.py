"""The one loop that drives an engine: feeds it what is asked, sends on what its steps give."""

from collections.abc import Callable
import logging
import time
from typing import TypeVar

from indextts_daemon.errors import (
    BrokenEngineError,
    EngineUnavailableError,
    OutOfMemoryError,
    SpeechError,
)
from indextts_daemon.speech import (
    AudioChunk,
    Engine,
    Failed as JobFailed,
    Finished as JobFinished,
    JobId,
    Relievable,
    Sentence,
    SpeechRequest,
    StepResult,
    Wakeable,
)

from .protocol import (
    LOAD_JOB,
    Append,
    Audio,
    Cancel,
    Cancelled,
    Command,
    End,
    Failed,
    Finished,
    Start,
    Stop,
)
from .wire import Wire

_LOG = logging.getLogger(__name__)
_FULL_SCALE = 1.001  # a hair over 1.0: rounding in float32 is no fault
_WARM_UP = "1, 2, 3."  # read aloud in every language
_WARM_UP_S = 30.0  # of speech: more of it is no end in sight

Made = TypeVar("Made")


class EngineLoop:
    """Works with the wire's inbox and counters."""

    def __init__(self, engine: Engine, wire: Wire) -> None:
        self._engine = engine
        self._wire = wire
        self._live: set[JobId] = set()
        self._short: set[JobId] = set()  # live ones that there was too little memory for
        self._stopping = False

    def warm_up(self) -> None:
        """Speak once to nobody, so that the first listener does not wait for cold caches.

        Raises EngineUnavailableError, and what steps raise.
        """
        voice = self._engine.info.voices[0]
        self._engine.start(LOAD_JOB, SpeechRequest(language=voice.languages[0]), voice)
        self._engine.append(LOAD_JOB, Sentence.plain(_WARM_UP))
        self._engine.end(LOAD_JOB)
        spoken_s = 0.0
        while spoken_s < _WARM_UP_S and (results := self._engine.step()):
            for _, outcome in results:
                if isinstance(outcome, JobFinished):
                    return
                if isinstance(outcome, JobFailed) or not _is_sound(outcome):
                    raise EngineUnavailableError("The model could not speak a first sentence.")
                spoken_s += outcome.samples.size / outcome.sample_rate
        raise EngineUnavailableError("The model never came to the end of a first sentence.")

    def run(self) -> None:
        """Work until stopped and the live jobs are spoken.

        Raises BrokenEngineError, and OutOfMemoryError when less at once was not enough.
        """
        idle, seen = True, None
        while not (self._stopping and not self._live):
            commands, seen = self._wire.inbox.take(seen=seen if idle else None)
            for command in commands:
                self._carry_out(command)
            idle = not (self._live and self._step())

    def _carry_out(self, command: Command) -> None:
        match command:
            case Start(job=job):
                self._start(command)
            case Append(job=job, sentence=sentence) if job in self._live:
                self._wire.counters["sentences"] += 1
                self._engine.append(job, sentence)
            case End(job=job) if job in self._live:
                self._engine.end(job)
            case Cancel(job=job):
                if job in self._live:
                    self._engine.cancel(job)
                    self._close(job, "jobs_cancelled")
                self._wire.send(Cancelled(job=job))
            case Stop():
                self._stopping = True

    def _start(self, command: Start) -> None:
        refusal = JobFailed(code="synthesis_failed", message="The engine failed on a job.")
        try:
            self._thriftily(
                lambda: self._engine.start(command.job, command.request, command.voice),
                {command.job},
            )
        except (BrokenEngineError, OutOfMemoryError):
            raise
        except SpeechError as err:
            refusal = JobFailed(code=err.error_code, message=err.message)
        except Exception as err:  # noqa: BLE001 - as in a step
            _LOG.error("A job could not be started: %s.", type(err).__name__)
        else:
            self._open(command.job)
            return
        self._short.discard(command.job)
        self._wire.counters["jobs_failed"] += 1
        self._wire.send_counters()
        self._wire.send(Failed(job=command.job, code=refusal.code, message=refusal.message))

    def _open(self, job: JobId) -> None:
        self._live.add(job)
        self._wire.counters["jobs_started"] += 1
        self._wire.counters["live_jobs"] += 1

    def _close(self, job: JobId, counter: str) -> None:
        """Count a job's end; what was counted is told before the end itself is."""
        self._live.discard(job)
        self._short.discard(job)
        self._wire.counters[counter] += 1
        self._wire.counters["live_jobs"] -= 1
        self._wire.send_counters()

    def _step(self) -> bool:
        """Let the engine take one step; tell whether anything came of it."""
        engine = self._engine
        begun_at = engine.busy_since if isinstance(engine, Wakeable) else None
        self._wire.step_started_at = time.monotonic() if begun_at is None else begun_at
        try:
            results = self._thriftily(self._engine.step, self._live)
        except (BrokenEngineError, OutOfMemoryError):
            raise
        except Exception as err:  # noqa: BLE001 - whatever a model's code throws costs its jobs only
            _LOG.error("A step failed: %s.", type(err).__name__)
            results = self._fail_all()
        finally:
            self._wire.step_started_at = None
        self._wire.counters["steps"] += 1
        for job, outcome in results:
            if job in self._live:
                self._report(job, outcome)
        return bool(results)

    def _thriftily(self, work: Callable[[], Made], jobs: set[JobId]) -> Made:
        """Do work for these jobs; where memory runs out, once more with less of it.

        Raises OutOfMemoryError when that is not enough, and what `work` raises.
        """
        while True:
            try:
                return work()
            except OutOfMemoryError as err:
                short = jobs if err.job is None else {JobId(err.job)}
            # Only now is the error gone, and with it what its frames hold.
            self._wire.counters["out_of_memory"] += 1
            again = not short.isdisjoint(self._short)
            self._short |= short
            if again or not (isinstance(self._engine, Relievable) and self._engine.relieve()):
                raise OutOfMemoryError("The memory is full, even with less at once.")
            _LOG.warning("The memory was full; from now on there is less at once.")

    def _fail_all(self) -> StepResult:
        for job in self._live:
            self._engine.cancel(job)
        failed = JobFailed(code="synthesis_failed", message="The engine failed on a step.")
        return [(job, failed) for job in self._live]

    def _report(self, job: JobId, outcome: AudioChunk | JobFinished | JobFailed) -> None:
        match outcome:
            case AudioChunk() if _is_sound(outcome):
                self._wire.counters["chunks"] += 1
                self._wire.send(Audio(job=job, chunk=outcome))
            case AudioChunk():
                self._engine.cancel(job)
                self._close(job, "jobs_failed")
                message = "The engine made samples that are not audio."
                self._wire.send(Failed(job=job, code="bad_audio", message=message))
            case JobFailed(code=code, message=message):
                self._wire.counters["out_of_memory"] += code == "out_of_memory"
                self._close(job, "jobs_failed")
                self._wire.send(Failed(job=job, code=code, message=message))
            case JobFinished():
                self._close(job, "jobs_finished")
                self._wire.send(Finished(job=job))


def _is_sound(chunk: AudioChunk) -> bool:
    """Tell audio from NaN, infinities and what is far over full scale."""
    samples = chunk.samples
    if not samples.size:
        return True
    return bool(samples.min() >= -_FULL_SCALE and samples.max() <= _FULL_SCALE)
