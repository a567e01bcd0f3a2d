"""The worker process: one loop drives the engine, from `Load` to its end."""

import logging
import signal
import threading
import time

from indextts_daemon.engines import registry
from indextts_daemon.errors import (
    BrokenEngineError,
    EngineUnavailableError,
    SpeechError,
    place_of,
)
from indextts_daemon.posix import adopt_socket, lower_priority
from indextts_daemon.speech import (
    AudioChunk,
    Engine,
    Failed as JobFailed,
    Finished as JobFinished,
    JobId,
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
    Load,
    Progress,
    Ready,
    Start,
    Stop,
)
from .wire import Wire

_LOG = logging.getLogger(__name__)
_FULL_SCALE = 1.001  # a hair over 1.0: rounding in float32 is no fault
_WARM_UP = "1, 2, 3."  # read aloud in every language


class EngineLoop:
    """Feeds the engine from the wire's inbox and sends on what its steps give."""

    def __init__(self, engine: Engine, wire: Wire) -> None:
        self._engine = engine
        self._wire = wire
        self._live: set[JobId] = set()
        self._stopping = False

    def warm_up(self) -> None:
        """Speak once to nobody, so that the first listener does not wait for cold caches."""
        voice = self._engine.info.voices[0]
        self._engine.start(LOAD_JOB, SpeechRequest(language=voice.languages[0]), voice)
        self._engine.append(LOAD_JOB, Sentence.plain(_WARM_UP))
        self._engine.end(LOAD_JOB)
        while results := self._engine.step():
            for _, outcome in results:
                if isinstance(outcome, JobFinished):
                    return
                if isinstance(outcome, JobFailed) or not _is_sound(outcome):
                    raise EngineUnavailableError("The model could not speak a first sentence.")
        raise EngineUnavailableError("The model never came to the end of a first sentence.")

    def run(self) -> None:
        """Work until stopped and the live jobs are spoken. Raises BrokenEngineError."""
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
        try:
            self._engine.start(command.job, command.request, command.voice)
        except SpeechError as err:
            self._wire.counters["jobs_failed"] += 1
            self._wire.send_counters()
            self._wire.send(Failed(job=command.job, code=err.error_code, message=err.message))
            return
        self._live.add(command.job)
        self._wire.counters["jobs_started"] += 1
        self._wire.counters["live_jobs"] += 1

    def _close(self, job: JobId, counter: str) -> None:
        """Count a job's end; what was counted is told before the end itself is."""
        self._live.discard(job)
        self._wire.counters[counter] += 1
        self._wire.counters["live_jobs"] -= 1
        self._wire.send_counters()

    def _step(self) -> bool:
        """Let the engine take one step; tell whether anything came of it."""
        engine = self._engine
        begun_at = engine.busy_since if isinstance(engine, Wakeable) else None
        self._wire.step_started_at = time.monotonic() if begun_at is None else begun_at
        try:
            results = self._engine.step()
        except BrokenEngineError:
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


def main(socket_number: int) -> int:
    """Be a worker on an inherited socket until stopped or orphaned; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C goes to the whole group; the parent ends us
    logging.basicConfig(format="%(levelname)s worker: %(message)s")
    wire = Wire(adopt_socket(socket_number))
    threading.Thread(target=wire.listen, name="wire", daemon=True).start()
    (load, *_), _ = wire.inbox.take(seen=0)
    if not isinstance(load, Load):
        return 2
    lower_priority(load.nice)
    try:
        engine = registry.create(
            load.engine,
            load.options,
            lambda sentence: wire.send(Progress(state="loading", sentence=sentence)),
        )
        wire.send(Progress(state="warming", sentence="It speaks for the first time."))
        loop = EngineLoop(engine, wire)
        loop.warm_up()
    except SpeechError as err:
        wire.send(Failed(job=LOAD_JOB, code=err.error_code, message=err.message))
        return 1
    except Exception as err:  # noqa: BLE001 - whoever waits for the model is told in words
        message = f"The model cannot be loaded: {place_of(err)}."
        wire.send(Failed(job=LOAD_JOB, code="load_failed", message=message))
        return 1
    if isinstance(engine, Wakeable):
        wire.inbox.wake = engine.wake
    wire.ready = True
    wire.send(Ready(info=engine.info))
    try:
        loop.run()
    except BrokenEngineError as err:
        _LOG.error("%s", err)
        return 1
    engine.close()
    return 0
