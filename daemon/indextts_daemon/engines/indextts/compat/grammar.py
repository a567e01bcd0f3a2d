"""Numbers read aloud by wetext's grammars of Chinese and English, loaded with the first text."""

from importlib import import_module
import re
from typing import Any, Literal

_HASH = re.compile(r"#(?=\d)")  # the English grammar refuses what upstream's reads as this word
_ESCAPED = re.compile(r"\\([\"\\])")  # the grammars' own notation, which they leave in the result
_WORD = re.compile(r"\s+|\S+")


class Grammar:
    """One language's grammar."""

    def __init__(self, language: Literal["zh", "en"]) -> None:
        self._language = language
        self._normalizer: Any = None

    def read(self, text: str) -> str:
        """Return the text with its numbers as words; a word that is refused stays as written."""
        if self._language == "en":
            text = _HASH.sub("number ", text)
        try:
            return self._read(text)
        except AssertionError:
            return "".join(map(self._read_word, _WORD.findall(text))).strip()

    def _read_word(self, word: str) -> str:
        try:
            return word if word.isspace() else self._read(word)
        except AssertionError:
            return word

    def _read(self, text: str) -> str:
        if self._normalizer is None:
            self._normalizer = import_module("wetext").Normalizer(
                lang=self._language, operator="tn"
            )
        read: str = self._normalizer.normalize(text)
        return _ESCAPED.sub(r"\1", read)
