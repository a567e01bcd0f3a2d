"""The engine with a tiny model as published: what a job says, and what that does not hang on."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from indextts_daemon.engines import registry
from indextts_daemon.engines.indextts import engine as room, pipeline
from indextts_daemon.engines.indextts.engine import (
    AT_HAND,
    QUALITIES,
    IndexTTSEngine,
    Quality,
    VoiceShelf,
    create,
)
from indextts_daemon.engines.indextts.pipeline import (
    Advance,
    Noise,
    RenderOptions,
    SilentSegmentError,
)
from indextts_daemon.engines.indextts.text_front import TextFrontEnd
from indextts_daemon.engines.indextts.voice_file import VoiceFileError
from indextts_daemon.errors import (
    BrokenEngineError,
    EngineUnavailableError,
    SynthesisError,
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
from tests.engine.conftest import SETS
from tests.engine.serving import Furnish, model_id

TEXT = Sentence.plain("light on.")
BAD = Sentence.plain("light off.")
PLAIN = SpeechRequest(language="en")

pytestmark = pytest.mark.skipif(not SETS, reason="no golden vectors")


@pytest.fixture(scope="module", params=SETS)
def told(request: pytest.FixtureRequest, furnished: Furnish) -> tuple[str, Mapping[str, Any]]:
    """Return what a worker is told of each set's model, with its voices enrolled."""
    house = furnished(request.param)
    return model_id(house.golden), house.options


@pytest.fixture(scope="module")
def engine(told: tuple[str, Mapping[str, Any]]) -> IndexTTSEngine:
    return quick(told[1])


def quick(options: Mapping[str, Any]) -> IndexTTSEngine:
    """Return an engine that takes few steps: how many a quality takes is tested by itself."""
    made = create(options)
    made._quality = replace(made._quality, options=replace(made._quality.options, num_steps=3))
    return made


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


def handle_of(engine: IndexTTSEngine, voice: str) -> str:
    return next(known.handle for known in engine.info.voices if known.id == voice)


def said(engine: IndexTTSEngine, *sentences: Sentence, **how: Any) -> Samples:
    job = begin(engine, 1, *sentences, **how)
    return heard(engine, job)[job]


def test_it_says_what_it_is(engine: IndexTTSEngine, told: tuple[str, Any]) -> None:
    assert engine.info.id == told[0]
    assert [voice.id for voice in engine.info.voices] == ["heart", "lena", "otto"]
    assert engine.info.parameters >= {"speed", "seed", "emotion"}


def test_a_card_is_told_to_compute_in_float32_and_the_same_each_time(
    engine: IndexTTSEngine,
) -> None:
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic


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
    with pytest.raises(EngineUnavailableError, match="memory is full") as refusal:
        create(told[1])
    assert refusal.value.error_code == "insufficient_memory"


@pytest.mark.parametrize("handle", ["", "0" * 32, "../lena", "lena"])
def test_a_voice_whose_file_is_not_there_is_refused(engine: IndexTTSEngine, handle: str) -> None:
    nobody = replace(engine.info.voices[0], handle=handle)
    with pytest.raises(VoiceFileError):
        engine.start(JobId(1), PLAIN, nobody)
    with pytest.raises(VoiceFileError):
        begin(engine, 1, TEXT, request=replace(PLAIN, emotion=Emotion(voice=nobody)))
    assert engine.step() == []


def test_a_voice_is_found_by_its_handle_whatever_the_engine_was_told(
    told: tuple[str, Any], engine: IndexTTSEngine
) -> None:
    """The front may know a voice that was enrolled after the worker began."""
    lena = next(voice for voice in engine.info.voices if voice.id == "lena")
    others = [voice for voice in told[1]["voices"] if voice["id"] != "lena"]
    stranger = quick({**told[1], "voices": others})
    renamed = replace(lena, id="nobody", name="", languages=())
    stranger.start(JobId(1), PLAIN, renamed)
    stranger.append(JobId(1), TEXT)
    stranger.end(JobId(1))
    assert np.array_equal(heard(stranger, JobId(1))[JobId(1)], said(engine, TEXT, voice="lena"))


class Asked:
    """What the model would have been asked for; each segment sounds for a sample."""

    def __init__(self, patch: pytest.MonkeyPatch, *, silent: int = 0) -> None:
        self.texts: list[tuple[str, bool, int]] = []
        self.ids: list[list[int]] = []
        self.options: list[RenderOptions] = []
        self.seeds: list[int] = []
        self._silent = silent  # of the first segments, how many
        whole = TextFrontEnd.segments

        def segments(
            front: TextFrontEnd, text: str, *, quick_tokens: int, compat: bool, **how: Any
        ) -> list[list[int]]:
            self.texts.append((text, compat, quick_tokens))
            return whole(front, text, quick_tokens=quick_tokens, compat=compat, **how)

        patch.setattr(TextFrontEnd, "segments", segments)
        patch.setattr(room, "render", self._render)

    def _render(
        self, *_: Any, text_ids: list[int], options: RenderOptions, noise: Noise, **__: Any
    ) -> Iterator[Advance]:
        assert noise.generator is not None
        self.ids.append(text_ids)
        self.options.append(options)
        self.seeds.append(noise.generator.initial_seed())
        yield Advance(stage="gpt")
        if len(self.ids) <= self._silent:
            raise SilentSegmentError("nothing")
        yield Advance(stage="vocoder", samples=torch.ones(1))


