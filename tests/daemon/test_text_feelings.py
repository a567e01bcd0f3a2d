"""Words about a feeling, in English and Chinese, and what they weigh."""

import time

import pytest

from indextts_daemon.speech import EMOTIONS
from indextts_daemon.text.feelings import borne, limited, scaled, weights_of


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("very happy", {"happy": 1.0}),
        ("Speak in a warm, friendly tone.", {"happy": 0.8}),
        ("a bit sad and tired", {"sad": 0.5, "melancholic": 0.8}),
        ("Sound extremely EXCITED!", {"surprised": 1.0}),
        ("don\N{RIGHT SINGLE QUOTATION MARK}t be too angry", {"calm": 1.0}),
        ("not happy, but gloomy", {"melancholic": 0.8}),
        ("Dear madam", {"calm": 1.0}),
        ("whispering", {"calm": 0.8}),
        ("非常高兴", {"happy": 1.0}),
        ("有点难过", {"sad": 0.5}),
        ("不生气,很惊讶", {"surprised": 1.0}),
        ("情绪低落", {"melancholic": 0.8}),
        ("害怕又厌恶", {"afraid": 0.8, "disgusted": 0.8}),
        ("愤怒", {"angry": 0.8}),
        ("not sad or angry", {"calm": 1.0}),
        ("neither sad nor angry", {"calm": 1.0}),
        ("without any anger", {"calm": 1.0}),
        ("not at all sad, angry", {"angry": 0.8}),
        ("never too angry or scared; glad", {"happy": 0.8}),
        ("not angry and speak cheerfully", {"happy": 0.8}),
        ("not the way he was, happy", {"happy": 0.8}),
        ("no idea what made him so happy", {"happy": 1.0}),
        ("not only glad but really excited", {"happy": 0.8, "surprised": 1.0}),
        ("nothing sad", {"sad": 0.8}),
        ("不要那么生气", {"calm": 1.0}),
        ("没那么难过", {"calm": 1.0}),
        ("不要生气、难过", {"calm": 1.0}),
        ("不是生气而是难过", {"sad": 0.8}),
        ("别哭", {"calm": 1.0}),
        ("哭着说", {"sad": 0.8}),
        ("笑着说", {"happy": 0.8}),
        ("冷笑", {"disgusted": 0.8}),
        ("特别地高兴", {"happy": 0.8}),
        ("不仅高兴", {"happy": 0.8}),
        ("不像昨天晚上那么高兴", {"happy": 0.8}),
        ("很happy", {"happy": 1.0}),
        ("", {"calm": 1.0}),
        ("xyzzy", {"calm": 1.0}),
    ],
)
def test_a_feeling_is_read_from_its_words(text: str, named: dict[str, float]) -> None:
    assert weights_of(text) == weights(**named)


def test_hostile_words_cost_linear_time() -> None:
    begun = time.process_time()
    for hostile in (
        "not " * 5000,
        "a bit " * 5000,
        "不" * 20000,
        "very " * 5000,
        "1" * 20000,
        "a" * 20000,
    ):
        weights_of(hostile)
    assert time.process_time() - begun < 5


def weights(**named: float) -> tuple[float, ...]:
    return tuple(named.get(name, 0.0) for name in EMOTIONS)


def test_a_feeling_is_biased_and_never_more_than_a_voice_can_bear() -> None:
    assert limited(weights(happy=1)) == pytest.approx(weights(happy=0.8))
    assert limited(weights(surprised=0.5)) == pytest.approx(weights(surprised=0.34375))
    assert sum(limited([1.0] * 8)) == pytest.approx(0.8)


def test_a_strength_of_one_leaves_every_digit_and_others_four() -> None:
    assert scaled((0.33333,) * 8, 1.0) == (0.33333,) * 8
    assert scaled((0.33333,) * 8, 0.6) == (0.1999,) * 8


def test_a_strength_over_one_stays_within_what_a_voice_can_bear() -> None:
    assert borne(weights(sad=0.7), 2.0) == pytest.approx(weights(sad=0.8))
    assert borne(weights(happy=1), 0.5) == pytest.approx(weights(happy=0.4))
