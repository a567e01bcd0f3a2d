"""The parent's side of a worker, against real child processes with the fake engine."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
import os
import signal
import threading

import numpy as np
import pytest

from indextts_daemon.errors import EngineUnavailableError, SynthesisError
from indextts_daemon.speech import Sentence, SpeechRequest
from indextts_daemon.worker.handle import (
    JobStream,
    WorkerEnd,
    WorkerHandle,
    WorkerSpec,
    WorkerState,
)
from indextts_daemon.worker.process import WorkerProcess
from tests.daemon.fake_audio import assert_spoken_by_fake

REQUEST = SpeechRequest(language="en", seed=7)
MINUTE = "x" * 1000  # 60 s at the fake engine's 60 ms a character
Starter = Callable[..., Awaitable[WorkerHandle]]


def sentence(text: str) -> Sentence:
    return Sentence(raw=text, normalized=text)


def submit(worker: WorkerHandle, *texts: str, voice: int = 0, end: bool = True) -> JobStream:
    assert worker.info is not None
    sentences = [sentence(text) for text in texts]
    return worker.submit(REQUEST, worker.info.voices[voice], sentences, end=end)


async def whole(stream: JobStream) -> np.ndarray:
    return np.concatenate([chunk.samples async for chunk in stream])


async def eventually(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
async def start() -> AsyncIterator[Starter]:
    """Start workers that are stopped after the test."""
    handles: list[WorkerHandle] = []

    async def starter(**changes: object) -> WorkerHandle:
        spec = {"model": "fake", "engine": "fake", **changes}
        handles.append(WorkerHandle(WorkerSpec(**spec)))  # type: ignore[arg-type]
        await handles[-1].start()
        return handles[-1]

    yield starter
    pids = [handle.pid for handle in handles if handle.pid]
    await asyncio.gather(*(handle.stop(timeout_s=0) for handle in handles))
    assert not [pid for pid in pids if is_running(pid)]


async def test_a_worker_becomes_ready_through_loading_and_warming() -> None:
    states: list[WorkerState] = []
    worker = WorkerHandle(WorkerSpec(model="fake", engine="fake"), on_state=states.append)
    info = await worker.start()
    await worker.stop(timeout_s=5)
    assert info.id == "fake"
    assert [str(state) for state in states] == [
        *("loading", "warming", "ready"),
        *("draining", "unloaded"),
    ]
    assert worker.reason is None
    assert await worker.wait_closed() is WorkerEnd.stopped


async def test_every_sample_of_a_job_arrives(start: Starter) -> None:
    worker = await start()
    samples = await whole(submit(worker, "Good morning.", "The kettle is on."))
    assert_spoken_by_fake(samples, ["Good morning.", "The kettle is on."], tag=1, seed=7)


async def test_sixteen_jobs_at_once_never_mix(start: Starter) -> None:
    worker = await start()
    texts = [[f"Sentence {part} of job {job}." for part in range(3)] for job in range(16)]
    streams = [submit(worker, *text, voice=job) for job, text in enumerate(texts)]
    spoken = await asyncio.gather(*map(whole, streams))
    for job, samples in enumerate(spoken):
        assert_spoken_by_fake(samples, texts[job], tag=job + 1, seed=7)


async def test_text_may_follow_while_the_job_is_spoken(start: Starter) -> None:
    worker = await start()
    stream = submit(worker, "First.", end=False)
    chunks = [(await anext(stream)).samples]
    stream.append(sentence("Second."))
    stream.end()
    samples = np.concatenate([*chunks, await whole(stream)])
    assert_spoken_by_fake(samples, ["First.", "Second."], tag=1, seed=7)


async def test_cancel_stops_a_minute_of_speech_within_a_step(start: Starter) -> None:
    worker = await start(options={"step_sleep_s": 0.01})
    stream = submit(worker, MINUTE)
    await anext(stream)
    stream.cancel()
    stream.cancel()
    assert [chunk async for chunk in stream] == []
    await eventually(lambda: _rests(worker))
    stats = await worker.stats()
    assert (stats["jobs_cancelled"], stats["live_jobs"]) == (1, 0)
    assert stats["steps"] < 600
    await asyncio.sleep(0.05)
    assert (await worker.stats())["steps"] == stats["steps"]


async def test_leaving_a_stream_early_cancels(start: Starter) -> None:
    worker = await start(options={"step_sleep_s": 0.01})
    async with submit(worker, MINUTE) as stream:
        async for _ in stream:
            break
    await eventually(lambda: _rests(worker))
    assert (await worker.stats())["jobs_cancelled"] == 1


async def test_a_finished_job_may_be_cancelled_without_effect(start: Starter) -> None:
    worker = await start()
    stream = submit(worker, "Done.")
    await whole(stream)
    stream.cancel()
    assert_spoken_by_fake(await whole(submit(worker, "Next.")), ["Next."], tag=1, seed=7)
    assert (await worker.stats())["jobs_cancelled"] == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [("{{fail zork}}", "zork"), ("{{nan}}", "bad_audio"), ("", "nothing_to_say")],
)
async def test_a_failed_job_keeps_its_code_and_costs_only_itself(
    start: Starter, text: str, code: str
) -> None:
    worker = await start()
    healthy = submit(worker, "I go on.")
    with pytest.raises(SynthesisError) as failure:
        await whole(submit(worker, text))
    assert failure.value.error_code == code
    assert_spoken_by_fake(await whole(healthy), ["I go on."], tag=1, seed=7)


async def test_a_killed_worker_fails_its_jobs_after_what_it_said(start: Starter) -> None:
    worker = await start(options={"step_sleep_s": 0.01})
    stream = submit(worker, MINUTE)
    await anext(stream)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(EngineUnavailableError) as failure:
        await whole(stream)
    assert failure.value.error_code == "worker_lost"
    assert await worker.wait_closed() is WorkerEnd.crash
    assert worker.state is WorkerState.failed
    assert worker.reason == "The worker ended unexpectedly (signal SIGKILL)."
    with pytest.raises(EngineUnavailableError):
        submit(worker, "Hello?")


async def test_a_signal_without_a_name_is_told_by_its_number(start: Starter) -> None:
    worker = await start()
    stream = submit(worker, "{{sleep 60}}")
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGRTMIN + 6)
    with pytest.raises(EngineUnavailableError, match=rf"signal {signal.SIGRTMIN + 6}\b"):
        await whole(stream)
    assert await worker.wait_closed() is WorkerEnd.crash
    assert worker.state is WorkerState.failed


async def test_a_fault_while_watching_the_process_leaves_nobody_waiting(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(process: WorkerProcess) -> int:
        watched.append(process)
        await asked.wait()
        raise RuntimeError

    watched: list[WorkerProcess] = []
    asked = asyncio.Event()
    monkeypatch.setattr(WorkerProcess, "wait", wait)
    worker = await start()
    pid, stream = worker.pid, submit(worker, "{{sleep 60}}")
    asked.set()
    with pytest.raises(EngineUnavailableError):
        await whole(stream)
    with pytest.raises(RuntimeError):
        await worker.wait_closed()
    assert (worker.state, worker.pid) == (WorkerState.failed, None)
    assert pid is not None
    await eventually(lambda: not is_running(pid))
    await watched[0]._running.wait()  # or the loop is closed before it is told


async def test_a_crashed_worker_can_be_started_anew(start: Starter) -> None:
    worker = await start()
    with pytest.raises(EngineUnavailableError):
        await whole(submit(worker, "{{crash}}"))
    assert await worker.wait_closed() is WorkerEnd.crash
    await worker.start()
    assert worker.reason is None
    assert_spoken_by_fake(await whole(submit(worker, "Back.")), ["Back."], tag=1, seed=7)


async def test_a_step_without_end_is_a_hang(start: Starter) -> None:
    worker = await start(step_timeout_s=0.5)
    with pytest.raises(EngineUnavailableError) as failure:
        await whole(submit(worker, "{{hang}}"))
    assert failure.value.error_code == "worker_lost"
    assert await worker.wait_closed() is WorkerEnd.hang
    assert worker.reason == "One step of the engine took over 0.5 s."


async def test_a_stopped_heart_is_a_hang(start: Starter) -> None:
    worker = await start(step_timeout_s=0.5)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    async with asyncio.timeout(15):
        assert await worker.wait_closed() is WorkerEnd.hang
    assert worker.reason == "The worker was silent for 3 s."


async def test_a_slow_step_is_no_hang(start: Starter) -> None:
    worker = await start(step_timeout_s=10)
    stream = submit(worker, "{{sleep 1.5}}Slow.")
    assert_spoken_by_fake(await whole(stream), ["{{sleep 1.5}}Slow."], tag=1, seed=7)
    assert worker.heartbeat_at is not None


@pytest.mark.parametrize(
    ("options", "end", "reason"),
    [
        ({"load": "fail"}, "load_failed", "The settings ask the fake engine to fail."),
        ({"load": "crash"}, "crash", "The worker ended unexpectedly (exit code 70)."),
        ({"load": "hang"}, "hang", "Loading took longer than 0.5 s."),
        ({"load": "oom"}, "load_failed", "The memory is full: the model needs more than is free."),
    ],
)
async def test_a_load_that_fails_says_why(
    options: dict[str, object], end: str, reason: str
) -> None:
    spec = WorkerSpec(
        model="fake",
        engine="fake",
        options=options,
        load_timeout_s=0.5 if end == "hang" else 20,
    )
    worker = WorkerHandle(spec)
    with pytest.raises(
        EngineUnavailableError, match=reason.replace("(", r"\(").replace(")", r"\)")
    ):
        await worker.start()
    assert worker.state is WorkerState.failed
    assert worker.reason == reason
    assert await worker.wait_closed() == end


async def test_an_unknown_engine_fails_to_load() -> None:
    worker = WorkerHandle(WorkerSpec(model="m", engine="zork"))
    with pytest.raises(EngineUnavailableError, match="no engine 'zork'"):
        await worker.start()


async def test_stopping_ends_a_load_at_once() -> None:
    worker = WorkerHandle(WorkerSpec(model="fake", engine="fake", options={"load": "hang"}))
    loading = asyncio.create_task(worker.start())
    await eventually(lambda: worker.pid is not None)
    async with asyncio.timeout(10):
        await worker.stop(timeout_s=30)
    with pytest.raises(EngineUnavailableError):
        await loading
    assert await worker.wait_closed() is WorkerEnd.stopped


async def test_giving_up_a_load_leaves_no_process() -> None:
    worker = WorkerHandle(WorkerSpec(model="fake", engine="fake", options={"load": "hang"}))
    loading = asyncio.create_task(worker.start())
    await eventually(lambda: worker.pid is not None)
    pid = worker.pid
    loading.cancel()
    await asyncio.wait({loading})
    assert loading.cancelled()
    assert await worker.wait_closed() is WorkerEnd.stopped
    assert pid is not None
    assert not is_running(pid)


async def test_stop_lets_live_jobs_be_spoken(start: Starter) -> None:
    worker = await start(options={"step_sleep_s": 0.01})
    stream = submit(worker, "These are my last words.")
    await worker.stop(timeout_s=20)
    assert_spoken_by_fake(await whole(stream), ["These are my last words."], tag=1, seed=7)
    assert await worker.wait_closed() is WorkerEnd.stopped


async def test_stop_does_not_wait_for_ever(start: Starter) -> None:
    worker = await start()
    stream = submit(worker, "{{hang}}")
    async with asyncio.timeout(15):
        await asyncio.gather(worker.stop(timeout_s=0.2), worker.stop(timeout_s=0.2))
    with pytest.raises(EngineUnavailableError):
        await whole(stream)
    assert worker.state is WorkerState.unloaded
    await worker.stop(timeout_s=0.2)


async def test_a_terminal_interrupt_leaves_the_worker_alone(start: Starter) -> None:
    worker = await start()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGINT)
    assert_spoken_by_fake(
        await whole(submit(worker, "Still here.")), ["Still here."], tag=1, seed=7
    )


async def test_a_worker_takes_its_niceness_from_the_spec(start: Starter) -> None:
    worker = await start(nice=3)
    assert worker.pid is not None
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == min(19, ours + 3)


async def test_stats_answer_while_a_step_runs(start: Starter) -> None:
    worker = await start()
    stream = submit(worker, "{{sleep 1}}Slow.")
    await eventually(lambda: _is_live(worker))
    assert (await worker.stats())["steps"] == 0
    await whole(stream)


async def _is_live(worker: WorkerHandle) -> bool:
    return (await worker.stats())["live_jobs"] == 1


async def _rests(worker: WorkerHandle) -> bool:
    return (await worker.stats())["live_jobs"] == 0


async def test_stats_of_a_dead_worker_are_refused(start: Starter) -> None:
    worker = await start()
    await worker.stop(timeout_s=5)
    with pytest.raises(EngineUnavailableError):
        await worker.stats()


async def test_a_worker_that_sends_nonsense_is_ended(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    stream = submit(worker, "Hello.")
    monkeypatch.setattr("indextts_daemon.worker.protocol.MAX_FRAME", 10)
    with pytest.raises(EngineUnavailableError):
        await whole(stream)
    assert await worker.wait_closed() is WorkerEnd.crash
    assert worker.reason == "The worker ended unexpectedly (it sent nonsense)."


async def test_what_a_worker_holds_is_known_once_it_is_ready(start: Starter) -> None:
    asked: list[int] = []

    def gpu_bytes(pid: int) -> int:
        asked.append(pid)
        return 5 << 30

    spec = WorkerSpec(model="fake", engine="fake", options={"memory_mib": 64})
    large = WorkerHandle(spec, gpu_bytes=gpu_bytes)
    assert await large.held() is None
    await large.start()
    small = await start()
    try:
        assert asked == [large.pid]
        before, other = large.footprint, small.footprint
        assert before is not None
        assert other is not None
        assert (before.gpu, other.gpu) == (5 << 30, None)
        assert (before.scarce, other.scarce) == (5 << 30, other.resident)
        assert 60 <= (before.resident - other.resident) >> 20 <= 70
        await whole(submit(large, "{{oom once}}Give it back."))
        after = await large.held()
        assert after is not None
        assert before.resident - after.resident > 50 << 20
    finally:
        await large.stop(timeout_s=0)
    assert await large.held() is None


async def test_a_driver_that_hangs_keeps_no_worker_from_being_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gpu_bytes(_: int) -> int:
        asked.set()
        answers.wait()
        return 5 << 30

    monkeypatch.setattr("indextts_daemon.worker.handle._MEASURE_S", 0.05)
    asked, answers = threading.Event(), threading.Event()
    worker = WorkerHandle(WorkerSpec(model="fake", engine="fake"), gpu_bytes=gpu_bytes)
    try:
        async with asyncio.timeout(30):
            await worker.start()
        assert asked.is_set()
        assert (worker.state, worker.footprint) == (WorkerState.ready, None)
    finally:
        answers.set()
        await worker.stop(timeout_s=0)


async def test_patience_with_a_load_may_be_changed_while_it_lasts() -> None:
    hanging = loading({"load": "hang"}, load_timeout_s=60)
    slow = loading({"load": "slow", "load_s": 1}, load_timeout_s=0.5)
    starts = [asyncio.create_task(worker.start()) for worker in (hanging, slow)]
    await eventually(lambda: hanging.pid is not None and slow.pid is not None)
    hanging.patience(load_timeout_s=0.6)
    slow.patience(load_timeout_s=60, step_timeout_s=7)
    with pytest.raises(EngineUnavailableError, match=r"longer than 0\.6 s"):
        await starts[0]
    assert await hanging.wait_closed() is WorkerEnd.hang
    assert (await starts[1]).id == "fake"
    await slow.stop(timeout_s=0)
    assert (slow.spec.load_timeout_s, slow.spec.step_timeout_s) == (60, 7)


def loading(options: Mapping[str, object], *, load_timeout_s: float) -> WorkerHandle:
    spec = WorkerSpec(model="fake", engine="fake", options=options, load_timeout_s=load_timeout_s)
    return WorkerHandle(spec)


async def test_patience_with_a_step_may_be_changed_while_it_lasts(start: Starter) -> None:
    worker = await start()
    stream = submit(worker, "{{hang}}")
    await eventually(lambda: _is_live(worker))
    worker.patience(step_timeout_s=0.5)
    with pytest.raises(EngineUnavailableError):
        await whole(stream)
    assert await worker.wait_closed() is WorkerEnd.hang
    assert worker.reason == "One step of the engine took over 0.5 s."
