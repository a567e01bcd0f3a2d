"""A model's process: started when first needed, replaced when it dies, gone at the end."""

import asyncio
from collections.abc import Iterator
import os
import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from indextts_daemon.errors import EngineUnavailableError, QueueFullError
from indextts_daemon.service import models
from indextts_daemon.service.events import Event
from indextts_daemon.speech import Sentence, SpeechRequest
from indextts_daemon.worker.handle import WorkerEnd, WorkerHandle
from tests.daemon.rooms import (
    Backoff,
    RealModel,
    is_running,
    real_model,
    until,
)

STATES = ("unloaded", "loading", "warming", "ready", "draining", "failed")


@pytest.fixture
def backoff(monkeypatch: pytest.MonkeyPatch) -> Backoff:
    pauses = Backoff()
    monkeypatch.setattr(models, "BACKOFF_S", pauses)
    return pauses


@pytest.fixture
def no_second_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "BACKOFF_S", (0.0, 3600.0))


def children() -> set[int]:
    pid = os.getpid()
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
        return {int(child) for child in file.read().split()}


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


async def enter(here: RealModel) -> None:
    async with here.model.queue.place("interactive"):
        here.model.speaker()


async def speak(here: RealModel, text: str) -> str:
    async with here.model.queue.place("interactive"):
        worker = here.model.speaker()
        assert worker.info is not None
        stream = worker.submit(
            SpeechRequest(language="en"), worker.info.voices[0], [Sentence(raw=text, normalized="")]
        )
        try:
            async for _ in stream:
                pass
        except EngineUnavailableError as err:
            return err.error_code
        return "spoken"


def states(changes: asyncio.Queue[Event]) -> list[object]:
    events = [changes.get_nowait() for _ in range(changes.qsize())]
    return [event.data["state"] for event in events if event.name == "model"]


def state_in_figures(here: RealModel) -> list[str]:
    return [state for state in STATES if here.figure("model_state", state=state)]


async def test_a_model_has_no_process_until_one_is_needed() -> None:
    async with real_model() as here:
        assert (here.model.worker, here.model.info, str(here.model.state)) == (
            None,
            None,
            "unloaded",
        )
        assert state_in_figures(here) == ["unloaded"]
        before = children()
        with here.events.subscribe() as changes:
            worker = await here.model.ready()
            said = [changes.get_nowait() for _ in range(changes.qsize())]
        assert [event.data["state"] for event in said if event.name == "model"] == [
            *("loading", "warming", "ready")
        ]
        progress = [event.data["message"] for event in said if event.name == "progress"]
        assert progress == ["It loads: as usual.", "It speaks for the first time."]
        assert here.pid in children() - before
        assert here.model.worker is worker
        assert here.model.info is not None
        assert here.model.info.id == "fake"
        assert here.model.queue.slots == here.model.info.max_jobs == 16
        assert state_in_figures(here) == ["ready"]
        assert here.figure("worker_up") == 1
        assert here.figure("model_loads_total", result="ok") == 1
        assert here.figure("model_load_duration_seconds_count") == 1
        started_at = here.figure("worker_start_time_seconds")
        assert started_at is not None
        assert abs(time.time() - started_at) < 60


async def test_a_model_whose_memory_nobody_tells_speaks_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hang(_: int) -> None:
        asked.append(None)
        answers.wait(60)

    asked: list[None] = []
    answers = threading.Event()
    monkeypatch.setattr("indextts_daemon.worker.handle._MEASURE_S", 0.05)
    monkeypatch.setattr(models, "held_by", hang)
    try:
        async with real_model() as here, asyncio.timeout(30):
            await here.model.ready()
            assert (here.model.memory_bytes, len(asked)) == (None, 1)
            assert await speak(here, "Hello.") == "spoken"
    finally:
        answers.set()


async def test_many_who_need_it_at_once_share_one_process() -> None:
    async with real_model() as here:
        workers = await asyncio.gather(*(here.model.ready() for _ in range(5)))
        assert len(set(map(id, workers))) == 1
        assert await here.model.ready() is workers[0]
        assert here.figure("model_loads_total", result="ok") == 1


