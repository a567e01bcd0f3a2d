"""What the engine does when its model's code fails: with a model that is only told of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
import weakref

import numpy as np
import pytest
import torch

from indextts_daemon.engines.indextts import engine as room
from indextts_daemon.engines.indextts.engine import PAUSE_S, QUALITIES, IndexTTSEngine
from indextts_daemon.engines.indextts.faults import card_failed, memory_is_full
from indextts_daemon.engines.indextts.pipeline import Advance, Noise
from indextts_daemon.engines.indextts.variant import SAMPLE_RATE
from indextts_daemon.errors import BrokenEngineError, EngineUnavailableError, OutOfMemoryError
from indextts_daemon.speech import (
    AudioChunk,
    Emotion,
    Failed,
    Finished,
    JobId,
    ModelInfo,
    Relievable,
    Samples,
    Sentence,
    SpeechRequest,
    Voice,
)

VOICE = Voice(id="lena", name="Lena", languages=("en",), models=("m",), revision="1")
REQUEST = SpeechRequest(language="en", seed=3)
ONE, TWO = JobId(1), JobId(2)
PAUSE = int(PAUSE_S * SAMPLE_RATE)


class Shelf:
    """Has every voice, and counts how often it had to give some back."""

    def __init__(self) -> None:
        self.shrunk = 0
        self.full = 0  # times that a voice does not fit

    def get(self, voice: str) -> Any:
        if self.full:
            self.full -= 1
            raise torch.OutOfMemoryError("much was asked for")
        return self

    emotion = torch.zeros(1, 4)

    def shrink(self) -> None:
        self.shrunk += 1


class Front:
    """Cuts a sentence into segments at each bar."""

    def segments(self, text: str, **_: Any) -> list[list[int]]:
        return [[ord(letter) for letter in part] for part in text.split("|")]


class Model:
    """Sounds twice for each segment, as its seed says, unless a fault is due."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, int, Exception]] = []  # segment, after how many sounds, what
        self.held: weakref.ref[torch.Tensor] | None = None  # what it held when it failed
        self.begun: list[str] = []

    def render(self, *_: Any, text_ids: list[int], noise: Noise, **__: Any) -> Iterator[Advance]:
        assert noise.generator is not None
        text = "".join(map(chr, text_ids))
        self.begun.append(text)
        held = torch.rand(8, generator=noise.generator)
        for place in range(2):
            yield Advance(stage="gpt")
            for fault in self.faults:
                if fault[:2] == (text, place):
                    self.faults.remove(fault)
                    self.held = weakref.ref(held)
                    raise fault[2]
            yield Advance(stage="vocoder", samples=held[place * 4 :][:4])


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    model = Model()
    monkeypatch.setattr(room, "render", model.render)
    monkeypatch.setattr(room, "TURN_S", 1e9)  # a turn ends with sound
    return model


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def engine(model: Model, shelf: Shelf) -> IndexTTSEngine:
    untold: Any = None
    variant: Any = type("Variant", (), {"max_codes": 100, "codes_per_s": 25.0})
    front: Any = Front()
    voices: Any = shelf
    return IndexTTSEngine(
        untold,
        front,
        info=ModelInfo(
            id="m",
            engine="indextts",
            name="M",
            revision="1",
            voices=(VOICE,),
            parameters=frozenset(),
            max_jobs=4,
        ),
        variant=variant,
        voices=voices,
        quality=QUALITIES["balanced"],
    )


def begin(engine: IndexTTSEngine, job: JobId, *texts: str) -> None:
    engine.start(job, REQUEST, VOICE)
    for text in texts:
        engine.append(job, Sentence.plain(text))
    engine.end(job)


