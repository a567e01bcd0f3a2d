"""Spelled-out words, for models that do not understand the spelling."""

from indextts_daemon.text.pronunciation import without_pronunciation


def test_the_word_stays_and_its_sound_goes() -> None:
    assert without_pronunciation("A <live|L AY1 V> show, <重|CHONG2>复") == "A live show, 重复"


def test_other_brackets_stay() -> None:
    assert without_pronunciation("1 < 2 | 3 > 2, <a|>") == "1 < 2 | 3 > 2, <a|>"
