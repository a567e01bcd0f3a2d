"""Which model, voice and language speak an order; decided from what the loaded models can do."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol

from indextts_daemon.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    UnsupportedLanguageError,
    VoiceNotFoundError,
)
from indextts_daemon.speech import Emotion, ModelInfo, Voice
from indextts_daemon.text.language import LanguageDetector, language_name, match
from indextts_daemon.worker.handle import WorkerState

from .feelings import FeelingOrder, Mood, felt, in_mood
from .generation import Generation
from .models import Model
from .pool import known

OPENAI_MODELS = frozenset({"tts-1", "tts-1-hd", "gpt-4o-mini-tts"})  # they mean the default
AUTO = "auto"
NEEDS = {  # what an engine must be able to act on for a client's wish to come true
    "speed": "speed",
    "seed": "seed",
    "mood": "emotion",
    "intensity": "emotion",
    "emotion": "emotion",
    "instructions": "emotion",
}
SLOWEST, FASTEST = 0.5, 2.0
SELF = "self"  # the front end through which the daemon speaks to itself
FALLBACK = "embedded"  # what speaks when the default cannot


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechOrder:
    """What a client asked to hear, validated at the door; None means "as you like"."""

    text: str
    language: str = AUTO
    model: str | None = None
    voice: str | None = None
    speed: float | None = None
    seed: int | None = None
    mood: str | None = None
    intensity: float | None = None  # of the feeling; 1 is as it was set down
    emotion: FeelingOrder | None = None
    instructions: str | None = None  # OpenAI's word for a feeling in words
    priority: str = "interactive"
    frontend: str = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who speaks the order, and what had to be left out for that."""

    model: Model
    info: ModelInfo  # what it can do, as it was known then
    voice: Voice
    language: str
    speed: float = 1.0
    emotion: Emotion | None = None
    degraded: tuple[str, ...] = ()


class Absence(Protocol):
    """Says which models have to leave the machine to somebody else for now."""

    def may_use_gpu(self, model: Model) -> bool:
        """Whether the model may be loaded and speak."""
        ...

    def refusal(self) -> EngineUnavailableError:
        """Return why it may not, and for how long."""
        ...


class Router:
    """Finds the speaker of an order in the generation that it is bound to."""

    def __init__(self, absence: Absence | None = None) -> None:
        self._absence = absence
        self._detector = LanguageDetector()

    def load(self) -> None:
        """Read the model that tells languages apart; half a second that no request should wait."""
        self._detector.load()

    def candidates(self, order: SpeechOrder, generation: Generation) -> tuple[Model, ...]:
        """Return the models one of which will speak the order. Raises ModelNotFoundError."""
        if order.model is not None and _named(order):
            return (known(generation, order.model),)
        cast = _Cast(generation, self._detector)
        return cast.default, cast.fallback

    async def route(self, order: SpeechOrder, generation: Generation) -> Route:
        """Choose the named model, else the default, else the fallback.

        Raises ModelNotFoundError, VoiceNotFoundError, UnsupportedLanguageError,
        InvalidRequestError for a parameter that the model lacks, unless it is a substitute, and
        EngineUnavailableError or QueueFullError when whoever could speak is not ready in time.
        """
        cast = _Cast(generation, self._detector)
        if _named(order):
            assert order.model is not None  # noqa: S101 it is named
            model = known(generation, order.model)
            self._require_here(model)
            return await cast.offer(model, order)
        if self._absence is not None and not self._absence.may_use_gpu(cast.default):
            return await self._while_away(order, cast)
        if offer := await cast.stand_in(order):
            return offer
        return await cast.best(order)

    async def _while_away(self, order: SpeechOrder, cast: "_Cast") -> Route:
        """Let the fallback speak for a default that is away, where the household wants that."""
        assert self._absence is not None  # noqa: S101 it says who is away
        if cast.generation.settings.sharing.while_away == "refuse":
            raise self._absence.refusal()
        try:
            return await cast.plain(order)
        except UnsupportedLanguageError:
            raise self._absence.refusal() from None

    def _require_here(self, model: Model) -> None:
        if self._absence is not None and not self._absence.may_use_gpu(model):
            raise self._absence.refusal()


def _named(order: SpeechOrder) -> bool:
    return order.model is not None and order.model not in OPENAI_MODELS


