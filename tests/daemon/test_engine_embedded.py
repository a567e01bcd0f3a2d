"""The embedded engine's turns: no barrier, nobody waits long, a failure stays where it is."""

from collections.abc import Callable, Iterator
import threading
import time

import numpy as np
import pytest

from indextts_daemon.engines import embedded, heart
from indextts_daemon.engines.embedded import EmbeddedEngine
from indextts_daemon.engines.pieces import Piece
from indextts_daemon.errors import EngineUnavailableError, VoiceNotFoundError
from indextts_daemon.speech import (
    AudioChunk,
    Failed,
    Finished,
    JobId,
    Sentence,
    SpeechRequest,
    StepResult,
    Voice,
)

REQUEST = SpeechRequest(language="en")
VOICE = Voice(id="v", name="V", languages=("en",), models=("embedded",), revision="1")
LONG, SHORT = JobId(1), JobId(2)


class ScriptedSpeaker:
    """Speaks two pieces a sentence; before each, calls what the sentence names."""

    voice = VOICE

    def __init__(self, **acts: Callable[[], object]) -> None:
        self._acts = acts

    def speak(self, text: str, request: SpeechRequest, number: int) -> Iterator[Piece]:
        if text == "silence":
            return
        for last in (False, True):
            self._acts.get(text, bool)()
            samples = np.full(10, number, np.float32)
            yield Piece(chunk=AudioChunk(samples=samples, sample_rate=24000), last=last)


def engine_of(speaker: ScriptedSpeaker, threads: int) -> EmbeddedEngine:
    return EmbeddedEngine({"v": speaker}, revision="1", threads=threads)


def begin(engine: EmbeddedEngine, job: JobId, *texts: str) -> None:
    engine.start(job, REQUEST, VOICE)
    for text in texts:
        engine.append(job, Sentence(raw="", normalized=text))
    engine.end(job)


def until_idle(engine: EmbeddedEngine) -> StepResult:
    results: StepResult = []
    while new := engine.step():
        results += new
    return results


def who(results: StepResult) -> list[tuple[JobId, str]]:
    return [(job, type(outcome).__name__) for job, outcome in results]


def test_a_short_job_waits_for_one_piece_of_a_long_one_at_a_time() -> None:
    engine = engine_of(ScriptedSpeaker(), threads=1)
    begin(engine, LONG, *["sentence"] * 10)
    begin(engine, SHORT, "sentence")
    order = [job for job, kind in who(until_idle(engine)) if kind == "AudioChunk"]
    engine.close()
    assert order[:5] == [LONG, SHORT, LONG, SHORT, LONG]
    assert len(order) == 22


def test_sentences_are_numbered_and_in_order() -> None:
    engine = engine_of(ScriptedSpeaker(), threads=2)
    begin(engine, LONG, "a", "silence", "b")
    results = until_idle(engine)
    engine.close()
    assert [o.samples[0] for _, o in results if isinstance(o, AudioChunk)] == [0, 0, 2, 2]
    assert isinstance(results[-1][1], Finished)


def test_a_step_does_not_wait_for_the_slowest() -> None:
    release = threading.Event()
    engine = engine_of(ScriptedSpeaker(slow=release.wait), threads=2)
    begin(engine, LONG, "slow")
    begin(engine, SHORT, "quick")
    heard: StepResult = []
    while (SHORT, "Finished") not in who(heard):
        heard += engine.step()
    assert {job for job, _ in heard} == {SHORT}
    release.set()
    assert (LONG, "Finished") in who(until_idle(engine))
    engine.close()


def test_a_waiting_step_can_be_woken() -> None:
    begun, release = threading.Event(), threading.Event()
    engine = engine_of(ScriptedSpeaker(slow=lambda: (begun.set(), release.wait())), threads=2)
    begin(engine, LONG, "slow")
    waker = threading.Thread(target=lambda: (begun.wait(), engine.wake()))
    waker.start()
    assert engine.step() == []
    waker.join()
    release.set()
    assert (LONG, "Finished") in who(until_idle(engine))
    engine.close()


