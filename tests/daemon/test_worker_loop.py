"""The engine loop, with engines that misbehave as no packaged one does."""

from collections.abc import Callable
import socket
import time
import weakref

import numpy as np
import pytest

from indextts_daemon.errors import (
    BrokenEngineError,
    EngineUnavailableError,
    OutOfMemoryError,
    VoiceNotFoundError,
)
from indextts_daemon.posix import socket_pair
from indextts_daemon.speech import (
    AudioChunk,
    Failed as JobFailed,
    Finished as JobFinished,
    JobId,
    ModelInfo,
    Sentence,
    SpeechRequest,
    StepResult,
    Voice,
)
from indextts_daemon.worker.loop import EngineLoop
from indextts_daemon.worker.protocol import (
    Append,
    Audio,
    Cancel,
    Cancelled,
    Command,
    End,
    Failed,
    Finished,
    FrameReader,
    Message,
    Start,
    Stats,
    Stop,
)
from indextts_daemon.worker.wire import Wire

VOICE = Voice(id="v", name="V", languages=("en",), models=("m",), revision="1")
INFO = ModelInfo(
    id="m",
    engine="m",
    name="M",
    revision="1",
    voices=(VOICE,),
    parameters=frozenset(),
    max_jobs=2,
)
ONE, TWO = JobId(1), JobId(2)


class ScriptedEngine:
    """Lets a function of the live jobs make each step."""

    info = INFO

    def __init__(self, step: Callable[[list[JobId]], StepResult]) -> None:
        self._step = step
        self.live: list[JobId] = []

    def start(self, job: JobId, request: SpeechRequest, voice: Voice) -> None:
        self.live.append(job)

    def append(self, job: JobId, sentence: Sentence) -> None:
        pass

    def end(self, job: JobId) -> None:
        pass

    def cancel(self, job: JobId) -> None:
        self.live.remove(job)

    def step(self) -> StepResult:
        results = self._step(list(self.live))
        for job, outcome in results:
            if not isinstance(outcome, AudioChunk):
                self.live.remove(job)
        return results

    def close(self) -> None:
        pass


def job(number: JobId) -> list[Command]:
    return [
        Start(job=number, request=SpeechRequest(language="en"), voice=VOICE),
        Append(job=number, sentence=Sentence(raw="a", normalized="a")),
        End(job=number),
    ]


def all_said(engine: ScriptedEngine, *commands: Command) -> tuple[list[Message], Wire]:
    """Run the loop on these commands to its end; return what it reported."""
    ours, theirs = socket_pair()
    with ours, theirs:
        wire = Wire(theirs)
        for command in (*commands, Stop()):
            wire.inbox.put(command)
        EngineLoop(engine, wire).run()
        theirs.shutdown(socket.SHUT_WR)
        reader, messages = FrameReader(), list[Message]()
        while count := ours.recv_into(reader.get_buffer()):
            messages += reader.received(count)
        return messages, wire


def work(engine: ScriptedEngine, *commands: Command) -> tuple[list[Message], Wire]:
    """Do the same; leave out the counters."""
    messages, wire = all_said(engine, *commands)
    return [message for message in messages if not isinstance(message, Stats)], wire


def chunk(*values: float) -> AudioChunk:
    return AudioChunk(samples=np.array(values, np.float32), sample_rate=24000)


def test_a_step_that_raises_fails_its_jobs_and_the_worker_goes_on() -> None:
    steps = iter([RuntimeError("spoken text"), None])

    def step(live: list[JobId]) -> StepResult:
        fault = next(steps)
        if fault:
            raise fault
        return [(each, JobFinished()) for each in live]

    engine = ScriptedEngine(step)
    messages, _ = work(engine, *job(ONE))
    failure = Failed(job=ONE, code="synthesis_failed", message="The engine failed on a step.")
    assert messages == [failure]
    assert engine.live == []
    messages, _ = work(engine, *job(TWO))
    assert messages == [Finished(job=TWO)]


def test_an_engine_that_is_broken_ends_the_worker() -> None:
    def step(live: list[JobId]) -> StepResult:
        raise BrokenEngineError("The card failed.")

    with pytest.raises(BrokenEngineError):
        work(ScriptedEngine(step), *job(ONE))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.5, -1.5])
def test_samples_that_are_not_audio_end_the_job(value: float) -> None:
    engine = ScriptedEngine(lambda live: [(each, chunk(0.5, value)) for each in live])
    messages, wire = work(engine, *job(ONE))
    assert [(type(each), getattr(each, "code", None)) for each in messages] == [
        (Failed, "bad_audio")
    ]
    assert wire.counters["jobs_failed"] == 1
    assert engine.live == []


