"""The canary: who sings as a voice should is let in, and everybody else is not, with the reason."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from indextts_daemon.engines.embedded import create
from indextts_daemon.errors import EngineUnavailableError, SynthesisError
from indextts_daemon.service import canary
from indextts_daemon.service.baselines import Baselines
from indextts_daemon.service.canary import CanaryError, CanaryReport, sing
from indextts_daemon.service.golden_lines import GoldenLine, lines
from indextts_daemon.speech import (
    AudioChunk,
    Engine,
    Finished,
    JobId,
    ModelInfo,
    Samples,
    Sentence,
    SpeechRequest,
    Voice,
)
from indextts_daemon.worker.handle import WorkerHandle, WorkerSpec
from tests.daemon.rooms import StubWorker, info, voice

RATE = 24000
HEART = voice("heart", "en")
MODEL = info("big", HEART)


class Singer(StubWorker):
    """A worker that answers a line as it is told to, and is as patient as a real one."""

    def __init__(self, *answer: Any, step_timeout_s: float = 5.0) -> None:
        super().__init__(answer)
        self.spec = WorkerSpec(model="big", engine="big", step_timeout_s=step_timeout_s)


def chunk(samples: Any) -> AudioChunk:
    return AudioChunk(samples=np.asarray(samples, np.float32), sample_rate=RATE)


def hum(seconds: float = 2.5, *, hertz: float = 150, loud: float = 0.3) -> Samples:
    """Return something with a pitch and overtones, as a voice has."""
    moments = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * hertz * n * moments) / n for n in range(1, 12))
    return np.asarray(loud * wave / np.abs(wave).max(), np.float32)


async def sung(
    singer: Any,
    model: ModelInfo = MODEL,
    baselines: Baselines | None = None,
    told: list[str] | None = None,
) -> CanaryReport:
    say = (told if told is not None else list[str]()).append
    return await sing(singer, model, model.voices, baselines or Baselines(), say)


async def refused(singer: Any, **how: Any) -> CanaryError:
    with pytest.raises(CanaryError) as caught:
        await sung(singer, **how)
    assert caught.value.error_code == "canary_failed"
    assert all(problem.message in caught.value.message for problem in caught.value.problems)
    return caught.value


async def test_speech_is_let_in_and_measured() -> None:
    told: list[str] = []
    report = await sung(Singer(chunk(hum()), None), told=told)
    [line] = report.lines
    assert (line.language, line.voice, line.duration_s) == ("en", "heart", 2.5)
    assert line.peak == pytest.approx(0.3, abs=0.001)
    assert 0.05 < line.rms < line.peak
    assert (line.clipped_share, line.duration_ratio, line.likeness) == (0, None, None)
    assert told == ["It speaks to nobody: line 1 of 1."]
    assert json.loads(json.dumps(report.shape()))["lines"][0]["duration_s"] == 2.5


async def test_each_language_is_spoken_once_by_its_first_voice() -> None:
    singer = Singer(chunk(hum()), None)
    model = info("big", voice("ann", "en-GB", "fr"), voice("bob", "en-US", "de"), voice("c", "de"))
    report = await sung(singer, model)
    asked = [(request.language, who.id) for request, who, _ in singer.submitted]
    assert asked == [("en-GB", "ann"), ("fr", "ann"), ("de", "bob")]
    assert [line.language for line in report.lines] == ["en-GB", "fr", "de"]


FAULTY = {
    "silent": (np.zeros(60_000), "is silent"),
    "a click in silence": (np.eye(1, 60_000, 30_000)[0], "is silent"),
    "very faint": (hum(loud=0.0005), "is silent"),
    "cut off": (np.clip(hum(loud=3.0), -1, 1), "is distorted"),
    "a square wave": (np.sign(hum()), "is distorted"),
    "too short": (hum(0.5), "too short"),
    "too long": (hum(15.0), "too long"),
    "not a number": (np.append(hum(), np.nan), "is no sound"),
    "infinite": (np.append(hum(), np.inf), "is no sound"),
    "nothing": ([], "is no sound"),
}


@pytest.mark.parametrize(("samples", "reason"), FAULTY.values(), ids=FAULTY)
async def test_what_is_no_speech_is_refused_and_said_so(samples: Any, reason: str) -> None:
    error = await refused(Singer(chunk(samples), None))
    [problem] = error.problems
    assert reason in problem.message
    assert "English" in problem.message
    assert "kitchen" not in error.message


async def test_a_sample_that_touches_full_scale_is_no_distortion() -> None:
    samples = hum()
    samples[::1000] = 1.0
    samples[1::1000] = -1.0
    report = await sung(Singer(chunk(samples), None))
    assert report.lines[0].peak == 1.0
    assert report.lines[0].clipped_share == 0


async def test_who_never_ends_is_not_listened_to_for_longer_than_a_line_can_be() -> None:
    singer = Singer(*[chunk(hum(1.0))] * 600, ...)
    error = await refused(singer)
    assert "too long" in error.message
    assert [type(command).__name__ for command in singer.sent] == ["Cancel"]


async def test_who_says_nothing_is_not_waited_for_and_not_asked_again() -> None:
    singer = Singer(..., step_timeout_s=0.05)
    error = await refused(singer, model=info("big", voice("ann", "en", "de")))
    assert "did not come to an end" in error.message
    assert len(singer.submitted) == 1


@pytest.mark.parametrize("ends", [True, False])
async def test_a_fault_of_the_engine_is_told_in_its_words(*, ends: bool) -> None:
    fault = (EngineUnavailableError if ends else SynthesisError)("The card has fallen off.")
    singer = Singer(fault)
    error = await refused(singer, model=info("big", voice("ann", "en", "de")))
    assert "The card has fallen off." in error.message
    assert len(singer.submitted) == (1 if ends else 2)


async def test_a_model_without_a_voice_is_refused() -> None:
    error = await refused(Singer(), model=info("big"))
    assert "no voice" in error.message


async def test_what_is_slower_than_speech_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=iter([0.0, 10.0]).__next__)
    monkeypatch.setattr(canary, "time", clock)
    told: list[str] = []
    report = await sung(Singer(chunk(hum()), None), told=told)
    assert "4.0 seconds for a second of speech" in told[-1]
    assert report.lines[0].took_s == 10


async def learned(samples: Samples, *voices: Voice) -> Baselines:
    baselines = Baselines()
    report = await sung(Singer(chunk(samples), None), info("big", *(voices or (HEART,))))
    baselines.learn(report.said)
    return baselines


async def test_against_its_baseline_a_voice_is_measured() -> None:
    report = await sung(Singer(chunk(hum(3.0)), None), baselines=await learned(hum()))
    [line] = report.lines
    assert line.duration_ratio == 1.2
    assert line.likeness is not None
    assert line.likeness > 0.9


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (hum(1.4), "0.56 times as long"),
        (hum(5.0), "2 times as long"),
        (hum(hertz=300), "does not sound like"),
    ],
)
async def test_who_sounds_otherwise_than_this_very_voice_did_is_refused(
    samples: Samples, reason: str
) -> None:
    error = await refused(Singer(chunk(samples), None), baselines=await learned(hum()))
    assert reason in error.message


async def test_with_other_weights_the_difference_is_only_told() -> None:
    baselines = await learned(hum(), voice("heart", "en", revision="0"))
    report = await sung(Singer(chunk(hum(5.0, hertz=300)), None), baselines=baselines)
    assert report.lines[0].duration_ratio == 2
    assert report.lines[0].likeness is not None
    assert report.lines[0].likeness < 0.5


@asynccontextmanager
async def fake_worker(**options: Any) -> AsyncIterator[WorkerHandle]:
    worker = WorkerHandle(
        WorkerSpec(model="fake", engine="fake", options=options, step_timeout_s=10)
    )
    try:
        await worker.start()
        yield worker
    finally:
        await worker.stop(timeout_s=0)


async def heard(worker: WorkerHandle, baselines: Baselines | None = None) -> CanaryReport:
    assert worker.info is not None
    return await sung(worker, worker.info, baselines)


async def test_the_fake_engine_is_let_in_in_every_generation() -> None:
    baselines = Baselines()
    for generation in (0, 1, 32767):
        async with fake_worker(generation=generation) as worker:
            report = await heard(worker, baselines)
            assert {line.language for line in report.lines} == {"en", "de", "zh"}
            assert all(line.clipped_share == 0 for line in report.lines)
            baselines.learn(report.said)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sound": "silent"}, "is silent"),
        ({"sound": "clipped"}, "is distorted"),
        ({"sound": "nan"}, "not audio"),
        ({"sound": "endless"}, "too long"),
        ({"dies_after": 1}, "ended unexpectedly"),
        ({"seconds_per_character": 0.005}, "too short"),
    ],
    ids=str,
)
async def test_a_fake_engine_that_is_broken_is_refused(
    options: dict[str, object], reason: str
) -> None:
    async with fake_worker(**options) as worker:
        assert worker.info is not None
        assert reason in (await refused(worker, model=worker.info)).message


async def test_a_version_that_talks_twice_as_slowly_is_refused_once_the_voice_is_known() -> None:
    baselines = Baselines()
    async with fake_worker() as worker:
        baselines.learn((await heard(worker, baselines)).said)
    async with fake_worker(seconds_per_character=0.12) as worker:
        assert worker.info is not None
        error = await refused(worker, model=worker.info, baselines=baselines)
        assert "2 times as long" in error.message


async def test_after_the_canary_the_worker_has_no_job_left() -> None:
    async with fake_worker(sound="endless") as worker:
        assert worker.info is not None
        await refused(worker, model=worker.info)
        assert (await worker.stats())["live_jobs"] == 0


def spoken(engine: Engine, line: GoldenLine) -> float:
    """Speak a line; return for how many seconds."""
    job, seconds = JobId(1), 0.0
    engine.start(job, SpeechRequest(language=line.language), line.voice)
    engine.append(job, Sentence.plain(line.text))
    engine.end(job)
    while True:
        for _, outcome in engine.step():
            if not isinstance(outcome, AudioChunk):
                assert isinstance(outcome, Finished)
                return seconds
            seconds += len(outcome.samples) / outcome.sample_rate


def test_real_speech_in_six_languages_lies_well_within_the_bounds() -> None:
    engine = create({})
    lengths = {line: spoken(engine, line) for line in lines(engine.info.voices)}
    engine.close()
    roots = {line.language.partition("-")[0] for line in lengths}
    assert {"de", "en", "es", "fr", "it"} <= roots
    for line, seconds in lengths.items():
        assert 1.5 * line.shortest_s < seconds < line.longest_s / 1.5, (line.language, seconds)
