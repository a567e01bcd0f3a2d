"""The one way to speak: route, wait for a place, hand the sentences to a worker, stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
import time

from indextts_daemon.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    NothingToSayError,
    SpeechError,
    SynthesisError,
)
from indextts_daemon.metrics import REJECTIONS, Metrics
from indextts_daemon.speech import AudioChunk, Sentence, SpeechRequest
from indextts_daemon.text.cleaning import has_words
from indextts_daemon.text.household import read_aloud
from indextts_daemon.text.incoming import IncomingText
from indextts_daemon.text.lexicon import Lexicon
from indextts_daemon.text.pronunciation import without_pronunciation
from indextts_daemon.worker.handle import JobStream

from .gate import Gate
from .generation import Binding, Generation, Generations
from .recent import Recent, Spoken
from .routing import SELF, Route, Router, SpeechOrder

READ_AT_ONCE = 500  # characters: some four milliseconds, if they are full of figures
RERUNS = 1  # of an order whose model went away before it sounded
NOT_AGAIN = frozenset({"draining", "paused", "paused_gpu_busy"})  # refusals that stay
OUR_FAULT = frozenset({"synthesis_failed", "bad_audio"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One job of a worker for an order."""

    route: Route
    stream: JobStream
    queue_wait_s: float
    place: AsyncExitStack