@pytest.mark.parametrize(
    ("outcome", "counter"),
    [(JobFinished(), "finished"), (JobFailed(code="x", message=""), "failed")],
)
def test_what_was_counted_is_told_before_the_end_of_a_job(
    outcome: JobFinished | JobFailed, counter: str
) -> None:
    engine = ScriptedEngine(lambda live: [(each, outcome) for each in live])
    (told, end), wire = all_said(engine, *job(ONE))
    assert told == Stats(counters=dict(wire.counters))
    assert (wire.counters["jobs_started"], wire.counters[f"jobs_{counter}"]) == (1, 1)
    assert isinstance(end, Finished | Failed)


def test_a_cancelled_job_is_counted_before_that_is_acknowledged() -> None:
    engine = ScriptedEngine(lambda live: [(each, JobFinished()) for each in live])
    messages, wire = all_said(engine, *job(ONE), Cancel(job=ONE))
    assert messages == [Stats(counters=dict(wire.counters)), Cancelled(job=ONE)]
    assert wire.counters["jobs_cancelled"] == 1


class ThreadedEngine(ScriptedEngine):
    """Has been at something since a while ago."""

    busy_since: float | None = None

    def wake(self) -> None:
        pass


def test_a_step_of_an_engine_with_threads_began_with_the_oldest_of_their_work() -> None:
    told: list[float | None] = []

    def step(live: list[JobId]) -> StepResult:
        told.append(wire.step_started_at)
        engine.busy_since = 12.5
        return [(each, JobFinished()) for each in live] if len(told) > 1 else [(ONE, chunk(0.5))]

    engine = ThreadedEngine(step)
    ours, theirs = socket_pair()
    with ours, theirs:
        wire = Wire(theirs)
        for command in (*job(ONE), Stop()):
            wire.inbox.put(command)
        before = time.monotonic()
        EngineLoop(engine, wire).run()
    assert told[0] is not None
    assert told[0] >= before
    assert told[1:] == [12.5]
    assert wire.step_started_at is None


def test_full_scale_is_audio() -> None:
    script = iter([chunk(1.0, -1.0), chunk(), JobFinished()])
    engine = ScriptedEngine(lambda live: [(each, next(script)) for each in live])
    messages, wire = work(engine, *job(ONE))
    assert [type(each) for each in messages] == [Audio, Audio, Finished]
    assert wire.counters["chunks"] == 2


def test_every_cancel_is_acknowledged() -> None:
    engine = ScriptedEngine(lambda live: [(each, JobFinished()) for each in live])
    messages, wire = work(engine, *job(ONE), Cancel(job=ONE), Cancel(job=ONE), Cancel(job=TWO))
    assert messages == [Cancelled(job=ONE), Cancelled(job=ONE), Cancelled(job=TWO)]
    assert (wire.counters["jobs_cancelled"], wire.counters["steps"]) == (1, 0)


def test_text_for_a_job_that_is_over_is_ignored() -> None:
    engine = ScriptedEngine(lambda live: [(each, JobFinished()) for each in live])
    late = Append(job=ONE, sentence=Sentence(raw="b", normalized="b"))
    messages, wire = work(engine, *job(ONE), Cancel(job=ONE), late, End(job=ONE))
    assert messages == [Cancelled(job=ONE)]
    assert wire.counters["sentences"] == 1


def test_a_first_sentence_that_fails_fails_the_load() -> None:
    engine = ScriptedEngine(lambda live: [(each, JobFailed(code="x", message="")) for each in live])
    ours, theirs = socket_pair()
    with ours, theirs, pytest.raises(EngineUnavailableError, match="first sentence"):
        EngineLoop(engine, Wire(theirs)).warm_up()


def test_a_first_sentence_that_never_ends_fails_the_load() -> None:
    ours, theirs = socket_pair()
    with ours, theirs, pytest.raises(EngineUnavailableError, match="never came to the end"):
        EngineLoop(ScriptedEngine(lambda _: []), Wire(theirs)).warm_up()


class ThriftyEngine(ScriptedEngine):
    """Has some memory to give back, so many times."""

    def __init__(self, step: Callable[[list[JobId]], StepResult], *, spare: int = 9) -> None:
        super().__init__(step)
        self.spare = spare
        self.relieved = 0

    def relieve(self) -> bool:
        self.relieved += 1
        return self.relieved <= self.spare


def short_of_memory(*steps: JobId | None) -> Callable[[list[JobId]], StepResult]:
    """Let these steps find no memory, for the job named if one is; any other step finishes."""
    due = list(steps)

    def step(live: list[JobId]) -> StepResult:
        if due:
            raise OutOfMemoryError("", job=due.pop(0))
        return [(each, JobFinished()) for each in live]

    return step


