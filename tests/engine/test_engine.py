"""The engine with a tiny model as published: what a job says, and what that does not hang on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from indextts_daemon.engines import registry
from indextts_daemon.engines.indextts import engine as room
from indextts_daemon.engines.indextts.engine import IndexTTSEngine, create
from indextts_daemon.engines.indextts.text_front import TextFrontEnd
from indextts_daemon.errors import (
    BrokenEngineError,
    EngineUnavailableError,
    SynthesisError,
    VoiceNotFoundError,
)
from indextts_daemon.speech import (
    EMOTIONS,
    AudioChunk,
    Emotion,
    Failed,
    Finished,
    JobId,
    Samples,
    Sentence,
    SpeechRequest,
)
from tests.engine import parity
from tests.engine.conftest import SETS
from tests.engine.parity import ParitySet, Record
from tests.engine.serving import enrolled, furnish, model_id

TEXT = Sentence.plain("light on.")
BAD = Sentence.plain("light off.")
PLAIN = SpeechRequest(language="en")

pytestmark = pytest.mark.skipif(not SETS, reason="no golden vectors")


@pytest.fixture(scope="module", params=SETS)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what a worker is told of each set's model, with its voices enrolled."""
    place = parity.folder()
    assert place is not None
    golden = ParitySet(place / request.param, Record())
    data_dir = tmp_path_factory.mktemp("data")
    options = enrolled(golden, data_dir, furnish(golden, data_dir))
    return model_id(golden), options


@pytest.fixture(scope="module")
def engine(told: tuple[str, Mapping[str, Any]]) -> IndexTTSEngine:
    return create(told[1])


def begin(
    engine: IndexTTSEngine,
    job: int,
    *sentences: Sentence,
    voice: str = "lena",
    request: SpeechRequest = PLAIN,
) -> JobId:
    voices = {known.id: known for known in engine.info.voices}
    engine.start(JobId(job), request, voices[voice])
    for sentence in sentences:
        engine.append(JobId(job), sentence)
    engine.end(JobId(job))
    return JobId(job)


def heard(engine: IndexTTSEngine, *jobs: JobId) -> dict[JobId, Samples]:
    """Step until the jobs are finished; return what each said."""
    said: dict[JobId, list[Samples]] = {job: [] for job in jobs}
    open_jobs = set(jobs)
    while open_jobs:
        results = engine.step()
        assert results, "nothing can go on"
        for job, outcome in results:
            if isinstance(outcome, AudioChunk):
                said[job].append(outcome.samples)
            else:
                assert isinstance(outcome, Finished), outcome
                open_jobs.remove(job)
    return {job: np.concatenate(parts) for job, parts in said.items()}


def said(engine: IndexTTSEngine, *sentences: Sentence, **how: Any) -> Samples:
    job = begin(engine, 1, *sentences, **how)
    return heard(engine, job)[job]


def test_it_says_what_it_is(engine: IndexTTSEngine, told: tuple[str, Any]) -> None:
    assert engine.info.id == told[0]
    assert [voice.id for voice in engine.info.voices] == ["heart", "lena", "otto"]
    assert engine.info.parameters >= {"speed", "seed", "emotion"}


def test_the_same_request_gives_the_same_samples_whatever_ran_before(
    engine: IndexTTSEngine,
) -> None:
    first = said(engine, TEXT)
    said(engine, Sentence.plain("something else"), voice="otto")
    assert np.array_equal(said(engine, TEXT), first)


def test_jobs_beside_each_other_do_not_change_what_is_said(engine: IndexTTSEngine) -> None:
    alone = said(engine, TEXT)
    jobs = [begin(engine, 1, TEXT, voice="otto"), begin(engine, 2, TEXT), begin(engine, 3, TEXT)]
    together = heard(engine, *jobs)
    assert np.array_equal(together[JobId(2)], alone)
    assert np.array_equal(together[JobId(3)], alone)


def test_seed_voice_and_feeling_change_it(engine: IndexTTSEngine) -> None:
    lender = engine.info.voices[2]
    happy = tuple(0.7 if name == "happy" else 0.0 for name in EMOTIONS)
    sad = tuple(0.7 if name == "sad" else 0.0 for name in EMOTIONS)
    ways: list[Samples] = [
        said(engine, TEXT),
        said(engine, TEXT, request=replace(PLAIN, seed=1)),
        said(engine, TEXT, voice="otto"),
        *(
            said(engine, TEXT, request=replace(PLAIN, emotion=emotion))
            for emotion in (
                Emotion(weights=happy),
                Emotion(weights=sad),
                Emotion(voice=lender, strength=0.5),
                Emotion(voice=lender, strength=1.0),
            )
        ),
    ]
    assert len({way.tobytes() for way in ways}) == len(ways)


def test_no_weight_at_all_is_the_voices_own_feeling(engine: IndexTTSEngine) -> None:
    nothing = Emotion(weights=(0.0,) * len(EMOTIONS))
    assert np.array_equal(
        said(engine, TEXT, request=replace(PLAIN, emotion=nothing)), said(engine, TEXT)
    )


