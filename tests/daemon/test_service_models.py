"""A model's process: started when first needed, replaced when it dies, gone at the end."""

import asyncio
from collections.abc import Iterator
import os
import signal
import time
from typing import Any

import pytest

from indextts_daemon.errors import EngineUnavailableError, ModelNotFoundError, QueueFullError
from indextts_daemon.service import models
from indextts_daemon.service.events import Event
from indextts_daemon.speech import Sentence, SpeechRequest
from tests.daemon.rooms import (
    Backoff,
    RealModel,
    StubModel,
    info,
    is_running,
    pool_of,
    real_model,
    until,
    voice,
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


def states(changes: asyncio.Queue[Event]) -> list[object]:
    return [changes.get_nowait().data["state"] for _ in range(changes.qsize())]


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
            worker = await here.model.ready(timeout_s=30)
            assert states(changes) == ["loading", "warming", "ready"]
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


async def test_many_who_need_it_at_once_share_one_process() -> None:
    async with real_model() as here:
        workers = await asyncio.gather(*(here.model.ready(timeout_s=30) for _ in range(5)))
        assert len(set(map(id, workers))) == 1
        assert await here.model.ready(timeout_s=0) is workers[0]
        assert here.figure("model_loads_total", result="ok") == 1


async def test_a_killed_process_is_replaced_and_requests_wait_for_it(backoff: Backoff) -> None:
    async with real_model() as here:
        await here.model.ready(timeout_s=30)
        for kills in (1, 2):
            killed = here.pid
            os.kill(killed, signal.SIGKILL)
            await until(lambda: str(here.model.state) != "ready")
            assert here.model.info is not None  # what it can do is known still
            assert not here.model.load_failed
            await here.model.ready(timeout_s=30)
            assert here.pid != killed
            assert not is_running(killed)
            assert here.figure("worker_restarts_total", reason="crash") == kills
        assert here.model.reason is None
        assert backoff.asked == [0, 1, 2]
        assert state_in_figures(here) == ["ready"]


async def test_why_a_process_was_lost_is_told_until_the_next_is_there(
    no_second_start: None,
) -> None:
    async with real_model() as here:
        worker = await here.model.ready(timeout_s=30)
        assert worker.info is not None
        worker.submit(
            SpeechRequest(language="en"),
            worker.info.voices[0],
            [Sentence(raw="{{crash}}", normalized="")],
        )
        await until(lambda: here.model.worker is None)
        assert here.model.reason == "Its process ended (crash) and is being replaced."
        assert state_in_figures(here) == [str(here.model.state)] == ["unloaded"]
        assert here.figure("worker_up") == 0
        with pytest.raises(EngineUnavailableError, match=r"not ready\. Its process ended"):
            await here.model.ready(timeout_s=0.05)


async def test_a_process_that_hangs_is_replaced(backoff: Backoff) -> None:
    async with real_model(step_timeout_s=0.5) as here:
        worker = await here.model.ready(timeout_s=30)
        assert worker.info is not None
        worker.submit(
            SpeechRequest(language="en"),
            worker.info.voices[0],
            [Sentence(raw="{{hang}}", normalized="")],
        )
        await until(lambda: here.figure("worker_restarts_total", reason="hang") == 1)
        assert await here.model.ready(timeout_s=30) is not worker


async def test_a_steady_worker_starts_the_backoff_anew(
    backoff: Backoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with real_model() as here:
        await here.model.ready(timeout_s=30)
        os.kill(here.pid, signal.SIGKILL)
        await until(lambda: backoff.asked == [0, 1])
        await here.model.ready(timeout_s=30)
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
            await here.model.ready(timeout_s=30)
        await until(lambda: here.model.worker is None)
        assert here.model.load_failed
        assert str(here.model.state) == "failed"
        assert here.model.reason == "The settings ask the fake engine to fail."
        assert state_in_figures(here) == ["failed"]
        assert here.figure("model_loads_total", result="failed") == 1
        assert here.figure("model_loads_total", result="ok") == 0
        async with asyncio.timeout(10):
            with pytest.raises(EngineUnavailableError, match=r"does not load\..+ to fail") as err:
                await here.model.ready(timeout_s=3600)
        assert err.value.retry_after_s == 30


async def test_a_model_that_loads_at_last_is_ready_again(backoff: Backoff) -> None:
    options: dict[str, Any] = {"load": "fail"}
    async with real_model(options=options) as here:
        with pytest.raises(EngineUnavailableError):
            await here.model.ready(timeout_s=30)
        options["load"] = ""
        await until(lambda: not here.model.load_failed)
        await here.model.ready(timeout_s=30)
        assert here.model.reason is None
        assert backoff.asked == list(range(len(backoff.asked)))
        assert len(backoff.asked) > 1


async def test_a_slow_load_outlives_the_patience_of_who_asked() -> None:
    async with real_model(options={"load": "slow", "load_s": 0.5}) as here:
        with pytest.raises(EngineUnavailableError, match="still loading") as refused:
            await here.model.ready(timeout_s=0.01)
        assert refused.value.error_code == "loading"
        assert refused.value.retry_after_s == 5
        await here.model.ready(timeout_s=30)
        assert here.figure("model_loads_total", result="ok") == 1


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
            await here.model.ready(timeout_s=30)
        async with asyncio.timeout(10):
            await here.model.close()
        assert str(here.model.state) in {"unloaded", "failed"}
        await here.model.close()


async def test_closing_what_was_never_started_is_harmless() -> None:
    async with real_model() as here:
        await here.model.close()
        assert here.model.worker is None


def pool(*, default: str = "big") -> models.ModelPool:
    big = StubModel(
        id="big", knows=None, info=info("big", voice("heart", "en", "de"), voice("lotus", "zh"))
    )
    small = StubModel(
        id="small", knows=None, info=info("small", voice("heart", "en"), voice("pico", "fr"))
    )
    return pool_of(*((big, small) if default == "big" else (small, big)))


def test_a_pool_knows_its_models_by_id() -> None:
    both = pool()
    assert [model.id for model in both] == ["big", "small"]
    assert both.get("small").id == "small"
    assert both.default.id == "big"
    with pytest.raises(ModelNotFoundError, match=r"Known are: big, small\.") as refused:
        both.get("zork")
    assert refused.value.param == "model"


@pytest.mark.parametrize(
    ("default", "ids", "languages"),
    [
        ("big", ["heart", "lotus", "pico"], ("en", "de")),
        ("small", ["heart", "pico", "lotus"], ("en",)),
    ],
)
def test_of_two_voices_with_one_id_the_default_models_is_meant(
    default: str, ids: list[str], languages: tuple[str, ...]
) -> None:
    voices = pool(default=default).voices()
    assert list(voices) == ids
    assert voices["heart"].languages == languages


def test_a_model_that_was_never_loaded_has_no_voices_yet() -> None:
    both = pool()
    both.default.info = None
    assert list(both.voices()) == ["heart", "pico"]
    assert both.revision() is None


def test_the_revision_changes_with_what_is_heard_and_with_nothing_else() -> None:
    def revision(*voices: Any, weights: str = "weights") -> str | None:
        knows = info("big", *voices)
        changed = type(knows)(
            **{name: getattr(knows, name) for name in knows.__slots__} | {"revision": weights}
        )
        return pool_of(StubModel(id="big", knows=None, info=changed)).revision()

    heart, lotus = voice("heart", "en"), voice("lotus", "zh")
    first = revision(heart, lotus)
    assert first is not None
    assert len(first) == 16
    assert revision(lotus, heart) == first
    assert revision(heart, voice("lotus", "zh", revision="2")) != first
    assert revision(heart) != first
    assert revision(heart, lotus, weights="others") != first


def test_the_revision_changes_when_texts_are_read_differently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = pool()
    first = both.revision()
    monkeypatch.setattr(models, "TEXT_RULES_VERSION", "next")
    assert both.revision() != first


async def test_a_bounded_crowd_waits_side_by_side_while_it_loads() -> None:
    async with real_model(capacity=2, options={"load": "slow"}) as here:
        crowd = [asyncio.create_task(here.model.ready(timeout_s=30)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError, match="2 requests wait for the model fake to load"):
            await here.model.ready(timeout_s=30)
        assert len({id(worker) for worker in await asyncio.gather(*crowd)}) == 1
        assert await here.model.ready()


async def test_a_closed_model_is_not_started_again() -> None:
    async with real_model() as here:
        await here.model.close()
        here.model.keep()
        with pytest.raises(EngineUnavailableError):
            await here.model.ready(timeout_s=0.1)
        assert here.model.worker is None