@dataclass(frozen=True, slots=True)
class _Cast:
    """Who there is in one generation."""

    generation: Generation
    detector: LanguageDetector

    @property
    def default(self) -> Model:
        return self.generation.models[self.generation.default]

    @property
    def fallback(self) -> Model:
        return self.generation.models.get(FALLBACK, self.default)

    async def best(self, order: SpeechOrder) -> Route:
        """Let the default speak, or the fallback where that cannot."""
        try:
            return await self.offer(self.default, order)
        except (EngineUnavailableError, UnsupportedLanguageError, VoiceNotFoundError) as refusal:
            if self.fallback is self.default:
                raise
            try:
                if isinstance(refusal, EngineUnavailableError):
                    return await self.plain(order)
                return await self.offer(self.fallback, order, substitute=True)
            except VoiceNotFoundError:
                raise refusal from None
            except UnsupportedLanguageError:
                if isinstance(refusal, EngineUnavailableError):  # the default may speak it
                    raise refusal from None
                raise

    async def stand_in(self, order: SpeechOrder) -> Route | None:
        """Let a fallback that is ready speak at once while the default is not, where it can.

        A default that only sleeps and wakes quickly is waited for, unless it is urgent.
        """
        ready = [model.state is WorkerState.ready for model in (self.default, self.fallback)]
        if ready != [False, True]:
            return None
        self.default.keep()
        if self.default.wakes_soon and order.priority != "critical":
            return None
        try:
            return await self.plain(order)
        except (EngineUnavailableError, UnsupportedLanguageError):
            return None

    async def plain(self, order: SpeechOrder) -> Route:
        """Let the fallback speak while the default is down: a plain voice rather than none."""
        degraded: tuple[str, ...] = ("model",)
        try:
            offer = await self.offer(self.fallback, order, substitute=True)
        except VoiceNotFoundError:  # the default may have it
            degraded = ("model", "voice")
            anybody = replace(order, voice=None)
            offer = await self.offer(self.fallback, anybody, substitute=True)
        return replace(offer, degraded=(*degraded, *offer.degraded))

    async def offer(self, model: Model, order: SpeechOrder, *, substitute: bool = False) -> Route:
        """Cast a model for an order. Raises what `Router.route` does."""
        if model.info is None or model.load_failed or model.state is not WorkerState.ready:
            await model.ready(order.priority)
        info = self.generation.info(model)
        assert info is not None  # noqa: S101 a ready model has one
        voice, language = self._cast(info, order)
        lacking = _lacking(info, order)
        refused = [
            name
            for name in lacking
            if name != "instructions" and (_named(order) or NEEDS[name] != "emotion")
        ]
        if refused and not substitute:
            raise InvalidRequestError(
                f"The model {model.id} has no {refused[0]}. Leave it out.", param=refused[0]
            )
        if not substitute and order.mood is not None:
            self._mood(order.mood, voice)
        speed, emotion = self._manner(info, voice, order)
        if order.intensity is not None and emotion is None:  # there is nothing that it could scale
            lacking = tuple(dict.fromkeys((*lacking, "intensity")))
        return Route(
            model=model,
            info=info,
            voice=voice,
            language=language,
            speed=speed,
            emotion=emotion,
            degraded=lacking,
        )

    def _manner(
        self, info: ModelInfo, voice: Voice, order: SpeechOrder
    ) -> tuple[float, Emotion | None]:
        """Return the pace and the feeling, as far as the model can act on them.

        A mood goes before instructions; an emotion before both, but the mood's pace stays.
        """
        speed = 1.0 if order.speed is None else order.speed
        if "emotion" not in info.parameters:
            return speed, None
        voices = {known.id: known for known in info.voices}
        intensity = 1.0 if order.intensity is None else order.intensity
        judges = "emotion_text" in info.parameters
        emotion: Emotion | None = None
        if order.mood is not None:
            mood = self._mood(order.mood, voice)
            speed = min(max(speed * mood.speed, SLOWEST), FASTEST)
            emotion = in_mood(mood, voice, voices, intensity)
        elif order.instructions is not None:
            emotion = felt(FeelingOrder(text=order.instructions), voices, intensity, judges=judges)
        if order.emotion is not None:
            emotion = felt(order.emotion, voices, intensity, judges=judges)
        return speed, emotion

    def _mood(self, name: str, voice: Voice) -> Mood:
        """Return a mood of the household, or one that only this voice has recorded."""
        if name in self.generation.moods:
            return self.generation.moods[name]
        if name in dict(voice.moods):
            return Mood(id=name, weights=())
        known = ", ".join(dict.fromkeys((*self.generation.moods, *dict(voice.moods))))
        raise InvalidRequestError(f"There is no such mood. Known are: {known}.", param="mood")

    def _cast(self, info: ModelInfo, order: SpeechOrder) -> tuple[Voice, str]:
        voices = info.voices
        if order.voice is not None:
            voices = tuple(voice for voice in voices if voice.id == order.voice)
            if not voices:
                raise VoiceNotFoundError(
                    "There is no such voice. GET /v1/voices lists them.", param="voice"
                )
        spoken = {language: None for voice in voices for language in voice.languages}
        language = self._language(order, spoken)
        if language is None:
            names = ", ".join(language_name(code) for code in spoken)
            who = f"The voice {voices[0].id}" if order.voice else f"The model {info.id}"
            raise UnsupportedLanguageError(
                f"{who} does not speak that language, only {names}.", param="language"
            )
        return next(voice for voice in voices if language in voice.languages), language

    def _language(self, order: SpeechOrder, spoken: Collection[str]) -> str | None:
        if order.language != AUTO:
            return match(order.language, spoken)
        home = self.generation.settings.language
        household = match(home, spoken)
        if household is None and order.voice is not None:
            household = next(iter(spoken))  # the voice is known, so is what it speaks best
        return match(
            self.detector.detect(order.text, household=household or home, among=spoken),
            spoken,
        )


def _lacking(info: ModelInfo, order: SpeechOrder) -> tuple[str, ...]:
    """Name the client's wishes that a model cannot act on."""
    lacking = tuple(
        name
        for name, needed in NEEDS.items()
        if getattr(order, name) is not None and needed not in info.parameters
    )
    if order.instructions is not None and (order.mood or order.emotion):
        lacking = tuple(dict.fromkeys((*lacking, "instructions")))
    return lacking
