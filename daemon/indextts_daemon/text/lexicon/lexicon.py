"""All rules together, applied once: words first, then patterns to what they have left."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
import hashlib
import re
from typing import Self

from indextts_daemon.text.cleaning import has_words
from indextts_daemon.text.pronunciation import SPELLED_OUT

from .patterns import Pattern
from .rule import LONGEST, Hit, Occasion, Rule
from .words import Words

GROWTH = 8  # times as long as it was written is the most that a text may become
WINDOW = 1000  # characters, of which a sentence has fewer: a search begins anew behind each hit
_SPELLED_OUT = re.compile(SPELLED_OUT)
_TOKEN = re.compile(rf"{SPELLED_OUT}|\s{{1,100}}|<|[^\s<]{{1,100}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A text as the household says it, and the rules that had a part in that, each once."""

    text: str
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """The household's rules, ready to be applied. Two with the same rules are equal."""

    rules: tuple[Rule, ...] = ()
    name: str = ""  # changes with the rules; empty where there are none
    _words: Words = field(default_factory=lambda: Words(()), repr=False, compare=False)
    _patterns: tuple[Pattern, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Self:
        """Make one of rules in their order. Raises ValueError for a pattern that is none."""
        told = "".join(f"{rule}\n" for rule in rules)
        return cls(
            rules=tuple(rules),
            name=hashlib.sha256(told.encode()).hexdigest()[:16] if rules else "",
            _words=Words(rule for rule in rules if not rule.is_pattern),
            _patterns=tuple(Pattern(rule) for rule in rules if rule.is_pattern),
        )

    def applied(self, text: str, *, language: str, voice: str, spells_out: tuple[str, ...]) -> str:
        """Return a clean text with every rule applied that counts for the language and voice.

        `spells_out` are the notations that the model understands, as ModelInfo names them. What
        is spelled out already stays as it is. It becomes at most GROWTH times as long as it was,
        or as LONGEST characters would: what would go beyond stays as it is written, and so does
        a text of which no word would be left.
        """
        if not self.rules:
            return text
        return self.said(text, language=language, voice=voice, spells_out=spells_out).text

    def said(self, text: str, *, language: str, voice: str, spells_out: tuple[str, ...]) -> Said:
        """Do what `applied` does, and name the rules."""
        occasion = Occasion.of(language=language, voice=voice, spells_out=spells_out)
        room = GROWTH * max(len(text), LONGEST) - len(text)
        parts, end, rules = [], 0, dict[Rule, None]()
        for hit in self._hits(text, occasion):
            growth = len(hit.said) - (hit.end - hit.start)
            if growth > room:
                continue
            room -= growth
            parts += [text[end : hit.start], hit.said]
            end = hit.end
            rules[hit.rule] = None
        told = "".join([*parts, text[end:]])
        if not rules or (has_words(text) and not has_words(told)):
            return Said(text=text)
        return Said(text=told, rules=tuple(rules))

    def _hits(self, text: str, occasion: Occasion) -> Iterator[Hit]:
        offset = 0
        for window in _windows(text):
            for hit in self._within(window, occasion):
                yield Hit(
                    start=offset + hit.start, end=offset + hit.end, said=hit.said, rule=hit.rule
                )
            offset += len(window)

    def _within(self, text: str, occasion: Occasion) -> list[Hit]:
        """Return what is found in a bounded text, from left to right."""
        hits = list(self._words.hits(text, occasion))
        if self._patterns:
            kept = [one.span() for one in _SPELLED_OUT.finditer(text)]
            free = _gaps(len(text), [*kept, *_spans(hits)])
            for pattern in self._patterns:
                if found := list(pattern.hits(text, free, occasion)):
                    hits += found
                    free = _gaps(len(text), [*kept, *_spans(hits)])
        return sorted(hits, key=lambda hit: hit.start)


def _spans(hits: Iterable[Hit]) -> Iterator[tuple[int, int]]:
    return ((hit.start, hit.end) for hit in hits)


def _gaps(length: int, taken: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what lies between stretches that do not overlap."""
    gaps, free = [], 0
    for start, end in sorted(taken):
        gaps.append((free, start))
        free = end
    return [(start, end) for start, end in (*gaps, (free, length)) if start < end]


def _windows(text: str) -> Iterator[str]:
    """Cut a text between words, so that what is searched is bounded."""
    start = end = 0
    if len(text) > WINDOW:
        for token in _TOKEN.finditer(text):
            if token.end() - start > WINDOW:
                yield text[start:end]
                start = end
            end = token.end()
    yield text[start:]
