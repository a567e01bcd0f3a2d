"""Inline pronunciation: pinyin with a tone, and `<word|reading>`; and how it is kept from change.

What is kept stands in the text as one private character, so that no rule touches it.
"""

from collections.abc import Callable
import re
from typing import Literal

Kind = Literal["pinyin", "cmu", "kana"]

_MARKS = re.compile("[\U000f0000-\U0010ffff]")  # two planes that no script has
_ROOM = 0xFFFD  # marks in a plane

_FINALS = {
    *("a", "ai", "an", "ang", "ao", "e", "ei", "en", "eng", "er", "o", "ong", "ou"),
    *("i", "ia", "ian", "iang", "iao", "ie", "in", "ing", "iong", "iu"),
    *("u", "ua", "uai", "uan", "uang", "ue", "ui", "un", "uo"),
    *("ü", "üan", "üe", "ün", "v", "van", "ve", "vn"),
}
_FINAL = "|".join(sorted(_FINALS, key=len, reverse=True))
_SYLLABLE = rf"(?:(?:[zcs]h|[bcdfghjklmnpqrstwxyz])?(?:{_FINAL})|ng)[1-5]"
_PINYIN = re.compile(rf"(?i)(?<![a-z]){_SYLLABLE}(?!\d)")
_ROUNDED = re.compile(r"(?i)^([jqx])[uü]")

_ANNOTATED = re.compile(r"<([^<>|\n]{1,64})\|([^<>|\n]{1,64})>")
_READINGS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("kana", re.compile(r"[\u3041-\u30ff]+")),
    ("pinyin", re.compile(rf"(?i){_SYLLABLE}(?: {_SYLLABLE})*")),
    ("cmu", re.compile(r"[A-Z]{1,2}[0-2]?(?: (?:\.|[A-Z]{1,2}[0-2]?))*")),
)


class Kept:
    """Parts of one text that are kept as they are; two such sets take plane 15 and 16."""

    def __init__(self, plane: Literal[15, 16] = 15) -> None:
        self._first = plane << 16
        self._pattern = re.compile(f"([{chr(self._first)}-{chr(self._first + _ROOM)}])")
        self._parts: list[str] = []

    def keep(self, part: str) -> str:
        """Return what stands for the part; the part itself when there are too many."""
        if len(self._parts) > _ROOM:
            return part
        self._parts.append(part)
        return chr(self._first + len(self._parts) - 1)

    def restored(self, text: str) -> str:
        return self._pattern.sub(lambda mark: self.part(mark[0]), text)

    def part(self, mark: str) -> str:
        return self._parts[ord(mark) - self._first]

    def runs(self, text: str) -> list[str]:
        """Return the text cut around its marks."""
        return [run for run in self._pattern.split(text) if run]


def is_mark(run: str) -> bool:
    """Whether a run is what stands for a kept part."""
    return _MARKS.fullmatch(run) is not None


def without_marks(text: str) -> str:
    """Blank what a text must not bring along: the characters that stand for kept parts."""
    return _MARKS.sub(" ", text)


def has_pinyin(text: str) -> bool:
    """Whether anything looks like pinyin with a tone, such as CO2."""
    return _PINYIN.search(text) is not None


def corrected(pinyin: str) -> str:
    """Spell what sounds like ü after j, q or x as the vocabulary has it: xuan4 is XVAN4."""
    return _ROUNDED.sub(r"\1v", pinyin).upper() if pinyin[0] in "jqxJQX" else pinyin


def replace_pinyin(text: str, spell: Callable[[str], str]) -> str:
    """Return the text with each syllable that carries a tone as `spell` writes it."""
    return _PINYIN.sub(lambda syllable: spell(syllable[0]), text)


def replace_annotations(text: str, spell: Callable[[str, str, Kind], str]) -> str:
    """Return the text with each `<word|reading>` as `spell(word, reading, kind)` writes it."""

    def spelled(found: re.Match[str]) -> str:
        word, reading = found[1], found[2].strip()
        kind = _kind(word, reading)
        return found[0] if kind is None else spell(word, reading, kind)

    return _ANNOTATED.sub(spelled, text)


def _kind(word: str, reading: str) -> Kind | None:
    """Tell ER1 from ER1: Latin letters are read in phones, characters in pinyin."""
    for kind, pattern in _READINGS:
        if pattern.fullmatch(reading) and not (kind == "pinyin" and word.isascii()):
            return kind
    return None
