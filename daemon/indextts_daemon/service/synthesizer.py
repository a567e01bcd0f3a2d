"""The one way to speak: route, wait for a place, hand the sentences to a worker, stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
import time

from indextts_daemon.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    NothingToSayError,
    SpeechError,
)
from indextts_daemon.metrics import REJECTIONS, Metrics
from indextts_daemon.speech import AudioChunk, Sentence, SpeechRequest
from indextts_daemon.text.cleaning import has_words
from indextts_daemon.text.household import read_aloud
from indextts_daemon.text.incoming import IncomingText
from indextts_daemon.text.pronunciation import without_pronunciation
from indextts_daemon.worker.handle import JobStream

from .recent import Recent, Spoken
from .routing import SELF, Route, Router, SpeechOrder

READ_AT_ONCE = 500  # characters: some four milliseconds, if they are full of figures


class Speech:
    """An order that is being spoken; iterate its audio once."""

    def __init__(
        self,
        route: Route,
        stream: JobStream,
        text: IncomingText,
        *,
        ordered_at: float,
        queue_wait_s: float,
    ) -> None:
        self.route = route
        self.queue_wait_s = queue_wait_s
        self.complete = False
        self.audio_s = 0.0
        self.first_audio_s: float | None = None
        self.stages: dict[str, float] = {}
        self._ordered_at = ordered_at
        self._stream = stream
        self._text = text

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
        self._stream.end()

    def _speak_on(self, sentences: list[str]) -> None:
        for sentence in _read(sentences, self.route):
            self._stream.append(sentence)

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """Yield the audio as it is made. Raises SynthesisError, EngineUnavailableError."""
        async for chunk in self._stream:
            self.audio_s += len(chunk.samples) / chunk.sample_rate
            for stage, seconds in chunk.stages.items():
                self.stages[stage] = self.stages.get(stage, 0.0) + seconds
            if chunk.samples.size:
                yield chunk
        self.complete = True


class Synthesizer:
    """Speaks orders, and knows how many are under way."""

    def __init__(self, router: Router, metrics: Metrics) -> None:
        self._router = router
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
            route = await self._route(order)
            async with route.model.queue.place(order.priority) as place:
                stream = await _submitted(order, route, text)
                stream.when_made(place.release)  # a slow listener holds up nobody
                speech = Speech(
                    route, stream, text, ordered_at=ordered_at, queue_wait_s=place.waited_s
                )
                try:
                    yield speech
                finally:
                    stream.cancel()
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

    async def _route(self, order: SpeechOrder) -> Route:
        """Find who speaks the words that an order begins with, which are clean."""
        if not has_words(order.text):
            raise NothingToSayError(
                "There is no word to speak in the input. Write some letters or digits.",
                param="input",
            )
        return await self._router.route(order)

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


async def _submitted(order: SpeechOrder, route: Route, text: IncomingText) -> JobStream:
    """Give a worker what has arrived of the text. Raises EngineUnavailableError.

    A long text is read beside the event loop, which it would hold up for tens of milliseconds;
    one that is still arriving must not find us away.
    """
    arrived, whole = text.begin(route.language), text.ended
    if whole and sum(map(len, arrived)) > READ_AT_ONCE:
        sentences = await asyncio.to_thread(_read, arrived, route)
    else:
        sentences = _read(arrived, route)
    return route.model.speaker().submit(
        SpeechRequest(
            language=route.language,
            speed=route.speed,
            seed=order.seed or 0,
            emotion=route.emotion,
        ),
        route.voice,
        sentences,
        end=whole,
    )


def _read(sentences: list[str], route: Route) -> list[Sentence]:
    """Add to what is written how it is read aloud by the route's model."""
    info = route.model.info
    spelled_out = info is not None and bool(info.pronunciation)
    return [
        Sentence(
            raw=raw,
            normalized=read_aloud(
                raw if spelled_out else without_pronunciation(raw), route.language
            ),
        )
        for raw in sentences
    ]


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