async def test_a_killed_process_is_replaced_and_requests_wait_for_it(backoff: Backoff) -> None:
    async with real_model() as here:
        await here.model.ready()
        for kills in (1, 2):
            killed = here.pid
            os.kill(killed, signal.SIGKILL)
            await until(lambda: str(here.model.state) != "ready")
            assert here.model.info is not None  # what it can do is known still
            assert not here.model.load_failed
            await here.model.ready()
            assert here.pid != killed
            assert not is_running(killed)
            assert here.figure("worker_restarts_total", reason="crash") == kills
        assert here.model.reason is None
        assert backoff.asked == [0, 1, 2]
        assert state_in_figures(here) == ["ready"]


async def test_who_asks_after_others_were_turned_away_waits_for_it_to_be_back() -> None:
    async with real_model() as here:
        await here.model.ready()
        await here.model.unload(timeout_s=5, turn_away=True)
        await here.model.ready()


async def test_who_asks_while_it_is_unloaded_is_served_by_the_next_one() -> None:
    async with real_model() as here:
        old = await here.model.ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(here.model.unload(timeout_s=1))
            while here.model.queue.slots:  # noqa: ASYNC110 nothing tells us
                await asyncio.sleep(0)
            asking = [tasks.create_task(here.model.ready()) for _ in range(5)]
        assert here.figure("model_loads_total", result="failed") == 0
        assert {task.result() for task in asking} == {here.model.worker}
        assert here.model.worker is not old


async def test_why_a_process_was_lost_is_told_until_the_next_is_there(
    no_second_start: None,
) -> None:
    async with real_model(hold_s=0.05) as here:
        here.model.keep()
        await until(lambda: here.model.queue.slots)
        worker = await here.model.ready()
        assert worker.info is not None
        worker.submit(
            SpeechRequest(language="en"),
            worker.info.voices[0],
            [Sentence(raw="{{crash}}", normalized="")],
        )
        await until(lambda: here.model.worker is None)
        assert (
            here.model.reason
            == "The worker ended unexpectedly (exit code 70). It is being replaced."
        )
        assert state_in_figures(here) == [str(here.model.state)] == ["unloaded"]
        assert here.figure("worker_up") == 0
        with pytest.raises(EngineUnavailableError, match=r"not ready\. The worker ended"):
            await here.model.ready()


async def test_a_process_that_hangs_is_replaced(backoff: Backoff) -> None:
    async with real_model(step_timeout_s=0.5) as here:
        worker = await here.model.ready()
        assert worker.info is not None
        worker.submit(
            SpeechRequest(language="en"),
            worker.info.voices[0],
            [Sentence(raw="{{hang}}", normalized="")],
        )
        await until(lambda: here.figure("worker_restarts_total", reason="hang") == 1)
        assert await here.model.ready() is not worker