def heard(engine: IndexTTSEngine) -> dict[JobId, list[Samples | Failed]]:
    """Step to the end as the worker does, relieving the engine when it runs out of memory."""
    said: dict[JobId, list[Samples | Failed]] = {}
    while True:
        try:
            results = engine.step()
        except OutOfMemoryError as err:
            short_of_memory = err.job
        else:
            short_of_memory = None
        if short_of_memory:
            assert short_of_memory == ONE
            assert engine.relieve()
            continue
        if not results:
            return said
        for job, outcome in results:
            if isinstance(outcome, AudioChunk):
                if outcome.samples.size:
                    said.setdefault(job, []).append(outcome.samples)
            elif isinstance(outcome, Failed):
                said.setdefault(job, []).append(outcome)


def sound_of(parts: list[Samples | Failed]) -> Samples:
    return np.concatenate([part for part in parts if not isinstance(part, Failed)])


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    torch.AcceleratorError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]
FAILED = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    torch.AcceleratorError("CUDA error: device-side assert triggered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA driver error: unknown error"),
]
OWN = [
    ValueError("CUDA error: out of memory"),  # only words
    RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
    IndexError("index out of range in self"),
]


def test_a_full_memory_and_a_failed_card_are_told_from_a_jobs_own_fault() -> None:
    assert [(memory_is_full(each), card_failed(each)) for each in FULL] == [(True, False)] * 4
    assert [(memory_is_full(each), card_failed(each)) for each in FAILED] == [(False, True)] * 5
    assert [(memory_is_full(each), card_failed(each)) for each in OWN] == [(False, False)] * 3


def test_what_torch_says_of_too_much_memory_is_understood() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 50)
    assert memory_is_full(error.value)


@pytest.mark.parametrize("fault", FULL)
def test_a_segment_that_found_no_memory_is_said_again_the_same(
    engine: IndexTTSEngine, model: Model, shelf: Shelf, fault: Exception
) -> None:
    begin(engine, ONE, "a|bc", "d|e")
    begin(engine, TWO, "x|y")
    undisturbed = {job: sound_of(parts) for job, parts in heard(engine).items()}
    model.faults += [("bc", 0, fault)]
    model.begun.clear()
    begin(engine, ONE, "a|bc", "d|e")
    begin(engine, TWO, "x|y")
    said = heard(engine)
    assert sorted(said) == [ONE, TWO]
    for job, parts in said.items():
        assert np.array_equal(sound_of(parts), undisturbed[job])
    assert len(undisturbed[ONE]) == 4 * 8 + 3 * PAUSE
    assert (model.begun.count("a"), model.begun.count("bc")) == (1, 2)
    assert shelf.shrunk == 1


def test_a_segment_that_has_sounded_fails_its_job_alone(
    engine: IndexTTSEngine, model: Model, shelf: Shelf
) -> None:
    model.faults += [("b", 1, torch.OutOfMemoryError("much was asked for"))]
    begin(engine, ONE, "a|b|c")
    begin(engine, TWO, "x|y")
    said = heard(engine)
    message = "The memory was full in the middle of this."
    assert said[ONE][-1] == Failed(code="out_of_memory", message=message)
    assert len(sound_of(said[ONE])) == 8 + PAUSE + 4
    assert len(sound_of(said[TWO])) == 16 + PAUSE
    assert shelf.shrunk == 1
    assert engine.step() == []


def test_nothing_of_the_failed_work_is_held_when_memory_is_given_back(
    engine: IndexTTSEngine, model: Model
) -> None:
    """Otherwise the second try would find no more room than the first."""
    model.faults += [("a", 0, torch.OutOfMemoryError("much was asked for"))]
    begin(engine, ONE, "a")
    with pytest.raises(OutOfMemoryError):
        engine.step()
    model.faults.clear()
    assert model.held is not None
    assert model.held() is None


