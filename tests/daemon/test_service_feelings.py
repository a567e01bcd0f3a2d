"""Feelings by name, by words, by weights and by whose recording."""

import pytest

from indextts_daemon.errors import InvalidRequestError
from indextts_daemon.service.feelings import FeelingOrder, Mood, felt, in_mood
from indextts_daemon.speech import EMOTIONS, Voice

NOBODY: dict[str, Voice] = {}


def voice(name: str, **moods: str) -> Voice:
    return Voice(
        id=name,
        name=name,
        languages=("en",),
        models=("m",),
        revision="1",
        moods=tuple(moods.items()),
    )


def weights(**named: float) -> tuple[float, ...]:
    return tuple(named.get(name, 0.0) for name in EMOTIONS)


def test_an_intensity_over_one_stays_within_the_limit() -> None:
    emotion = felt(FeelingOrder(weights=weights(sad=0.7)), NOBODY, 2.0)
    assert sum(emotion.weights) == pytest.approx(0.8)


def test_words_become_the_weights_they_name() -> None:
    emotion = felt(FeelingOrder(text="very happy"), NOBODY)
    assert emotion.weights == pytest.approx(weights(happy=0.8))


def test_words_stay_with_their_weights_for_an_engine_that_judges_them() -> None:
    order = FeelingOrder(text="very sad", strength=0.5)
    plain, judged = felt(order, NOBODY, 0.5), felt(order, NOBODY, 0.5, judges=True)
    assert (judged.text, judged.strength) == ("very sad", 0.25)
    assert judged.weights == plain.weights == pytest.approx(weights(sad=0.2))
    assert plain.text == ""
    by_weight = FeelingOrder(weights=weights(sad=0.7))
    assert felt(by_weight, NOBODY, judges=True) == felt(by_weight, NOBODY)


def test_a_voice_lends_its_feeling_at_most_whole() -> None:
    lena = voice("lena")
    emotion = felt(FeelingOrder(voice="lena", strength=0.6), {"lena": lena}, 2.0)
    assert (emotion.voice, emotion.strength) == (lena, 1.0)
    with pytest.raises(InvalidRequestError) as refused:
        felt(FeelingOrder(voice="nobody"), {"lena": lena})
    assert refused.value.param == "emotion.voice"


def test_a_recorded_mood_goes_before_the_weights_of_the_household() -> None:
    laughing = voice("lena-laughing")
    lena = voice("lena", cheerful="lena-laughing")
    mood = Mood(id="cheerful", weights=weights(happy=0.7))
    known = {"lena": lena, "lena-laughing": laughing}
    recorded = in_mood(mood, lena, known, 1.0)
    assert recorded is not None
    assert recorded.voice is laughing
    gone = in_mood(mood, lena, {"lena": lena}, 1.0)
    assert gone is not None
    assert gone.weights == pytest.approx(weights(happy=0.65625))


def test_a_mood_of_pace_alone_leaves_the_feeling_to_the_voice() -> None:
    assert in_mood(Mood(id="slow", weights=(), speed=0.8), voice("lena"), NOBODY, 1.0) is None


def test_intensity_scales_a_mood() -> None:
    mood = Mood(id="sad", weights=weights(sad=0.5))
    half = in_mood(mood, voice("lena"), NOBODY, 0.5)
    assert half is not None
    assert half.weights == pytest.approx(weights(sad=0.25))