async def test_a_steady_worker_starts_the_backoff_anew(
    backoff: Backoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with real_model() as here:
        await here.model.ready()
        os.kill(here.pid, signal.SIGKILL)
        await until(lambda: backoff.asked == [0, 1])
        await here.model.ready()
        monkeypatch.setattr(models, "STEADY_S", 0.0)
        os.kill(here.pid, signal.SIGKILL)
        await until(lambda: backoff.asked == [0, 1, 0])


def test_the_backoff_grows_and_the_first_replacement_is_at_once() -> None:
    pauses = list(models.BACKOFF_S)
    assert pauses == sorted(pauses)
    assert pauses[:2] == [0, 0]  # at once, and at once again after the first loss
    assert pauses[-1] > pauses[2] > 0


async def test_a_model_that_does_not_load_says_why_and_refuses_at_once(
    no_second_start: None,
) -> None:
    async with real_model(options={"load": "fail"}) as here:
        with pytest.raises(EngineUnavailableError, match="settings ask the fake engine to fail"):
            await here.model.ready()
        await until(lambda: here.model.worker is None)
        assert here.model.load_failed
        assert str(here.model.state) == "failed"
        assert here.model.reason == "The settings ask the fake engine to fail."
        assert state_in_figures(here) == ["failed"]
        assert here.figure("model_loads_total", result="failed") == 1
        assert here.figure("model_loads_total", result="ok") == 0
        async with asyncio.timeout(10):
            with pytest.raises(EngineUnavailableError, match=r"does not load\..+ to fail") as err:
                await here.model.ready()
        assert 3590 < err.value.retry_after_s <= 3600  # when it will be tried again


async def test_while_it_is_tried_again_it_still_says_why_it_did_not_load(backoff: Backoff) -> None:
    begun, again = asyncio.Queue[None](), asyncio.Event()

    async def prepare(_say: object) -> dict[str, object]:
        begun.put_nowait(None)
        if begun.qsize() == 2:
            await again.wait()
        return {}

    casting: Any = SimpleNamespace(prepare=prepare, recast=None)
    async with real_model(options={"load": "fail"}, casting=casting) as here:
        here.model.keep()
        await until(lambda: begun.qsize() == 2)
        assert here.model.reason == "The settings ask the fake engine to fail."
        with pytest.raises(EngineUnavailableError, match=r"does not load\..+ to fail"):
            await here.model.ready()
        here.model._say("It looks for its files.")
        assert here.model.reason == "It looks for its files."
        with pytest.raises(EngineUnavailableError, match=r"does not load\..+ to fail"):
            await here.model.ready()


async def test_a_model_that_loads_at_last_is_ready_again(backoff: Backoff) -> None:
    options: dict[str, Any] = {"load": "fail"}
    async with real_model(options=options) as here:
        with pytest.raises(EngineUnavailableError):
            await here.model.ready()
        options["load"] = ""
        await until(lambda: not here.model.load_failed)
        await here.model.ready()
        assert here.model.reason is None
        assert backoff.asked == list(range(len(backoff.asked)))
        assert len(backoff.asked) > 1


async def test_a_model_that_dies_while_it_is_unloaded_is_no_failure_and_wakes_again(
    backoff: Backoff,
) -> None:
    options: dict[str, Any] = {}
    async with real_model(options=options) as here:
        await here.model.ready()
        options["load"] = "fail"
        os.kill(here.pid, signal.SIGKILL)
        await until(lambda: here.model.load_failed)
        await here.model.unload(timeout_s=0)
        assert (str(here.model.state), here.model.reason) == ("unloaded", None)
        assert not here.model.load_failed
        assert here.model.wakes_soon
        options["load"] = ""
        await here.model.ready()
        assert str(here.model.state) == "ready"


async def test_a_slow_load_outlives_the_patience_of_who_asked() -> None:
    async with real_model(hold_s=0.01, options={"load": "slow", "load_s": 0.5}) as here:
        with pytest.raises(EngineUnavailableError, match="still loading") as refused:
            await here.model.ready()
        assert refused.value.error_code == "loading"
        await until(lambda: here.model.queue.slots)
        await here.model.ready()
        assert here.figure("model_loads_total", result="ok") == 1


async def test_how_long_a_load_will_take_is_guessed_from_the_last_one(
    no_second_start: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1000.0
    monkeypatch.setattr(models, "BACKOFF_S", (0.0, 0.0))
    monkeypatch.setattr(models, "time", SimpleNamespace(monotonic=lambda: clock, time=time.time))
    options: dict[str, Any] = {"load": "slow", "load_s": 0.2}
    async with real_model(hold_s=0.0, options=options) as here:

        async def retry_after_s() -> float:
            with pytest.raises(EngineUnavailableError) as refused:
                await here.model.ready()
            assert here.model.queue.retry_after_s() == refused.value.retry_after_s
            return refused.value.retry_after_s

        assert await retry_after_s() == 1  # it has only just begun
        clock = 1042.0
        assert await retry_after_s() == 42  # never measured: as long again as so far
        await until(lambda: here.model.queue.slots)
        options["load"] = "hang"
        os.kill(here.pid, signal.SIGKILL)
        await until(lambda: str(here.model.state) == "loading")
        assert await retry_after_s() == 42
        clock += 40
        assert await retry_after_s() == 2
        clock += 12
        assert await retry_after_s() == 10  # overdue


@pytest.mark.parametrize("load", ["", "hang", "fail", "crash"])
async def test_closing_leaves_no_process_whatever_it_was_doing(
    load: str, no_second_start: None
) -> None:
    async with real_model(options={"load": load}) as here:
        here.model.keep()
        if load in {"fail", "crash"}:
            await until(lambda: here.model.load_failed)
        elif load == "hang":
            await until(lambda: here.model.worker is not None and here.model.worker.pid)
        else:
            await here.model.ready()
        async with asyncio.timeout(10):
            await here.model.close()
        assert str(here.model.state) in {"unloaded", "failed"}
        await here.model.close()


async def test_closing_what_was_never_started_is_harmless() -> None:
    async with real_model() as here:
        await here.model.close()
        assert here.model.worker is None


async def test_a_bounded_crowd_waits_side_by_side_while_it_loads() -> None:
    async with real_model(capacity=2, options={"load": "slow"}) as here:
        crowd = [asyncio.create_task(here.model.ready()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError, match="2 requests are waiting already"):
            await here.model.ready()
        critical = asyncio.create_task(here.model.ready("critical"))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await here.model.ready("critical")
        assert len({id(worker) for worker in await asyncio.gather(*crowd, critical)}) == 1
        assert await here.model.ready()


async def test_a_crowd_before_a_replacement_waits_in_one_line_and_is_refused_side_by_side(
    backoff: Backoff,
) -> None:
    options: dict[str, Any] = {"load": ""}
    async with real_model(capacity=4, hold_s=0.5, options=options) as here:
        here.model.keep()
        await until(lambda: here.model.queue.slots)
        options["load"] = "hang"
        async with here.model.queue.place("interactive"):
            os.kill(here.pid, signal.SIGKILL)
            await until(lambda: not here.model.queue.slots)
        crowd = [asyncio.create_task(enter(here)) for _ in range(5)]
        began = time.monotonic()
        refusals = await asyncio.gather(*crowd, return_exceptions=True)
        assert time.monotonic() - began < 5 * 0.5  # nobody waited for another to give up
        kinds = [type(refusal) for refusal in refusals]
        assert kinds == [EngineUnavailableError] * 4 + [QueueFullError]
        assert here.model.queue.waiting == here.model.queue.in_flight == 0


async def test_who_waits_while_the_process_is_lost_is_served_by_the_next(backoff: Backoff) -> None:
    async with real_model(capacity=20) as here:
        await here.model.ready()
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            for _ in range(here.model.queue.slots):
                tasks.create_task(speak(here, "{{sleep 60}}"))
            await until(lambda: here.model.queue.in_flight == here.model.queue.slots)
            waiting = tasks.create_task(speak(here, "Hello."))
            await until(lambda: here.model.queue.waiting)
            os.kill(here.pid, signal.SIGKILL)
            assert await waiting == "spoken"
        assert here.figure("worker_restarts_total", reason="crash") == 1


async def test_a_load_that_fails_is_told_to_all_who_wait_at_once(no_second_start: None) -> None:
    async with real_model(hold_s=3600.0, options={"load": "fail"}) as here:
        async with asyncio.timeout(20):
            crowd = [here.model.ready() for _ in range(3)]
            refusals = await asyncio.gather(*crowd, return_exceptions=True)
        assert [type(refusal) for refusal in refusals] == [EngineUnavailableError] * 3
        assert {str(refusal) for refusal in refusals} == {
            "The model fake does not load. The settings ask the fake engine to fail."
        }


async def test_what_the_engine_counts_is_added_up_over_its_processes(backoff: Backoff) -> None:
    async with real_model() as here:
        for texts in (("Hello.", "{{fail zork}}", "{{crash}}"), ("Again.",)):
            await here.model.ready()
            for text in texts:
                await asyncio.wait({asyncio.create_task(speak(here, text))})
        assert here.figure("engine_jobs_total", outcome="finished") == 2
        assert here.figure("engine_jobs_total", outcome="failed") == 1
        assert here.figure("engine_jobs_total", outcome="cancelled") == 0
        assert here.figure("engine_jobs_started_total") == 3  # the crash was told by nobody
        assert here.figure("engine_sentences_total") == 3
        steps = here.figure("engine_steps_total")
        assert steps is not None
        assert here.model.worker is not None
        assert steps > (await here.model.worker.stats())["steps"] > 0


async def test_a_fault_of_the_daemon_costs_the_process_and_not_the_model(
    backoff: Backoff, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def wait_closed(worker: WorkerHandle) -> WorkerEnd:
        faults.append(worker.pid)
        monkeypatch.undo()
        raise ValueError("spoken text")

    faults: list[int | None] = []
    async with real_model() as here:
        monkeypatch.setattr(WorkerHandle, "wait_closed", wait_closed)
        await until(lambda: not here.model.keep() and faults)
        await until(lambda: here.model.worker is not None and here.model.worker.pid not in faults)
        await here.model.ready()
        assert faults[0] is not None
        assert not is_running(faults[0])
    assert "model fake is started anew: ValueError in test_service_models.py:" in caplog.text
    assert "spoken text" not in caplog.text


async def test_a_closed_model_is_not_started_again() -> None:
    async with real_model(hold_s=3600.0) as here:
        await here.model.close()
        here.model.keep()
        with pytest.raises(EngineUnavailableError):
            await here.model.ready()
        assert here.model.worker is None
