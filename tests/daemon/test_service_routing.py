"""Who speaks an order: the named model, else the default, else the fallback, else nobody."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from indextts_daemon.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    ModelNotFoundError,
    SpeechError,
    UnsupportedLanguageError,
    VoiceNotFoundError,
)
from indextts_daemon.service.feelings import FeelingOrder, felt
from indextts_daemon.service.moods import BUILT_IN
from indextts_daemon.service.routing import OPENAI_MODELS, Route, Router, SpeechOrder
from indextts_daemon.speech import ModelInfo
from indextts_daemon.text.language import LanguageDetector
from indextts_daemon.worker.handle import WorkerState
from tests.daemon.rooms import StubModel, generations_of, info, voice

BIG = info(
    "big",
    voice("heart", "en", "de"),
    voice("lotus", "zh"),
    voice("ume", "ja", "en"),
    parameters=("seed",),
)
EMBEDDED = info(
    "embedded",
    voice("heart", "en"),
    voice("pico-en-gb", "en-GB"),
    voice("pico-de-de", "de"),
    voice("pico-fr-fr", "fr"),
    parameters=("speed",),
)
UP, DOWN, LOADING = "up", "down", "loading"


@dataclass(frozen=True)
class Case:
    """An order, and who must speak it or what must be refused."""

    order: dict[str, Any]
    outcome: tuple[str, str, str, tuple[str, ...]] | type[SpeechError]
    default: str = UP
    fallback: str = UP
    household: str = "en"


def stub(knows: Any, condition: str) -> StubModel:
    return StubModel(
        id=knows.id,
        knows=None if condition == DOWN else knows,
        info=knows if condition == UP else None,
        load_failed=condition == DOWN,
    )


Ask = Callable[[SpeechOrder], Awaitable[Route]]


def asking(
    *models: StubModel, household: str = "en", detector: LanguageDetector | None = None
) -> Ask:
    """Return what finds the speaker of an order among these models, the first the default."""
    router = Router()
    if detector is not None:
        router._detector = detector
    generation = generations_of(*models, settings={"language": household}).current
    return partial(router.route, generation=generation)


CHINESE = "今天天气很好。我们去公园散步吧。"
GERMAN = "Die Waschmaschine im Keller ist jetzt fertig geworden."
CASES = [
    # With nothing said, the household's language, and its first voice.
    Case({}, ("big", "heart", "en", ())),
    Case({"text": "OK."}, ("big", "heart", "de", ()), household="de"),
    Case({"text": "OK."}, ("big", "heart", "de", ()), household="de-AT"),
    Case({"text": "OK."}, ("embedded", "pico-fr-fr", "fr", ()), household="fr"),
    Case({"text": "OK."}, UnsupportedLanguageError, household="it"),
    # Another language where the text leaves no doubt, another script at once.
    Case({"text": GERMAN}, ("big", "heart", "de", ())),
    Case({"text": "OK."}, ("big", "heart", "en", ())),
    Case({"text": CHINESE}, ("big", "lotus", "zh", ())),
    Case({"text": "Доброе утро, чайник вскипел."}, UnsupportedLanguageError),
    Case({"text": CHINESE, "voice": "heart"}, UnsupportedLanguageError),
    Case({"text": CHINESE, "model": "embedded"}, UnsupportedLanguageError),
    # Language tags: exact, else their base.
    Case({"language": "en-US"}, ("big", "heart", "en", ())),
    Case({"language": "DE-at"}, ("big", "heart", "de", ())),
    Case({"language": "de_CH"}, ("big", "heart", "de", ())),
    Case({"language": "zh-Hans-CN"}, ("big", "lotus", "zh", ())),
    Case({"language": "en-GB"}, ("big", "heart", "en", ())),
    Case({"language": "en-GB", "model": "embedded"}, ("embedded", "pico-en-gb", "en-GB", ())),
    Case({"language": "en-AU", "model": "embedded"}, ("embedded", "heart", "en", ())),
    Case({"language": "fr"}, ("embedded", "pico-fr-fr", "fr", ())),
    Case({"language": "it"}, UnsupportedLanguageError),
    Case({"language": "de", "text": CHINESE}, ("big", "heart", "de", ())),
    # Voices: the default's own, else the fallback's.
    Case({"voice": "ume", "language": "en"}, ("big", "ume", "en", ())),
    Case({"voice": "ume", "text": "OK."}, ("big", "ume", "en", ())),
    Case({"voice": "lotus"}, ("big", "lotus", "zh", ())),
    Case({"voice": "pico-fr-fr"}, ("embedded", "pico-fr-fr", "fr", ())),
    Case({"voice": "pico-en-gb"}, ("embedded", "pico-en-gb", "en-GB", ()), household="en-GB"),
    Case({"voice": "pico-de-de", "language": "de-DE"}, ("embedded", "pico-de-de", "de", ())),
    Case({"voice": "pico-de-de", "language": "en"}, UnsupportedLanguageError),
    Case({"voice": "heart", "language": "fr"}, UnsupportedLanguageError),
    Case({"voice": "nobody"}, VoiceNotFoundError),
    # Models by name: that one or none; OpenAI's names mean the default.
    Case({"model": "big"}, ("big", "heart", "en", ())),
    Case({"model": "embedded"}, ("embedded", "heart", "en", ())),
    Case({"model": "embedded", "voice": "lotus"}, VoiceNotFoundError),
    Case({"model": "big", "voice": "pico-fr-fr"}, VoiceNotFoundError),
    Case({"model": "big", "language": "fr"}, UnsupportedLanguageError),
    Case({"model": "gpt-9"}, ModelNotFoundError),
    Case({"model": ""}, ModelNotFoundError),
    *(Case({"model": name}, ("big", "heart", "en", ())) for name in sorted(OPENAI_MODELS)),
    Case({"model": "tts-1", "language": "fr"}, ("embedded", "pico-fr-fr", "fr", ())),
    # Parameters: refused by whom was asked for, left out and named by a substitute.
    Case({"model": "big", "speed": 1.5}, InvalidRequestError),
    Case({"model": "big", "seed": 0}, ("big", "heart", "en", ())),
    Case({"model": "embedded", "seed": 0}, InvalidRequestError),
    Case({"speed": 1.5}, InvalidRequestError),
    Case({"speed": 1.5, "voice": "pico-fr-fr"}, ("embedded", "pico-fr-fr", "fr", ())),
    Case({"seed": 7, "voice": "pico-fr-fr"}, ("embedded", "pico-fr-fr", "fr", ("seed",))),
    # The default down: a plain voice rather than nothing, and said so.
    Case({}, ("embedded", "heart", "en", ("model",)), default=DOWN),
    Case({"voice": "heart"}, ("embedded", "heart", "en", ("model",)), default=DOWN),
    Case({"seed": 7}, ("embedded", "heart", "en", ("model", "seed")), default=DOWN),
    Case({"speed": 2, "seed": 0}, ("embedded", "heart", "en", ("model", "seed")), default=DOWN),
    Case({"model": "tts-1"}, ("embedded", "heart", "en", ("model",)), default=DOWN),
    Case({"language": "fr"}, ("embedded", "pico-fr-fr", "fr", ("model",)), default=DOWN),
    Case({"voice": "lotus"}, ("embedded", "heart", "en", ("model", "voice")), default=DOWN),
    Case({"voice": "lotus", "language": "zh"}, EngineUnavailableError, default=DOWN),
    Case({"language": "zh"}, EngineUnavailableError, default=DOWN),
    Case({"text": CHINESE}, EngineUnavailableError, default=DOWN),
    Case({"model": "big"}, EngineUnavailableError, default=DOWN),
    Case({"model": "embedded"}, ("embedded", "heart", "en", ()), default=DOWN),
    Case({}, EngineUnavailableError, default=DOWN, fallback=DOWN),
    Case({"language": "fr"}, EngineUnavailableError, fallback=DOWN),
    Case({}, ("big", "heart", "en", ()), fallback=DOWN),
    # A model that has never been loaded is loaded to see what it can do.
    Case({}, ("big", "heart", "en", ()), default=LOADING),
    Case({"voice": "pico-fr-fr"}, ("embedded", "pico-fr-fr", "fr", ()), fallback=LOADING),
]


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    """Read the model once: that takes longer than all the rest."""
    return LanguageDetector()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.order} {case.default}")
async def test_an_order_finds_its_speaker_or_its_refusal(
    case: Case, detector: LanguageDetector
) -> None:
    default, fallback = stub(BIG, case.default), stub(EMBEDDED, case.fallback)
    ask = asking(default, fallback, household=case.household, detector=detector)
    order = SpeechOrder(**{"text": "Hello."} | case.order)
    if isinstance(case.outcome, tuple):
        route = await ask(order)
        spoken_by = (route.model.id, route.voice.id, route.language, route.degraded)
        assert spoken_by == case.outcome
    else:
        with pytest.raises(SpeechError) as refused:
            await ask(order)
        assert type(refused.value) is case.outcome
        assert order.text not in refused.value.message
    assert fallback.queue.in_flight == 0


@pytest.mark.parametrize(
    ("order", "param"),
    [
        ({"model": "gpt-9"}, "model"),
        ({"voice": "nobody"}, "voice"),
        ({"language": "it"}, "language"),
        ({"speed": 1.5}, "speed"),
    ],
)
async def test_a_refusal_names_the_field(order: dict[str, Any], param: str) -> None:
    default, fallback = stub(BIG, UP), stub(EMBEDDED, UP)
    ask = asking(default, fallback)
    with pytest.raises(SpeechError) as refused:
        await ask(SpeechOrder(text="Hello.", **order))
    assert refused.value.param == param


async def test_a_refused_language_comes_with_those_that_are_spoken() -> None:
    model = stub(BIG, UP)
    ask = asking(model)
    with pytest.raises(UnsupportedLanguageError, match="only English, German, Ch"):
        await ask(SpeechOrder(text="Ciao.", language="it"))
    with pytest.raises(UnsupportedLanguageError, match=r"voice lotus .+ only Chinese"):
        await ask(SpeechOrder(text="Ciao.", language="it", voice="lotus"))


async def test_alone_the_default_is_its_own_fallback() -> None:
    model = stub(EMBEDDED, DOWN)
    ask = asking(model)
    with pytest.raises(EngineUnavailableError):
        await ask(SpeechOrder(text="Hello."))
    assert model.asked == 1


async def test_the_fallback_is_left_alone_while_the_default_can_speak() -> None:
    default, fallback = stub(BIG, UP), stub(EMBEDDED, LOADING)
    ask = asking(default, fallback)
    await ask(SpeechOrder(text="Hello."))
    assert fallback.asked == 0


async def test_a_ready_fallback_speaks_at_once_while_the_default_is_lost() -> None:
    default, fallback = stub(BIG, UP), stub(EMBEDDED, UP)
    default.info, default.state = BIG, WorkerState.loading  # it has been ready before
    fallback.info = EMBEDDED
    ask = asking(default, fallback)
    route = await ask(SpeechOrder(text="Hello."))
    assert (route.model.id, route.degraded) == (fallback.id, ("model",))
    assert default.asked == 0
    lotus = await ask(SpeechOrder(text="Hello.", voice="lotus", language="zh"))
    assert lotus.model.id == default.id  # only it has that voice: worth the wait
    assert default.asked == 1


LENA = replace(voice("lena", "en"), moods=(("cheerful", "lena-laughing"), ("whisper", "otto")))
FEELING = info(
    "feeling", LENA, voice("lena-laughing", "en"), parameters=("speed", "seed", "emotion")
)


async def routed(knows: ModelInfo = FEELING, **order: Any) -> Route:
    model = stub(knows, UP)
    ask = asking(model)
    return await ask(SpeechOrder(text="Hello.", language="en", **order))


async def test_a_mood_brings_its_feeling_and_its_pace() -> None:
    route = await routed(mood="urgent", speed=0.8)
    assert route.speed == pytest.approx(0.8 * BUILT_IN["urgent"].speed)
    assert route.emotion is not None
    assert sum(route.emotion.weights) > 0
    assert (await routed(mood="urgent", speed=2.0)).speed == 2.0
    assert (await routed()).emotion is None


async def test_a_voices_own_recording_of_a_mood_goes_first() -> None:
    recorded = (await routed(mood="cheerful")).emotion
    assert recorded is not None
    assert recorded.voice is not None
    assert recorded.voice.id == "lena-laughing"
    other = (await routed(mood="cheerful", voice="lena-laughing")).emotion
    assert other is not None
    assert other.voice is None


async def test_a_mood_that_only_a_voice_has_needs_its_recording() -> None:
    assert (await routed(mood="whisper")).emotion is None  # otto is gone
    with pytest.raises(InvalidRequestError) as refused:
        await routed(mood="whisper", voice="lena-laughing")
    assert refused.value.param == "mood"


async def test_an_emotion_goes_before_a_mood_and_a_mood_before_instructions() -> None:
    asked = FeelingOrder(text="very sad")
    both = await routed(mood="urgent", emotion=asked, instructions="happy")
    assert both.emotion == felt(asked, {})
    assert both.speed == BUILT_IN["urgent"].speed
    assert both.degraded == ("instructions",)
    words = await routed(instructions="very sad")
    assert words.emotion == both.emotion
    assert words.degraded == ()


async def test_words_about_a_feeling_go_to_a_model_that_judges_them_and_no_other() -> None:
    judges = replace(FEELING, parameters=FEELING.parameters | {"emotion_text"})
    for wish in ({"instructions": "very sad"}, {"emotion": FeelingOrder(text="very sad")}):
        judged, plain = (await routed(judges, **wish)).emotion, (await routed(**wish)).emotion
        assert judged is not None
        assert plain is not None
        assert (judged.text, plain.text) == ("very sad", "")
        assert judged.weights == plain.weights


async def test_an_unknown_mood_is_refused_by_every_model_with_those_that_are_known() -> None:
    for knows in (FEELING, EMBEDDED):
        with pytest.raises(InvalidRequestError, match="Known are: calm, cheerful") as refused:
            await routed(knows, mood="hangry")
        assert refused.value.param == "mood"


async def test_an_intensity_of_nothing_is_named() -> None:
    assert (await routed(intensity=2.0)).degraded == ("intensity",)
    assert (await routed(intensity=2.0, mood="urgent")).degraded == ()


async def test_a_model_without_feelings_drops_them_unless_it_was_named() -> None:
    wish = {"mood": "urgent", "intensity": 0.5, "instructions": "angry"}
    route = await routed(EMBEDDED, **wish)
    assert (route.speed, route.emotion) == (1.0, None)
    assert set(route.degraded) == set(wish)
    with pytest.raises(InvalidRequestError) as refused:
        await routed(EMBEDDED, model="embedded", **wish)
    assert refused.value.param == "mood"
    named = await routed(EMBEDDED, model="embedded", instructions="angry")
    assert named.degraded == ("instructions",)
