"""The fake engine: its samples tell who said what, and it breaks where it is told to."""

from collections.abc import Iterator
from dataclasses import replace
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray
import pytest

from indextts_daemon.engines.fake import FakeEngine, create
from indextts_daemon.engines.fake_options import FakeOptions
from indextts_daemon.errors import EngineUnavailableError, OutOfMemoryError, VoiceNotFoundError
from indextts_daemon.speech import (
    AudioChunk,
    Failed,
    Finished,
    JobId,
    Sentence,
    SpeechRequest,
    Voice,
)
from tests.daemon.fake_audio import assert_spoken_by_fake

JOB, OTHER = JobId(1), JobId(2)


def begin(
    engine: FakeEngine, job: JobId, *texts: str, speed: float = 1.0, seed: int = 0, voice: int = 0
) -> None:
    request = SpeechRequest(language="en", speed=speed, seed=seed)
    engine.start(job, request, engine.info.voices[voice])
    for text in texts:
        engine.append(job, Sentence(raw=text, normalized="not this"))
    engine.end(job)


def outcomes(engine: FakeEngine) -> Iterator[tuple[JobId, AudioChunk | Finished | Failed]]:
    while results := engine.step():
        yield from results


def spoken(engine: FakeEngine, job: JobId = JOB) -> NDArray[np.float32]:
    chunks = [o.samples for j, o in outcomes(engine) if j == job and isinstance(o, AudioChunk)]
    return np.concatenate(chunks)


def test_every_sample_tells_voice_text_generation_and_place() -> None:
    engine = FakeEngine(FakeOptions(generation=5))
    begin(engine, JOB, "One.", "Two.", seed=3, voice=8)
    samples = spoken(engine)
    assert_spoken_by_fake(samples, ["One.", "Two."], tag=9, seed=3, generation=5)
    as_sent = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
    assert_spoken_by_fake(as_sent, ["One.", "Two."], tag=9, seed=3, generation=5)


@pytest.mark.parametrize(
    "changes",
    [{"tag": 2}, {"seed": 1}, {"generation": 1}, {"sentences": ["Two."]}],
)
def test_the_check_of_samples_refuses_another_origin(changes: dict[str, object]) -> None:
    engine = FakeEngine(FakeOptions())
    begin(engine, JOB, "One.")
    claimed = {"sentences": ["One."], "tag": 1, **changes}
    with pytest.raises(AssertionError):
        assert_spoken_by_fake(spoken(engine), **claimed)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", [lambda s: s[4:], lambda s: s[:-1], lambda s: s[::-1]])
def test_the_check_of_samples_refuses_damage(damage: object) -> None:
    engine = FakeEngine(FakeOptions())
    begin(engine, JOB, "One.")
    with pytest.raises(AssertionError):
        assert_spoken_by_fake(damage(spoken(engine)), ["One."], tag=1)  # type: ignore[operator]


def test_speed_divides_the_duration() -> None:
    engine = FakeEngine(FakeOptions())
    begin(engine, JOB, "x" * 50)
    begin(engine, OTHER, "x" * 50, speed=2.0)
    sizes = {JOB: 0, OTHER: 0}
    for job, outcome in outcomes(engine):
        if isinstance(outcome, AudioChunk):
            sizes[job] += len(outcome.samples)
    assert sizes == {JOB: 3 * 24000, OTHER: 3 * 12000}


def test_a_step_gives_each_live_job_a_tenth_of_a_second() -> None:
    engine = FakeEngine(FakeOptions())
    begin(engine, JOB, "x" * 50)
    begin(engine, OTHER, "x" * 50)
    results = engine.step()
    assert [job for job, _ in results] == [JOB, OTHER]
    assert [len(o.samples) for _, o in results if isinstance(o, AudioChunk)] == [2400, 2400]


def test_a_job_without_text_waits_for_it() -> None:
    engine = FakeEngine(FakeOptions())
    engine.start(JOB, SpeechRequest(language="en"), engine.info.voices[0])
    assert engine.step() == []
    engine.append(JOB, Sentence(raw="Now.", normalized=""))
    engine.end(JOB)
    assert_spoken_by_fake(spoken(engine), ["Now."], tag=1)