@pytest.mark.parametrize("short", [(ONE,), (None,), (ONE, TWO)])
def test_a_step_that_finds_no_memory_is_taken_once_more_with_less(
    short: tuple[JobId | None, ...],
) -> None:
    engine = ThriftyEngine(short_of_memory(*short))
    messages, wire = work(engine, *job(ONE), *job(TWO))
    assert messages == [Finished(job=ONE), Finished(job=TWO)]
    assert engine.relieved == wire.counters["out_of_memory"] == len(short)


@pytest.mark.parametrize("short", [(ONE, ONE), (None, None), (ONE, None), (TWO, ONE, TWO)])
def test_a_second_time_for_the_same_job_ends_the_worker(short: tuple[JobId | None, ...]) -> None:
    engine = ThriftyEngine(short_of_memory(*short))
    with pytest.raises(OutOfMemoryError):
        work(engine, *job(ONE), *job(TWO))
    assert engine.relieved == len(short) - 1


def test_a_job_that_was_short_of_memory_is_forgotten_with_its_end() -> None:
    full = [True, False, True, False]

    def step(live: list[JobId]) -> StepResult:
        if full.pop(0):
            raise OutOfMemoryError("", job=ONE)
        if full:
            for command in (*job(ONE), Stop()):  # the same number once more
                wire.inbox.put(command)
        return [(each, JobFinished()) for each in live]

    engine = ThriftyEngine(step)
    ours, theirs = socket_pair()
    with ours, theirs:
        wire = Wire(theirs)
        for command in job(ONE):
            wire.inbox.put(command)
        EngineLoop(engine, wire).run()
    assert (engine.relieved, full) == (2, [])


@pytest.mark.parametrize(
    "engine", [ScriptedEngine(short_of_memory(ONE)), ThriftyEngine(short_of_memory(ONE), spare=0)]
)
def test_an_engine_that_cannot_do_with_less_ends_the_worker(engine: ScriptedEngine) -> None:
    with pytest.raises(OutOfMemoryError):
        work(engine, *job(ONE))


def test_the_error_is_gone_before_memory_is_given_back() -> None:
    """It holds the frames that hold the memory."""
    held: list[weakref.ref[np.ndarray]] = []

    class Looking(ThriftyEngine):
        def relieve(self) -> bool:
            assert [each() for each in held] == [None]
            return super().relieve()

    def step(live: list[JobId]) -> StepResult:
        if held:
            return [(each, JobFinished()) for each in live]
        big = np.zeros(1)
        held.append(weakref.ref(big))
        raise OutOfMemoryError("")

    messages, _ = work(Looking(step), *job(ONE))
    assert messages == [Finished(job=ONE)]


class ReluctantEngine(ThriftyEngine):
    """Does not open a job before these faults are through."""

    def __init__(self, *faults: Exception) -> None:
        super().__init__(lambda live: [(each, JobFinished()) for each in live])
        self.faults = list(faults)

    def start(self, job: JobId, request: SpeechRequest, voice: Voice) -> None:
        if self.faults:
            raise self.faults.pop(0)
        super().start(job, request, voice)


def test_a_job_that_finds_no_memory_to_start_is_started_once_more() -> None:
    messages, wire = work(ReluctantEngine(OutOfMemoryError("")), *job(ONE))
    assert messages == [Finished(job=ONE)]
    assert (wire.counters["out_of_memory"], wire.counters["jobs_started"]) == (1, 1)
    with pytest.raises(OutOfMemoryError):
        work(ReluctantEngine(OutOfMemoryError(""), OutOfMemoryError("")), *job(ONE))


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (VoiceNotFoundError("No such voice."), "voice_not_found", "No such voice."),
        (ValueError("spoken text"), "synthesis_failed", "The engine failed on a job."),
    ],
)
def test_a_job_that_cannot_be_started_costs_no_other(
    fault: Exception, code: str, message: str
) -> None:
    messages, wire = work(ReluctantEngine(fault), *job(ONE), *job(TWO))
    assert messages == [Failed(job=ONE, code=code, message=message), Finished(job=TWO)]
    assert (wire.counters["jobs_failed"], wire.counters["live_jobs"]) == (1, 0)


def test_a_job_that_the_engine_gave_up_for_memory_is_counted() -> None:
    failed = JobFailed(code="out_of_memory", message="")
    engine = ScriptedEngine(lambda live: [(each, failed) for each in live])
    messages, wire = work(engine, *job(ONE))
    assert messages == [Failed(job=ONE, code="out_of_memory", message="")]
    assert wire.counters["out_of_memory"] == 1


def test_a_model_that_never_stops_does_not_warm_up_for_ever() -> None:
    second = AudioChunk(samples=np.zeros(24000, np.float32), sample_rate=24000)
    engine = ScriptedEngine(lambda live: [(each, second) for each in live])
    ours, theirs = socket_pair()
    with ours, theirs, pytest.raises(EngineUnavailableError, match="never came to the end"):
        EngineLoop(engine, Wire(theirs)).warm_up()