def test_half_the_speed_is_twice_as_long(engine: IndexTTSEngine) -> None:
    usual = len(said(engine, TEXT))
    assert len(said(engine, TEXT, request=replace(PLAIN, speed=0.5))) == pytest.approx(
        2 * usual, abs=2 * 256
    )


def test_two_sentences_have_a_pause_between_them(engine: IndexTTSEngine) -> None:
    one, both = said(engine, TEXT), said(engine, TEXT, TEXT)
    assert np.array_equal(both[: len(one)], one)
    pause = both[len(one) : len(one) + 4410]
    assert len(pause) == 4410
    assert not pause.any()
    assert len(both) > len(one) + 4410


def test_a_job_waits_for_words_without_holding_up_others(engine: IndexTTSEngine) -> None:
    voice = engine.info.voices[1]
    engine.start(JobId(7), PLAIN, voice)
    assert engine.step() == []
    alone = said(engine, TEXT)
    engine.append(JobId(7), TEXT)
    engine.end(JobId(7))
    assert np.array_equal(heard(engine, JobId(7))[JobId(7)], alone)


def test_a_cancelled_job_is_not_mentioned_again(engine: IndexTTSEngine) -> None:
    begin(engine, 8, TEXT)
    engine.step()
    engine.cancel(JobId(8))
    engine.cancel(JobId(8))
    assert engine.step() == []


def test_a_text_without_words_fails_in_words(engine: IndexTTSEngine) -> None:
    job = begin(engine, 9, Sentence.plain("…"))
    outcome: object = None
    while not isinstance(outcome, Failed):
        [(job, outcome)] = engine.step()
    assert (job, outcome.code) == (JobId(9), "nothing_to_say")
    assert engine.step() == []


@pytest.mark.parametrize(
    ("fault", "told_so"),
    [
        (SynthesisError("It is too long."), "It is too long."),
        (ValueError("the spoken text"), "The engine failed on this job."),
        (torch.OutOfMemoryError("much was asked for"), "The card's memory is full."),
    ],
)
def test_a_job_that_fails_costs_no_other(
    engine: IndexTTSEngine, fault: Exception, told_so: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = said(engine, TEXT)
    with monkeypatch.context() as patch:
        failing_on(fault, patch)
        bad, good = begin(engine, 1, BAD), begin(engine, 2, TEXT)
        [(job, outcome)] = engine.step()
        assert (job, outcome) == (bad, Failed(code="synthesis_failed", message=told_so))
        assert np.array_equal(heard(engine, good)[good], alone)


def test_a_card_that_failed_is_not_taken_for_the_jobs_fault(
    engine: IndexTTSEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_on(torch.AcceleratorError("device-side assert"), monkeypatch)
    job = begin(engine, 1, BAD)
    with pytest.raises(BrokenEngineError):
        engine.step()
    engine.cancel(job)


def failing_on(fault: Exception, patch: pytest.MonkeyPatch) -> None:
    """Let the first text raise this, and no other."""
    whole = TextFrontEnd.segments

    def segments(front: TextFrontEnd, text: str, **how: Any) -> list[list[int]]:
        if text == BAD.raw:
            raise fault
        return whole(front, text, **how)

    patch.setattr(TextFrontEnd, "segments", segments)


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_a_single_code_is_spoken_at_every_speed(
    engine: IndexTTSEngine, speed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LEAST_S", 0.0)
    monkeypatch.setattr(room, "PER_ID_S", 0.01)
    assert said(engine, TEXT, request=replace(PLAIN, speed=speed)).size


def test_a_card_too_small_for_the_model_is_said_in_words(
    told: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("much was asked for")

    monkeypatch.setattr(room, "render_networks", too_much)
    with pytest.raises(EngineUnavailableError, match="memory is full"):
        create(told[1])


def test_a_voice_that_is_not_there_is_refused(engine: IndexTTSEngine) -> None:
    nobody = replace(engine.info.voices[0], id="nobody")
    with pytest.raises(VoiceNotFoundError):
        engine.start(JobId(1), PLAIN, nobody)
    with pytest.raises(VoiceNotFoundError):
        begin(engine, 1, TEXT, request=replace(PLAIN, emotion=Emotion(voice=nobody)))
    assert engine.step() == []


def test_each_quality_computes_something_else(told: tuple[str, Any]) -> None:
    made = {
        quality: said(create({**told[1], "quality": quality}), TEXT)
        for quality in ("reference", "balanced", "fast")
    }
    assert len({samples.tobytes() for samples in made.values()}) == len(made)


def test_without_a_model_it_is_said_how_to_get_one(told: tuple[str, Any], tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="models download"):
        registry.create("indextts", {**told[1], "model": str(tmp_path)})


def test_without_a_voice_there_is_no_engine(told: tuple[str, Any]) -> None:
    with pytest.raises(EngineUnavailableError, match="voice"):
        create({**told[1], "voices": []})