def test_what_hangs_is_known_however_often_a_step_is_woken_for_others() -> None:
    release = threading.Event()
    engine = engine_of(ScriptedSpeaker(slow=release.wait), threads=2)
    assert engine.busy_since is None
    before = time.monotonic()
    begin(engine, LONG, "slow")
    begin(engine, SHORT, "quick")
    engine.step()
    hung_since = engine.busy_since
    assert hung_since is not None
    assert before <= hung_since <= time.monotonic()
    until_quick_is_done: StepResult = []
    while (SHORT, "Finished") not in who(until_quick_is_done):
        engine.wake()
        until_quick_is_done += engine.step()
        assert engine.busy_since == hung_since
    engine.cancel(LONG)  # its thread is not free for all that
    assert engine.busy_since == hung_since
    release.set()
    begin(engine, SHORT, "quick")
    until_idle(engine)
    engine.close()
    assert engine.busy_since is None


def test_an_old_wake_does_not_make_a_step_return_empty() -> None:
    engine = engine_of(ScriptedSpeaker(), threads=1)
    begin(engine, LONG, "silence", "a")
    engine.wake()
    assert engine.step() != []
    engine.close()


def test_a_cancelled_job_is_dropped_in_the_middle_of_a_piece() -> None:
    begun, release = threading.Event(), threading.Event()
    engine = engine_of(ScriptedSpeaker(slow=lambda: (begun.set(), release.wait())), threads=2)
    begin(engine, LONG, "slow", "slow")
    waker = threading.Thread(target=lambda: (begun.wait(), engine.wake()))
    waker.start()
    engine.step()
    waker.join()
    engine.cancel(LONG)
    begin(engine, SHORT, "quick")
    release.set()
    assert {job for job, _ in until_idle(engine)} == {SHORT}
    engine.close()


def test_a_failing_sentence_costs_its_job_alone() -> None:
    engine = engine_of(ScriptedSpeaker(bad=lambda: 1 // 0), threads=1)
    begin(engine, LONG, "a", "bad", "never")
    begin(engine, SHORT, "a")
    results = until_idle(engine)
    engine.close()
    assert [o.code for _, o in results if isinstance(o, Failed)] == ["synthesis_failed"]
    assert (SHORT, "Finished") in who(results)
    assert len([None for job, kind in who(results) if (job, kind) == (LONG, "AudioChunk")]) == 2


def test_silent_sentences_are_skipped_unless_there_are_no_others() -> None:
    engine = engine_of(ScriptedSpeaker(), threads=1)
    begin(engine, LONG, "silence", "a")
    begin(engine, SHORT, "silence", "silence")
    ends = {job: o for job, o in until_idle(engine) if not isinstance(o, AudioChunk)}
    engine.close()
    assert isinstance(ends[LONG], Finished)
    assert isinstance(ends[SHORT], Failed)
    assert ends[SHORT].code == "nothing_to_say"


def test_a_job_waits_for_text_that_is_still_to_come() -> None:
    engine = engine_of(ScriptedSpeaker(), threads=1)
    engine.start(LONG, REQUEST, VOICE)
    assert engine.step() == []
    engine.append(LONG, Sentence(raw="", normalized="a"))
    assert [kind for _, kind in who(until_idle(engine))] == ["AudioChunk"] * 2
    engine.end(LONG)
    assert who(until_idle(engine)) == [(LONG, "Finished")]
    engine.close()


def test_a_foreign_voice_is_refused() -> None:
    engine = engine_of(ScriptedSpeaker(), threads=1)
    voice = Voice(id="zork", name="", languages=("en",), models=(), revision="")
    with pytest.raises(VoiceNotFoundError):
        engine.start(LONG, REQUEST, voice)
    engine.close()


@pytest.mark.parametrize("options", [{"threads": 0}, {"threads": "2"}, {"zork": 1}])
def test_an_option_that_is_none_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(EngineUnavailableError, match="one option"):
        embedded.create(options)


def test_a_changed_file_of_weights_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(heart.DIGESTS, "hibari.onnx", "0" * 64)
    with pytest.raises(EngineUnavailableError, match=r"^hibari\.onnx is not the file"):
        embedded.create({})
