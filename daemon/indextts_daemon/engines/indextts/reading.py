"""A text as a model is given it when it serves: pronunciations marked, few marks, one case.

Our household rules have read the numbers before; what they left is read word by word.
"""

# ruff: noqa: RUF001 - the marks of other scripts look like ours on purpose

import re

from indextts_daemon.engines.indextts.compat import pronunciation
from indextts_daemon.engines.indextts.compat.grammar import Grammar
from indextts_daemon.engines.indextts.compat.normalizer import MARKS, has_han
from indextts_daemon.engines.indextts.compat.pronunciation import Kept

_READ = {"zh", "zhen", "en"}  # the languages that there is a grammar for

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMERAL = re.compile(r"(?<!\S)\S{0,32}?\d\S{0,32}(?!\S)")

_PAUSE = re.compile(r"\.{3,}|…+")
_COLON = re.compile(r"(?<!\d)[:：]|[:：](?!\d)")  # not within a time that nobody has read
_SERVED_MARKS = {code: mark for code, mark in MARKS.items() if chr(code) not in ":："}
_ENDS = re.compile(r"[!?.…]+")


class Numbers:
    """What reads the numbers that are left."""

    def __init__(self) -> None:
        self._chinese = Grammar("zh")
        self._english = Grammar("en")

    def read(self, text: str, language: str) -> str:
        """Return the text with its numbers as words, where there is a grammar."""
        if language not in _READ or not any(map(str.isdigit, text)):
            return text
        text = _THOUSANDS.sub("", text)
        if language != "zh" and not has_han(text):
            return _NUMERAL.sub(lambda word: self._english.read(word[0]), text)
        tones = Kept(plane=16)
        text = pronunciation.replace_pinyin(text, tones.keep)
        return tones.restored(self._chinese.read(text))


def tones_spelled(text: str) -> str:
    """Return a Chinese text with its pinyin as the vocabularies have it."""
    return pronunciation.replace_pinyin(text, pronunciation.corrected) if has_han(text) else text


def marked(text: str) -> str:
    """Return the text with the marks that the models know, on one line."""
    text = _COLON.sub(",", _PAUSE.sub("…", text))
    return " ".join(text.translate(_SERVED_MARKS).split())


def without_shouting(text: str) -> str:
    """Return the text without exclamation marks.

    The id of "!" is 0, which never reaches IndexTTS-2.5's GPT: the sentence would have no end.
    A full stop is the only other mark that it has always heard there.
    """
    return _ENDS.sub(lambda run: run[0] if "!" not in run[0] else _calm(run[0]), text)


def _calm(run: str) -> str:
    return "?" if "?" in run else "."