def test_a_relieved_engine_works_on_one_job_at_a_time(engine: IndexTTSEngine, model: Model) -> None:
    assert isinstance(engine, Relievable)
    begin(engine, ONE, "a", "b")
    begin(engine, TWO, "x", "y")
    assert [engine.step()[0][0] for _ in range(2)] == [ONE, TWO]
    assert engine.relieve()
    whose = [job for job, _ in iter(lambda: next(iter(engine.step()), (None, None)), (None, None))]
    assert whose == sorted(whose, key=whose.index)
    assert set(whose) == {ONE, TWO}
    assert model.begun == ["a", "x", "b", "y"]


def test_a_job_that_waits_for_words_holds_up_nobody_in_a_relieved_engine(
    engine: IndexTTSEngine,
) -> None:
    engine.relieve()
    engine.start(ONE, REQUEST, VOICE)
    engine.append(ONE, Sentence.plain("a"))
    begin(engine, TWO, "x")
    said = heard(engine)
    assert sorted(said) == [ONE, TWO]
    engine.end(ONE)
    assert engine.step() == [(ONE, Finished())]


def test_an_engine_that_has_nothing_more_to_give_says_so(engine: IndexTTSEngine) -> None:
    assert engine.relieve()
    assert not engine.relieve()


def test_a_voice_that_does_not_fit_may_be_asked_for_again(
    engine: IndexTTSEngine, shelf: Shelf
) -> None:
    shelf.full = 1
    with pytest.raises(OutOfMemoryError):
        engine.start(ONE, REQUEST, VOICE)
    assert engine.relieve()
    begin(engine, ONE, "a")
    assert sound_of(heard(engine)[ONE]).size


def test_a_judgement_that_found_no_memory_is_made_again(
    engine: IndexTTSEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Judge:
        def __init__(self) -> None:
            self.asked: list[str] = []

        def judge(self, text: str) -> Iterator[None]:
            self.asked.append(text)
            if len(self.asked) == 1:
                raise torch.OutOfMemoryError("much was asked for")
            yield

    judge = Judge()
    monkeypatch.setattr(engine, "_judge", judge)
    monkeypatch.setattr(engine, "_felt", lambda voice, emotion: voice.emotion)
    request = SpeechRequest(language="en", emotion=Emotion(text="so glad"))
    engine.start(ONE, request, VOICE)
    engine.append(ONE, Sentence.plain("a"))
    engine.end(ONE)
    assert sound_of(heard(engine)[ONE]).size
    assert judge.asked == ["so glad", "so glad"]


@pytest.mark.parametrize("fault", FAILED)
def test_a_card_that_failed_costs_the_process(
    engine: IndexTTSEngine, model: Model, fault: Exception
) -> None:
    model.faults += [("a", 1, fault)]
    begin(engine, ONE, "a")
    engine.step()
    with pytest.raises(BrokenEngineError, match=r"The card failed: \w+ in test_engine_faults\.py"):
        engine.step()


@pytest.mark.parametrize("fault", OWN)
def test_any_other_fault_costs_its_job_alone(
    engine: IndexTTSEngine, model: Model, fault: Exception
) -> None:
    model.faults += [("a", 0, fault)]
    begin(engine, ONE, "a")
    begin(engine, TWO, "x")
    said = heard(engine)
    message = "The engine failed on this job."
    assert said[ONE] == [Failed(code="synthesis_failed", message=message)]
    assert len(sound_of(said[TWO])) == 8


@pytest.mark.parametrize("fault", FULL)
def test_a_model_that_does_not_fit_is_refused_in_words(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineUnavailableError, match="more than is free") as refusal:
        _load_with(fault, monkeypatch)
    assert refusal.value.error_code == "insufficient_memory"


def test_another_fault_of_a_load_is_not_taken_for_a_full_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RuntimeError, match="size of tensor"):
        _load_with(OWN[1], monkeypatch)


def _load_with(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_weights(_: Path) -> None:
        raise fault

    monkeypatch.setattr(room, "open_weights", open_weights)
    room.create({"model": "", "device": "cpu", "voices": [], "quality": "fast", "enrolled": ""})
