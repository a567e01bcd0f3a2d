"""The one way to speak: what reaches the worker, how every end is counted, and draining."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
import threading
from typing import Any

import numpy as np
import pytest

from indextts_daemon.errors import (
    EngineUnavailableError,
    NothingToSayError,
    QueueFullError,
    SpeechError,
    SynthesisError,
    UnsupportedLanguageError,
    VoiceNotFoundError,
)
from indextts_daemon.metrics import OUTCOMES, REJECTIONS, Metrics
from indextts_daemon.service import synthesizer
from indextts_daemon.service.queue import JobQueue
from indextts_daemon.service.routing import SELF, Router, SpeechOrder
from indextts_daemon.service.synthesizer import Speech, Synthesizer
from indextts_daemon.speech import AudioChunk, Sentence, SpeechRequest
from indextts_daemon.text.incoming import IncomingText
from indextts_daemon.worker.protocol import Append, Cancel, End
from tests.daemon.rooms import (
    StubModel,
    StubWorker,
    generations_of,
    info,
    real_model,
    until,
    voice,
)

INFO = info("fake", voice("one", "en"), voice("two", "de"))
HELLO = SpeechOrder(text="Hello there.")


def chunk(seconds: float, **stages: float) -> AudioChunk:
    samples = np.full(round(seconds * 1000), 0.5, np.float32)
    return AudioChunk(samples=samples, sample_rate=1000, stages=stages)


@dataclass(frozen=True)
class Room:
    """A synthesizer in front of a scripted worker, and its figures."""

    synthesizer: Synthesizer
    model: StubModel
    worker: StubWorker
    metrics: Metrics

    def figure(self, name: str, **labels: str) -> float:
        found = self.metrics.registry.get_sample_value(f"indextts_{name}", labels)
        assert found is not None, name
        return found

    def outcomes(self, priority: str = "interactive") -> dict[str, float]:
        counts = {
            outcome: self.figure(
                "requests_total", outcome=outcome, priority=priority, frontend="http"
            )
            for outcome in OUTCOMES
        }
        return {outcome: count for outcome, count in counts.items() if count}

    def rejections(self) -> dict[str, float]:
        counts = {reason: self.figure("rejections_total", reason=reason) for reason in REJECTIONS}
        return {reason: count for reason, count in counts.items() if count}


def room(*answer: Any, down: bool = False, capacity: int = 1) -> Room:
    metrics, worker = Metrics(), StubWorker(answer or (chunk(0.5), chunk(0.25), None))
    model = StubModel(
        id="fake",
        knows=None if down else INFO,
        info=None if down else INFO,
        load_failed=down,
        queue=JobQueue(capacity=capacity, metrics=metrics),
        worker=worker,
    )
    return Room(Synthesizer(Router(), generations_of(model), metrics), model, worker, metrics)


async def spoken(room: Room, order: SpeechOrder = HELLO) -> Speech:
    async with asyncio.timeout(30), room.synthesizer.speak(order) as speech:
        async for _ in speech:
            pass
    return speech


async def broken_off(room: Room, error: Exception) -> None:
    async with room.synthesizer.speak(HELLO) as speech:
        await anext(aiter(speech))
        raise error


@asynccontextmanager
async def busy(room: Room) -> AsyncIterator[None]:
    """Have one request being spoken while inside."""
    async with room.synthesizer.speak(HELLO) as speech:
        yield
        async for _ in speech:
            pass


async def test_the_worker_gets_the_order_as_it_was_meant() -> None:
    here = room()
    await spoken(here, SpeechOrder(text="Guten Tag! 😀 Na?", language="de-AT", speed=1.5, seed=9))
    await spoken(here)
    [(request, speaker, sentences), (plain, first, _)] = here.worker.submitted
    assert request == SpeechRequest(language="de", speed=1.5, seed=9)
    assert speaker.id == "two"
    assert [sentence.raw for sentence in sentences] == ["Guten Tag!", "Na?"]
    assert (plain, first.id) == (SpeechRequest(language="en"), "one")


async def test_the_worker_gets_each_sentence_as_written_and_as_it_is_read_aloud() -> None:
    here = room()
    await spoken(here, SpeechOrder(text="It is 6:45. Bring 2.", language="en"))
    await spoken(here, SpeechOrder(text="Um 6:45 Uhr.", language="de"))
    [(_, _, english), (_, _, german)] = here.worker.submitted
    assert english == [
        Sentence(raw="It is 6:45.", normalized="It is six forty five."),
        Sentence(raw="Bring 2.", normalized="Bring two."),
    ]
    assert german == [Sentence.plain("Um 6:45 Uhr.")]


async def test_a_spelled_out_word_stays_one_for_a_model_that_cannot_read_it() -> None:
    here = room()
    words = SpeechOrder(text="A <live|L AY1 V> show.", language="en")
    await spoken(here, words)
    here.model.info = replace(INFO, pronunciation=("cmu",))
    await spoken(here, words)
    [(_, _, plain), (_, _, spelled)] = here.worker.submitted
    assert [one.normalized for one in plain] == ["A live show."]
    assert [one.normalized for one in spelled] == ["A <live|L AY1 V> show."]


async def test_a_long_text_is_read_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def read(text: str, _: str) -> str:
        threads.append(threading.get_ident())
        return text

    monkeypatch.setattr(synthesizer, "read_aloud", read)
    here = room(None)
    for times in (1, 60):
        await spoken(here, SpeechOrder(text="It is 6:45. " * times, language="en"))
    assert threads[0] == threading.get_ident()
    assert threads[0] not in threads[1:]
    assert len(threads) == 61


async def test_work_without_sound_is_counted_and_not_heard() -> None:
    silent = AudioChunk(samples=np.zeros(0, np.float32), sample_rate=24000, stages={"gpt": 0.5})
    here = room(silent, chunk(0.5), None)
    async with here.synthesizer.speak(HELLO) as speech:
        heard = [len(part.samples) async for part in speech]
    assert len(heard) == 1
    assert speech.stages["gpt"] == 0.5


async def test_the_audio_arrives_as_it_was_made() -> None:
    chunks = [chunk(0.5), chunk(0.25)]
    here = room(*chunks, None)
    async with here.synthesizer.speak(HELLO) as speech:
        assert [part async for part in speech] == chunks
    assert speech.complete
    assert speech.audio_s == pytest.approx(0.75)
    assert (speech.route.model, speech.route.language) == (here.model, "en")


async def test_speech_to_its_end_is_counted_ok_with_all_that_was_spent_on_it() -> None:
    here = room(chunk(0.5, gpt=0.1, vocoder=0.2), chunk(0.5, gpt=0.3), None)
    await spoken(here)
    assert here.outcomes() == {"ok": 1}
    assert here.figure("input_characters_total") == len(HELLO.text)
    assert here.figure("synthesized_audio_seconds_total") == pytest.approx(1.0)
    assert here.figure("synthesis_seconds_total") == pytest.approx(0.6)
    assert here.figure("real_time_factor_sum") == pytest.approx(0.6)
    assert here.figure("stage_duration_seconds_sum", stage="gpt") == pytest.approx(0.4)
    assert here.figure("stage_duration_seconds_count", stage="vocoder") == 1
    assert here.figure("request_duration_seconds_count", priority="interactive") == 1
    assert here.figure("last_synthesis_success_timestamp_seconds") > 1.7e9
    assert here.figure("cancelled_audio_seconds_total") == 0
    assert here.rejections() == {}


async def test_the_first_audio_counts_once_and_from_the_order_on() -> None:
    here = room()
    async with here.synthesizer.speak(HELLO) as speech:
        async for _ in speech:
            speech.note_first_audio()
    assert speech.first_audio_s is not None
    assert 0 < speech.first_audio_s < speech.elapsed_s
    name = "time_to_first_audio_seconds"
    assert here.figure(f"{name}_count", priority="interactive") == 1
    assert here.figure(f"{name}_sum", priority="interactive") == speech.first_audio_s


async def test_only_what_a_client_heard_whole_is_remembered_as_recent() -> None:
    here = room(chunk(0.5, gpt=0.1, vocoder=0.05), None)
    await spoken(here)
    await spoken(here, SpeechOrder(text="OK.", frontend=SELF))
    async with here.synthesizer.speak(HELLO) as speech:
        speech.note_first_audio()
    with pytest.raises(SynthesisError):
        await broken_off(here, SynthesisError("no"))
    figures = here.synthesizer.recent.figures()
    assert (figures.requests, figures.first_audio_p50_s) == (1, None)
    assert figures.real_time_factor == pytest.approx(0.3)


async def test_a_critical_request_is_counted_as_one() -> None:
    here = room()
    await spoken(here, SpeechOrder(text="Fire.", priority="critical"))
    assert here.outcomes("critical") == {"ok": 1}
    assert here.outcomes() == {}
    assert here.figure("queue_wait_seconds_count", priority="critical") == 1


async def test_what_the_daemon_says_to_itself_is_counted_as_nobodys() -> None:
    here = room()
    await spoken(here, SpeechOrder(text="OK.", frontend=SELF))
    with pytest.raises(NothingToSayError):
        await spoken(here, SpeechOrder(text="!", frontend=SELF))
    assert len(here.worker.submitted) == 1
    fed = {
        sample.name
        for metric in (here.metrics.requests, here.metrics.rejections, here.metrics.duration)
        for family in metric.collect()
        for sample in family.samples
        if sample.value
    }
    assert fed == set()
    for name in ("input_characters_total", "synthesized_audio_seconds_total"):
        assert here.figure(name) == 0
    assert here.figure("last_synthesis_success_timestamp_seconds") == 0


async def test_leaving_early_cancels_the_job_and_counts_what_was_made_for_nothing() -> None:
    here = room(chunk(0.5), ...)
    async with here.synthesizer.speak(HELLO) as speech:
        async for _ in speech:
            break
    assert here.worker.sent == [Cancel(job=1)]
    assert here.outcomes() == {"cancelled": 1}
    assert here.figure("cancelled_audio_seconds_total") == pytest.approx(0.5)
    assert here.figure("last_synthesis_success_timestamp_seconds") == 0
    assert here.figure("request_duration_seconds_count", priority="interactive") == 0


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionResetError(), "cancelled"),
        (TimeoutError(), "timeout"),
        (ValueError("a mistake of ours"), "error"),
        (SynthesisError("no"), "error"),
    ],
)
async def test_what_breaks_while_speaking_is_counted_by_whose_doing_it_was(
    error: Exception, outcome: str
) -> None:
    here = room(chunk(0.5), ...)
    with pytest.raises(type(error)):
        await broken_off(here, error)
    assert here.outcomes() == {outcome: 1}
    assert here.rejections() == {}
    assert here.figure("cancelled_audio_seconds_total") == pytest.approx(0.5)
    assert here.worker.sent == [Cancel(job=1)]
    assert here.model.queue.in_flight == 0


async def test_a_cancelled_task_is_counted_cancelled_and_gives_its_place_back() -> None:
    here = room(chunk(0.5), ...)
    task = asyncio.create_task(spoken(here))
    await until(lambda: here.worker.submitted)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert here.outcomes() == {"cancelled": 1}
    assert here.worker.sent == [Cancel(job=1)]
    assert (here.model.queue.in_flight, here.model.queue.waiting) == (0, 0)


async def test_giving_up_in_the_queue_is_counted_cancelled() -> None:
    here = room()
    async with busy(here):
        task = asyncio.create_task(spoken(here))
        await until(lambda: here.model.queue.waiting)
        task.cancel()
        await asyncio.wait({task})
    assert here.outcomes() == {"ok": 1, "cancelled": 1}
    assert len(here.worker.submitted) == 1
    assert (here.model.queue.in_flight, here.model.queue.waiting) == (0, 0)


@pytest.mark.parametrize(
    "error",
    [SynthesisError("It broke.", code="oom"), EngineUnavailableError("Gone.", code="worker_lost")],
)
async def test_what_the_engine_says_is_raised_and_counted_an_error(error: SpeechError) -> None:
    here = room(chunk(0.5), error)
    with pytest.raises(type(error)) as raised:
        await spoken(here)
    assert raised.value is error
    assert here.outcomes() == {"error": 1}
    assert here.rejections() == {}


@pytest.mark.parametrize(
    ("order", "down", "error", "reason"),
    [
        ({"text": "😀 !!!"}, False, NothingToSayError, "invalid"),
        ({"voice": "nobody"}, False, VoiceNotFoundError, "invalid"),
        ({"language": "it"}, False, UnsupportedLanguageError, "invalid"),
        ({}, True, EngineUnavailableError, "loading"),
    ],
)
async def test_a_refusal_is_counted_with_its_reason_and_never_reaches_a_worker(
    order: dict[str, Any], *, down: bool, error: type[SpeechError], reason: str
) -> None:
    here = room(down=down)
    with pytest.raises(error):
        await spoken(here, SpeechOrder(**{"text": "Hello."} | order))
    assert here.outcomes() == {"rejected": 1}
    assert here.rejections() == {reason: 1}
    assert here.worker.submitted == []
    assert here.figure("input_characters_total") == 0


@pytest.mark.parametrize("renewed", [False, True])
async def test_who_waited_for_a_model_in_vain_is_not_held_once_more(*, renewed: bool) -> None:
    """Unless there are other models by now."""
    down, metrics = StubModel(id="fake", knows=None), Metrics()
    generations = generations_of(down)
    ready = down.ready

    async def ready_late(priority: str) -> None:
        if renewed and not down.asked:
            generations.commit(lambda now: replace(now, reason="Another."))
        await ready(priority)

    down.ready = ready_late  # type: ignore[method-assign]
    here = Room(Synthesizer(Router(), generations, metrics), down, StubWorker(), metrics)
    with pytest.raises(EngineUnavailableError):
        await spoken(here, SpeechOrder(text="Hello.", language="en", model="fake"))
    assert down.asked == 1 + renewed


async def test_a_full_queue_is_counted_with_its_reason() -> None:
    here = room()
    async with busy(here):
        waiting = asyncio.create_task(spoken(here))
        await until(lambda: here.model.queue.waiting)
        with pytest.raises(QueueFullError):
            await spoken(here)
    await waiting
    assert here.outcomes() == {"ok": 2, "rejected": 1}
    assert here.rejections() == {"queue_full": 1}


def arriving(*pieces: str) -> IncomingText:
    text = IncomingText("en")
    for piece in pieces:
        text.feed(piece)
    return text


async def test_a_text_that_is_still_arriving_is_spoken_as_it_comes() -> None:
    here, text = room(chunk(0.5), ...), arriving("Hello there. How ")
    order = SpeechOrder(text=text.arrived, language="en", frontend="ws")
    async with here.synthesizer.speak(order, text) as speech:
        speech.append("are you? ")
        assert here.worker.sent == []
        speech.append("Fine")
        speech.end()
        sent = [*here.worker.sent]
    [(_, _, begun)] = here.worker.submitted
    assert [sentence.raw for sentence in begun] == ["Hello there."]
    assert [command.sentence.raw for command in sent if isinstance(command, Append)] == [
        *("How are you?", "Fine")
    ]
    assert isinstance(sent[-1], End)
    assert here.figure("input_characters_total") == len("Hello there. How are you? Fine")
    labels = {"outcome": "cancelled", "priority": "interactive", "frontend": "ws"}
    assert here.figure("requests_total", **labels) == 1


async def test_what_arrives_later_is_read_aloud_in_the_language_of_the_order() -> None:
    here, text = room(chunk(0.5), ...), arriving("Hello there. How ")
    order = SpeechOrder(text=text.arrived, language="en", frontend="ws")
    async with here.synthesizer.speak(order, text) as speech:
        speech.append("is 7 pm? Call ")
        speech.append("at 18:05")
        speech.end()
        appended = [one.sentence for one in here.worker.sent if isinstance(one, Append)]
    assert appended == [
        Sentence(raw="How is 7 pm?", normalized="How is seven PM?"),
        Sentence(raw="Call at 18:05", normalized="Call at eighteen oh five"),
    ]


async def test_a_text_that_came_whole_while_it_waited_is_ended_with_its_sentences() -> None:
    here, text = room(), arriving("Hello there. How are you?")
    text.end()
    order = SpeechOrder(text=text.arrived, language="en", frontend="ws")
    async with here.synthesizer.speak(order, text) as speech:
        assert len([part async for part in speech]) == 2
    [(_, _, sentences)] = here.worker.submitted
    assert [sentence.raw for sentence in sentences] == ["Hello there.", "How are you?"]
    assert here.worker.ends == [True]


async def settled(worker: Any) -> int:
    """Wait until the engine has nothing to do, and return how many chunks it has made."""
    made = -1
    while (now := (await worker.stats())["chunks"]) != made or not now:
        made = now
        await asyncio.sleep(0.3)
    return made


@pytest.mark.parametrize("engine", ["fake", "embedded"])
async def test_an_engine_waits_for_what_comes_late_and_for_an_end_after_everything(
    engine: str,
) -> None:
    async with real_model(model=engine, engine=engine) as real:
        await real.model.ready()
        worker = real.model.worker
        assert worker is not None
        synthesizer = Synthesizer(Router(), generations_of(real.model), real.metrics)
        text = arriving("One is here. Two")
        order = SpeechOrder(text=text.arrived, language="en", frontend="ws")
        async with asyncio.timeout(60), synthesizer.speak(order, text) as speech:
            first = await settled(worker)
            speech.append(" is here. 😀 ")
            speech.append("Three is")
            second = await settled(worker)
            assert second > first
            speech.append(" here.")
            speech._speak_on(speech._text.end())
            third = await settled(worker)
            speech._current.stream.end()
            assert len([part async for part in speech]) == third > second
        assert speech.complete
        counters = await worker.stats()
        assert (counters["sentences"], counters["jobs_finished"]) == (3, 1)

        text = arriving("One is here. Two")
        async with asyncio.timeout(60), synthesizer.speak(order, text) as speech:
            await settled(worker)
        async with asyncio.timeout(60):
            while (counters := await worker.stats())["live_jobs"]:  # noqa: ASYNC110 nothing tells us
                await asyncio.sleep(0.01)
        assert counters["jobs_cancelled"] == 1
        assert real.model.queue.in_flight == 0


async def test_draining_lets_what_is_spoken_end_and_takes_nothing_new() -> None:
    here = room()
    async with busy(here):
        draining = asyncio.create_task(here.synthesizer.drain(timeout_s=30))
        await until(lambda: here.synthesizer.draining)
        with pytest.raises(EngineUnavailableError) as refused:
            await spoken(here)
        assert refused.value.error_code == "draining"
        assert not draining.done()
    assert await draining
    assert here.outcomes() == {"ok": 1, "rejected": 1}
    assert here.rejections() == {"draining": 1}


async def test_draining_waits_for_those_in_the_queue_too() -> None:
    here = room()
    async with busy(here):
        waiting = asyncio.create_task(spoken(here))
        await until(lambda: here.model.queue.waiting)
        draining = asyncio.create_task(here.synthesizer.drain(timeout_s=30))
        await asyncio.sleep(0)
    assert await draining
    assert waiting.done()
    assert here.outcomes() == {"ok": 2}


async def test_draining_does_not_wait_for_ever() -> None:
    here = room()
    async with busy(here):
        assert not await here.synthesizer.drain(timeout_s=0.01)
    assert await here.synthesizer.drain(timeout_s=0.01)


async def test_draining_an_idle_daemon_ends_at_once() -> None:
    here = room()
    await spoken(here)
    assert await here.synthesizer.drain(timeout_s=0)