def test_a_cancelled_job_is_never_mentioned_again() -> None:
    engine = FakeEngine(FakeOptions())
    begin(engine, JOB, "x" * 50)
    begin(engine, OTHER, "x" * 50)
    engine.step()
    engine.cancel(JOB)
    engine.cancel(JOB)
    assert {job for job, _ in outcomes(engine)} == {OTHER}


def test_directives_act_where_they_stand() -> None:
    engine = FakeEngine(FakeOptions())
    begin(engine, JOB, "Fine.", "{{fail zork}}", "Never.")
    heard = [outcome for _, outcome in outcomes(engine)]
    assert heard[-1] == Failed(code="zork", message="The text asked for a failure.")
    assert all(isinstance(outcome, AudioChunk) for outcome in heard[:-1])
    begin(engine, OTHER, "{{nan}}")
    [(_, chunk)] = engine.step()
    assert isinstance(chunk, AudioChunk)
    assert np.isnan(chunk.samples).all()


def test_a_malformed_directive_is_only_text() -> None:
    engine = FakeEngine(FakeOptions())
    begin(engine, JOB, "{{sleep for ever}}")
    assert_spoken_by_fake(spoken(engine), ["{{sleep for ever}}"], tag=1)


def test_an_empty_job_has_nothing_to_say() -> None:
    engine = FakeEngine(FakeOptions())
    begin(engine, JOB)
    [(_, outcome)] = engine.step()
    assert isinstance(outcome, Failed)
    assert outcome.code == "nothing_to_say"


def test_there_are_sixteen_voices_in_three_languages() -> None:
    voices = create({}).info.voices
    assert [voice.id for voice in voices] == [f"fake-{number:02d}" for number in range(1, 17)]
    assert {voice.languages[0] for voice in voices} == {"en", "de", "zh"}


def test_voices_of_ones_own_keep_their_order_and_speak_with_their_numbers() -> None:
    engine = create({"voices": {"attic": 99, "fake-01": 1}})
    assert [voice.id for voice in engine.info.voices] == ["attic", "fake-01"]
    begin(engine, JOB, "One.", voice=0)
    assert_spoken_by_fake(spoken(engine), ["One."], tag=99)
    with pytest.raises(VoiceNotFoundError):
        engine.start(OTHER, SpeechRequest(language="en"), create({}).info.voices[1])


def test_only_a_voice_whose_number_changes_is_another() -> None:
    first, same = create({"voices": {"a": 1, "b": 2}}).info.voices
    changed, kept, added = create({"voices": {"a": 3, "b": 2, "c": 2}}).info.voices
    assert (kept, changed.languages) == (same, first.languages)
    assert changed.revision != first.revision
    assert added.id == "c"


def test_a_foreign_voice_is_refused() -> None:
    voice = Voice(id="zork", name="", languages=("en",), models=(), revision="")
    with pytest.raises(VoiceNotFoundError):
        create({}).start(JOB, SpeechRequest(language="en"), voice)


@pytest.mark.parametrize(("handle", "tag"), [("7", 7), ("-32768", -32768), ("32767", 32767)])
def test_a_recorded_voice_is_known_by_its_handle(handle: str, tag: int) -> None:
    lena = Voice(id="lena", name="", languages=("en",), models=(), revision="", handle=handle)
    engine = create({})
    for voice in (lena, replace(lena, id="fake-02")):
        engine.start(JOB, SpeechRequest(language="en"), voice)
        engine.append(JOB, Sentence.plain("One."))
        engine.end(JOB)
        assert_spoken_by_fake(spoken(engine), ["One."], tag=tag)


@pytest.mark.parametrize("handle", ["32768", "-32769", "one", "1.5", "0x1"])
def test_a_handle_that_is_no_number_of_a_voice_is_refused(handle: str) -> None:
    voice = Voice(id="fake-01", name="", languages=(), models=(), revision="", handle=handle)
    with pytest.raises(VoiceNotFoundError):
        create({}).start(JOB, SpeechRequest(language="en"), voice)


def test_it_plays_another_model_in_languages_of_its_own() -> None:
    info = create({"id": "house-2", "name": "House", "languages": ["fr", "it"]}).info
    assert (info.id, info.name, info.engine) == ("house-2", "House", "fake")
    assert {voice.models for voice in info.voices} == {("house-2",)}
    assert [voice.languages for voice in info.voices[:3]] == [("fr",), ("it",), ("fr",)]


