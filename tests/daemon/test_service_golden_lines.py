"""The golden lines: one a language, by whom, and between which lengths."""

import pytest

from indextts_daemon.service.golden_lines import MOST, NEUTRAL, lines
from tests.daemon.rooms import voice


def test_every_language_of_the_published_models_has_a_sentence_of_its_own() -> None:
    spoken = lines([voice("a", "en", "zh", "ja", "es", "ar"), voice("b", "de", "fr", "it")])
    assert len({line.text for line in spoken} - {NEUTRAL}) == 8


def test_a_language_that_nobody_wrote_a_line_for_is_tried_by_its_digits() -> None:
    [line] = lines([voice("a", "sw")])
    assert (line.language, line.text) == ("sw", NEUTRAL)


def test_the_first_voice_of_a_language_speaks_it_wherever_it_comes_from() -> None:
    spoken = lines([voice("a", "en-GB"), voice("b", "en-US", "EN"), voice("c", "de-AT", "en")])
    assert [(line.language, line.voice.id) for line in spoken] == [("en-GB", "a"), ("de-AT", "c")]


def test_there_are_never_so_many_that_a_slow_model_takes_for_ever() -> None:
    codes = [f"{a}{b}" for a in "abcdef" for b in "abcdef"]
    assert len(lines([voice("a", *codes)])) == MOST


@pytest.mark.parametrize("language", ["ar", "de", "en", "es", "fr", "it", "ja", "ko", "zh", "sw"])
def test_a_sentence_may_be_said_fast_and_slowly_and_not_anyhow(language: str) -> None:
    [line] = lines([voice("a", language)])
    assert 0.3 < line.shortest_s < 1.8
    assert 8 < line.longest_s < 25


def test_another_text_or_language_is_another_line() -> None:
    keys = {line.key for line in lines([voice("a", "en", "de", "sw", "xx")])}
    assert len(keys) == 4