@pytest.mark.parametrize(
    ("quality", "computed"),  # beams, steps, seconds of the recording
    [("reference", (3, 25, None)), ("balanced", (1, 25, None)), ("fast", (1, 15, 6.0))],
)
def test_a_quality_is_what_is_computed(
    engine: IndexTTSEngine,
    monkeypatch: pytest.MonkeyPatch,
    quality: str,
    computed: tuple[int, int, float | None],
) -> None:
    asked, raw = Asked(monkeypatch), quality == "reference"
    monkeypatch.setattr(engine, "_quality", QUALITIES[quality])
    said(engine, Sentence(raw="one light", normalized="two lights"), TEXT)
    assert asked.texts == [
        ("one light" if raw else "two lights", raw, 0 if raw else 12),
        (TEXT.raw, raw, 0),
    ]
    for text_ids, options in zip(asked.ids, asked.options, strict=True):
        made = (options.sampling.num_beams, options.num_steps, options.prompt_s)
        assert made == computed
        seconds = 2 + 0.8 * len(text_ids)
        bound = int(engine._variant.codes_per_s * seconds)
        assert options.max_codes == (1500 if raw else bound)


def test_a_long_beginning_sounds_with_its_first_clause(
    engine: IndexTTSEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch)
    said(engine, Sentence.plain("good, and now the light is on."))
    assert len(asked.ids) == 2


@pytest.mark.parametrize(("silent", "num_tries"), [(1, 2), (2, 3)])
def test_a_silent_segment_is_tried_once_more_and_then_left_out(
    engine: IndexTTSEngine, monkeypatch: pytest.MonkeyPatch, silent: int, num_tries: int
) -> None:
    asked = Asked(monkeypatch, silent=silent)
    sentences = [TEXT] * silent
    assert said(engine, *sentences)[-1] == 1
    assert len(set(asked.seeds)) == len(asked.seeds) == num_tries


def test_a_job_of_silent_segments_alone_fails(
    engine: IndexTTSEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Asked(monkeypatch, silent=2)
    job = begin(engine, 1, TEXT)
    outcomes = [outcome for _ in range(2) for _, outcome in engine.step()]
    assert outcomes[-1] == Failed(code="synthesis_failed", message="nothing")
    assert engine.step() == []
    engine.cancel(job)


def test_the_flow_sees_as_much_of_the_recording_as_the_quality_says(
    engine: IndexTTSEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, whole = list[int](), pipeline.solve

    def solve(*networks: Any, prompt_mel: Tensor, **given: Any) -> Any:
        seen.append(prompt_mel.shape[2])
        return whole(*networks, prompt_mel=prompt_mel, **given)

    monkeypatch.setattr(pipeline, "solve", solve)
    for prompt_s in (None, 0.5):
        options = RenderOptions(num_steps=1, prompt_s=prompt_s, max_codes=0)
        monkeypatch.setattr(engine, "_quality", Quality(options=options))
        said(engine, TEXT)
    whole_mel = engine._voices.get(handle_of(engine, "lena")).prompt_mel
    assert seen == [whole_mel.shape[2], 43]  # 0.5 s of 256 samples


def test_only_codes_that_have_a_sound_are_spoken(
    engine: IndexTTSEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = engine._networks.gpt.sizes
    codes = [[5, 7, sizes.stop_code], [5, sizes.start_code, 7, sizes.stop_code]]

    def drawn(*_: object, **__: object) -> Generator[None, None, Tensor]:
        yield
        return torch.tensor([codes[0]])

    monkeypatch.setattr(pipeline, "generate_codes", drawn)
    one = said(engine, TEXT)
    codes.pop(0)
    assert np.array_equal(said(engine, TEXT), one)


def test_a_lent_feeling_is_mixed_into_the_voice_without_its_own(engine: IndexTTSEngine) -> None:
    lena, lender = engine._voices.get(handle_of(engine, "lena")), engine.info.voices[2]
    borrowed = engine._voices.get(lender.handle).emotion
    assert not torch.equal(lena.emotion_base, lena.emotion)
    felt = engine._felt(lena, Emotion(voice=lender, strength=0.25))
    torch.testing.assert_close(felt, 0.75 * lena.emotion_base + 0.25 * borrowed)


def test_the_voice_that_was_not_used_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    class Loaded:
        def to(self, device: torch.device) -> "Loaded":
            return self

    def load(folder: Path, key: str) -> Loaded:
        loaded.append(key)
        return Loaded()

    monkeypatch.setattr(room.voice_file, "load", load)
    names = [str(number) for number in range(AT_HAND + 1)]
    shelf = VoiceShelf(Path(), torch.device("cpu"))
    for name in names[:-1]:
        shelf.get(name)
    shelf.get("0")
    shelf.get(names[-1])
    assert loaded == names
    shelf.get("0")
    assert loaded == names
    shelf.get("1")
    assert loaded == [*names, "1"]


def test_without_a_model_it_is_said_how_to_get_one(told: tuple[str, Any], tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="models download"):
        registry.create("indextts", {**told[1], "model": str(tmp_path)})


def test_without_a_voice_there_is_no_engine(told: tuple[str, Any]) -> None:
    with pytest.raises(EngineUnavailableError, match="voice"):
        create({**told[1], "voices": []})