class Speech:
    """An order that is being spoken; iterate its audio once.

    Should its model go away before anything has sounded, it is spoken once more by whoever can.
    """

    def __init__(
        self, order: SpeechOrder, text: IncomingText, *, binding: Binding, ordered_at: float
    ) -> None:
        self.order = order
        self._binding = binding
        self.complete = False
        self.audio_s = 0.0
        self.first_audio_s: float | None = None
        self.stages: dict[str, float] = {}
        self._ordered_at = ordered_at
        self._text = text
        self._said: list[str] = []  # sentences as they were written, as far as they have come
        self._attempt: _Attempt | None = None
        self._reruns = RERUNS
        self._router: Router | None = None
        self._attempted = False  # a speaker was found

    @property
    def generation(self) -> Generation:
        """What it is bound to, whatever is reloaded meanwhile."""
        return self._binding.generation

    @property
    def route(self) -> Route:
        """Who speaks it."""
        return self._current.route

    @property
    def queue_wait_s(self) -> float:
        """Seconds that it waited for a place."""
        return self._current.queue_wait_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was ordered."""
        return time.monotonic() - self._ordered_at

    def note_first_audio(self) -> None:
        """Note when the first encoded audio was there; whoever encodes it says so, once."""
        if self.first_audio_s is None:
            self.first_audio_s = self.elapsed_s

    @property
    def characters(self) -> int:
        """How many it was given to speak."""
        return self._text.characters

    def append(self, text: str) -> None:
        """Speak on with the next piece of a text that is still arriving."""
        self._speak_on(self._text.feed(text))

    def pause(self) -> None:
        """Say that nothing has arrived for a while."""
        self._speak_on(self._text.pause())

    def end(self) -> None:
        """Say that the text has arrived whole."""
        self._speak_on(self._text.end())
        self._current.stream.end()

    async def begin(self, router: Router) -> None:
        """Find a speaker and give it what has arrived; once more if it goes away meanwhile.

        Raises what `Router.route` raises, QueueFullError and EngineUnavailableError.
        """
        self._router = router
        try:
            await self._try(router)
        except EngineUnavailableError as err:
            await self._again(err)

    async def close(self) -> None:
        """Stop it within one step, and give back its place."""
        if self._attempt is not None:
            self._attempt.stream.cancel()
            await self._attempt.place.aclose()

    @property
    def _current(self) -> _Attempt:
        assert self._attempt is not None  # noqa: S101 nobody gets it before it has begun
        return self._attempt

    def _speak_on(self, sentences: list[str]) -> None:
        self._said += sentences
        for sentence in _read(sentences, self.route, self.generation.lexicon):
            self._current.stream.append(sentence)

    async def _again(self, err: EngineUnavailableError) -> None:
        """Try once more, unless it has sounded. Raises `err` where that would not help."""
        lost = self._attempted or self._binding.outdated  # its model went away; else it waited
        if self.audio_s or not self._reruns or err.error_code in NOT_AGAIN or not lost:
            raise err
        self._reruns -= 1
        self._binding.renew()
        assert self._router is not None  # noqa: S101 it has begun
        await self._try(self._router)

    async def _try(self, router: Router) -> None:
        await self.close()
        self._attempted = False
        self._binding.settle(*router.candidates(self.order, self.generation))
        route = await router.route(self.order, self.generation)
        self._binding.settle(route.model)
        self._attempted = True
        async with AsyncExitStack() as stack:
            place = await stack.enter_async_context(route.model.queue.place(self.order.priority))
            stream = await self._submitted(route)
            stream.when_made(place.release)  # a slow listener holds up nobody
            self._attempt = _Attempt(
                route=route, stream=stream, queue_wait_s=place.waited_s, place=stack.pop_all()
            )

    async def _submitted(self, route: Route) -> JobStream:
        """Give a worker what has arrived of the text. Raises EngineUnavailableError.

        A long text is read beside the event loop, which it would hold up for tens of milliseconds;
        one that is still arriving must not find us away.
        """
        if not self._said:
            self._said = self._text.begin(route.language)
        arrived, whole = self._said, self._text.ended
        if whole and sum(map(len, arrived)) > READ_AT_ONCE:
            sentences = await asyncio.to_thread(_read, arrived, route, self.generation.lexicon)
        else:
            sentences = _read(arrived, route, self.generation.lexicon)
        return route.model.speaker().submit(
            SpeechRequest(
                language=route.language,
                speed=route.speed,
                seed=self.order.seed or 0,
                emotion=route.emotion,
            ),
            route.voice,
            sentences,
            end=whole,
        )

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """Yield the audio as it is made. Raises SynthesisError, EngineUnavailableError."""
        while not self.complete:
            try:
                async for chunk in self._current.stream:
                    self.audio_s += len(chunk.samples) / chunk.sample_rate
                    for stage, seconds in chunk.stages.items():
                        self.stages[stage] = self.stages.get(stage, 0.0) + seconds
                    if chunk.samples.size:
                        yield chunk
                self.complete = True
            except EngineUnavailableError as err:
                await self._again(err)
            except SynthesisError as err:
                if err.error_code in OUR_FAULT:
                    self.route.model.note_failure()
                raise


class Synthesizer:
    """Speaks orders, and knows how many are under way."""

    def __init__(
        self, router: Router, generations: Generations, metrics: Metrics, gate: Gate | None = None
    ) -> None:
        self._router = router
        self._generations = generations
        self._gate = gate or Gate()
        self._metrics = metrics
        self.recent = Recent()
        self._draining = asyncio.Event()
        self._live = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def draining(self) -> bool:
        """Whether no further order is taken."""
        return self._draining.is_set()

    async def stopping(self) -> None:
        """Wait until no further order is taken."""
        await self._draining.wait()

    @asynccontextmanager
    async def speak(
        self, order: SpeechOrder, text: IncomingText | None = None
    ) -> AsyncIterator[Speech]:
        """Speak an order while inside; leaving early stops it within one step.

        A `text` that is still arriving is spoken instead of the order's, which are then the clean
        words that it begins with. Where the rest of it fails to come, that is why the order ended.

        Raises what `Router.route` raises, NothingToSayError, QueueFullError and
        EngineUnavailableError.
        """
        ordered_at = time.monotonic()
        speech: Speech | None = None
        self._live += 1
        self._idle.clear()
        try:
            self.check_open()
            if text is None:
                text = IncomingText.whole(order.text)
                order = replace(order, text=text.arrived)
            _require_words(order)
            await self._gate.passed(order, self._generations.current)
            with self._generations.bound() as binding:
                begun = Speech(order, text, binding=binding, ordered_at=ordered_at)
                try:
                    await begun.begin(self._router)
                    speech = begun
                    yield speech
                finally:
                    await begun.close()
        except BaseException as err:
            self._account(order, speech, (text.failure if text else None) or err)
            raise
        else:
            self._account(order, speech, None)
        finally:
            self._live -= 1
            if not self._live:
                self._idle.set()

    async def load(self) -> None:
        """Read, beside the event loop, what the first orders would wait for."""
        await asyncio.to_thread(self._router.load)

    async def drain(self, *, timeout_s: float) -> bool:
        """Take no further order, and wait for those under way; whether all ended in time."""
        self._draining.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def note_failure(self, order: SpeechOrder, error: Exception) -> None:
        """Count an order that failed before it came to speaking."""
        self._account(order, None, error)

    def check_open(self) -> None:
        """Raise EngineUnavailableError if no further order is taken."""
        if self.draining:
            raise EngineUnavailableError(
                "The daemon is stopping. Try again when it is back.",
                code="draining",
                retry_after_s=10.0,
            )

    def _account(
        self, order: SpeechOrder, speech: Speech | None, error: BaseException | None
    ) -> None:
        """Count a client's order; what the daemon says to itself is none."""
        if order.frontend == SELF:
            return
        outcome = _outcome(speech, error)
        metrics, priority = self._metrics, order.priority
        metrics.requests.labels(outcome, priority, order.frontend).inc()
        if outcome == "rejected" and isinstance(error, SpeechError):
            code = error.error_code
            metrics.rejections.labels(code if code in REJECTIONS else "invalid").inc()
        if speech is None:
            return
        metrics.input_characters.inc(speech.characters)
        if speech.first_audio_s is not None:
            metrics.first_audio.labels(priority).observe(speech.first_audio_s)
        engine_s = sum(speech.stages.values())
        for stage, seconds in speech.stages.items():
            metrics.stages.labels(stage).observe(seconds)
        metrics.audio_seconds.inc(speech.audio_s)
        metrics.synthesis_seconds.inc(engine_s)
        if outcome != "ok":
            metrics.cancelled_audio.inc(speech.audio_s)
            return
        metrics.duration.labels(priority).observe(speech.elapsed_s)
        metrics.last_success.set(time.time())
        self.recent.add(
            Spoken(first_audio_s=speech.first_audio_s, audio_s=speech.audio_s, engine_s=engine_s)
        )
        if speech.audio_s:
            metrics.real_time_factor.observe(engine_s / speech.audio_s)


def _require_words(order: SpeechOrder) -> None:
    if not has_words(order.text):
        raise NothingToSayError(
            "There is no word to speak in the input. Write some letters or digits.",
            param="input",
        )


def _read(sentences: list[str], route: Route, lexicon: Lexicon) -> list[Sentence]:
    """Say things as the household does, and add how that is read aloud by the route's model."""
    spells_out = route.info.pronunciation
    found = []
    for written in sentences:
        raw = lexicon.applied(
            written, language=route.language, voice=route.voice.id, spells_out=spells_out
        )
        told = raw if spells_out else without_pronunciation(raw)
        found.append(Sentence(raw=raw, normalized=read_aloud(told, route.language)))
    return found


def _outcome(speech: Speech | None, error: BaseException | None) -> str:
    """Name the end of an order as the metrics do."""
    match error:
        case None:
            return "ok" if speech is not None and speech.complete else "cancelled"
        case TimeoutError():
            return "timeout"
        case InvalidRequestError():
            return "rejected"
        case SpeechError():
            return "error" if speech is not None else "rejected"
        case ConnectionError():
            return "cancelled"
    return "error" if isinstance(error, Exception) else "cancelled"
