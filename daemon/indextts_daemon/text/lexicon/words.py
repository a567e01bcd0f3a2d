"""Finds the lexicon's words in a text: the longest at each place, as whole words.

Looking costs as many steps at a place as there are lengths of words that begin so, whatever the
text: at most LONGEST.
"""

from collections.abc import Iterable, Iterator
import re
import unicodedata

from indextts_daemon.text.pronunciation import SPELLED_OUT

from .rule import Hit, Occasion, Rule

_SPELLED_OUT = re.compile(SPELLED_OUT)
_APOSTROPHES = str.maketrans("\u2019\u02bc", "''")
# Thai, Lao, Burmese, Khmer, kana and han: nothing stands between two words.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)
_CAPITALS_INSIDE = re.compile(r"\w+")


class Words:
    """The rules that look for words."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules: dict[str, list[Rule]] = {}  # by the words without case, the narrowest first
        self._lengths: dict[str, list[int]] = {}  # by the first character, the longest first
        for rule in sorted(rules, key=lambda rule: (not rule.voices, not rule.languages)):
            words = folded(rule.source)
            self._rules.setdefault(words, []).append(rule)
            lengths = self._lengths.setdefault(words[0], [])
            if len(words) not in lengths:
                lengths.append(len(words))
                lengths.sort(reverse=True)

    def hits(self, text: str, occasion: Occasion) -> Iterator[Hit]:
        """Yield what is found from left to right, nothing of it twice."""
        if not self._rules:
            return
        plain = folded(text)
        spelled_out = {one.start(): one.end() for one in _SPELLED_OUT.finditer(text)}
        place = 0
        while place < len(text):
            if place in spelled_out:
                place = spelled_out[place]
            elif hit := self._longest(text, plain, place, occasion):
                yield hit
                place = hit.end
            else:
                place += 1

    def _longest(self, text: str, plain: str, start: int, occasion: Occasion) -> Hit | None:
        lengths = self._lengths.get(plain[start])
        if lengths is None or _inside_word(text, start):
            return None
        for length in lengths:
            end = start + length
            rules = self._rules.get(plain[start:end])
            if rules is None or _inside_word(text, end):
                continue
            word = text[start:end]
            for rule in rules:
                if not (rule.counts(occasion) and _same_case(rule.source, word)):
                    continue
                if (said := rule.said(word, occasion.spells_out)) is not None:
                    return Hit(start=start, end=end, said=said, rule=rule)
        return None


def folded(text: str) -> str:
    """Return the text without case, character by character: no place in it moves."""
    text = text.translate(_APOSTROPHES)
    if text.isascii():
        return text.lower()
    return "".join(map(_folded, text))


def _folded(character: str) -> str:
    for other in (character.casefold(), character.lower()):
        if len(other) == 1:
            return other
    return character


def keeps_case(source: str) -> bool:
    """Whether a word has capitals inside, such as iPad and US, and so means no other case."""
    return any(letter.isupper() for word in _CAPITALS_INSIDE.findall(source) for letter in word[1:])


def _same_case(source: str, word: str) -> bool:
    return not keeps_case(source) or source.translate(_APOSTROPHES) == word.translate(_APOSTROPHES)


def _inside_word(text: str, place: int) -> bool:
    """Whether the characters before and after a place belong to one word."""
    return 0 < place < len(text) and _is_spaced(text[place - 1]) and _is_spaced(text[place])


def _is_spaced(character: str) -> bool:
    """Whether it is part of words that stand apart from their neighbors."""
    if character.isascii():
        return character.isalnum() or character == "_"
    is_part = character.isalnum() or unicodedata.category(character).startswith("M")
    return is_part and _UNSPACED.match(character) is None