@pytest.mark.parametrize(
    ("sound", "spoiled"),
    [
        ("silent", lambda samples: not samples.any()),
        ("clipped", lambda samples: set(samples.tolist()) == {-1.0, 1.0}),
        ("nan", lambda samples: np.isnan(samples).all()),
    ],
)
def test_what_it_says_is_spoiled_after_it_has_spoken_once(sound: str, spoiled: object) -> None:
    engine = FakeEngine(FakeOptions(sound=sound))
    begin(engine, JOB, "One.")
    assert_spoken_by_fake(spoken(engine), ["One."], tag=1)
    for _ in range(2):
        begin(engine, JOB, "One.")
        samples = spoken(engine)
        assert len(samples) == 4 * 1440
        assert spoiled(samples)  # type: ignore[operator]


def test_an_endless_job_ends_when_it_is_cancelled() -> None:
    engine = FakeEngine(FakeOptions(sound="endless"))
    begin(engine, JOB, "One.")
    spoken(engine)
    begin(engine, JOB, "One.")
    for _ in range(1000):
        [(_, outcome)] = engine.step()
        assert isinstance(outcome, AudioChunk)
        assert outcome.samples.size
    engine.cancel(JOB)
    assert engine.step() == []


def test_it_dies_after_as_many_jobs_as_it_is_told() -> None:
    script = """
from indextts_daemon.engines.fake import create
from indextts_daemon.speech import JobId, Sentence, SpeechRequest
engine = create({"dies_after": 2})
for number in range(9):
    engine.start(JobId(number), SpeechRequest(language="en"), engine.info.voices[0])
    engine.append(JobId(number), Sentence.plain("One."))
    engine.end(JobId(number))
    while engine.step():
        pass
    print(number, flush=True)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (run.stdout.split(), run.returncode) == ([b"0", b"1", b"2"], 70)


def test_its_memory_is_really_held_until_it_is_relieved() -> None:
    script = """
import gc, os, sys
from indextts_daemon.engines.fake import create
from indextts_daemon.posix import resident_bytes
held = [resident_bytes(os.getpid())]
engine = create({"memory_mib": 64})
held.append(resident_bytes(os.getpid()))
assert engine.relieve()
held.append(resident_bytes(os.getpid()))
print(*(bytes >> 20 for bytes in held))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    before, loaded, relieved = map(int, run.stdout.split())
    assert 60 <= loaded - before <= 70
    assert relieved - before < 8


def test_a_sentence_that_finds_no_memory_stays_the_next_one() -> None:
    engine = FakeEngine(FakeOptions())
    begin(engine, JOB, "One.", "{{oom}}Two.", "Three.")
    begin(engine, OTHER, "x" * 20)
    with pytest.raises(OutOfMemoryError) as error:
        list(outcomes(engine))
    assert error.value.job == JOB
    for _ in range(2):
        with pytest.raises(OutOfMemoryError):
            engine.step()
    engine.cancel(JOB)
    rest = [o for j, o in outcomes(engine)]
    assert isinstance(rest.pop(), Finished)
    assert rest


@pytest.mark.parametrize("order", [[JOB, OTHER], [OTHER, JOB]])
def test_memory_that_is_found_at_the_second_try_changes_nothing(order: list[JobId]) -> None:
    engine = FakeEngine(FakeOptions())
    words = ["One.", "{{oom once}}Two.", "{{oom once}}Three."]
    for job in order:
        begin(engine, job, *(words if job == JOB else ["x" * 20]))
    said: dict[JobId, list[NDArray[np.float32]]] = {JOB: [], OTHER: []}
    tries, open_jobs = 0, 2
    while open_jobs:
        try:
            results = engine.step()
        except OutOfMemoryError:
            tries += 1
            continue
        for job, outcome in results:
            if isinstance(outcome, AudioChunk):
                said[job].append(outcome.samples)
            else:
                open_jobs -= 1
    assert tries == 2
    assert_spoken_by_fake(np.concatenate(said[JOB]), words, tag=1)
    assert_spoken_by_fake(np.concatenate(said[OTHER]), ["x" * 20], tag=1)


@pytest.mark.parametrize(
    ("load", "error"), [("fail", EngineUnavailableError), ("oom", OutOfMemoryError)]
)
def test_it_fails_to_load_as_it_is_told(load: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        create({"load": load})
