"""Reads a text aloud by the rules of one language."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import re

from .figures import plain
from .notation import Rule

_MOST_ROUNDS = 4  # what is read may bring marks together that were apart: one round nearly always


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The rules of a language, in their order."""

    marked: re.Pattern[str]  # a text without it, and without digits, is read as it is written
    kept: re.Pattern[str]  # what is for the engine; one group around the whole of it
    respelled: Callable[[str], str]
    rules: Sequence[Rule]
    joined: Callable[[str], str]

    def read(self, text: str) -> str:
        """Return what is said for a text; reading that again changes nothing."""
        for _ in range(_MOST_ROUNDS):
            if not (any(map(str.isdigit, text)) or self.marked.search(text)):
                break
            said = self._round(text)
            if said == text:
                break
            text = said
        return text

    def _round(self, text: str) -> str:
        pieces = self.kept.split(plain(text))
        pieces[::2] = [self._said(piece) for piece in pieces[::2]]
        return self.joined("".join(pieces)).strip()

    def _said(self, text: str) -> str:
        text = self.respelled(text)
        for rule in self.rules:
            text = rule.apply(text)
        return text
