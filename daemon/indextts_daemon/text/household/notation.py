"""How figures are written, and what a rule is: a way of writing, and what is said for it.

Every pattern tries a run of digits at its beginning only, so that hostile text costs linear time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
import re

JOINT = "\x1f"  # on both sides of what was read, until it is known whether a space must be there
ALONE = r"(?<!\d)(?<!\d[.,:/])"  # in front of digits that continue nothing
ENDED = r"(?!\d|[.,:/]\d)"  # behind digits that nothing continues
NUMBER = ALONE + r"(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?+"

COMPARED = r" ?(?=[-+±]?[$€£¥]? ?\.?\d)"  # behind a mark such as < in front of a figure

Reading = Callable[[re.Match[str]], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A way of writing, and what is said for it; None where it turns out to mean something else."""

    pattern: re.Pattern[str]
    reading: Reading
    needs: str  # a text with none of these need not be searched; empty: any may do

    def apply(self, text: str) -> str:
        """Put what is said in the place of what is written."""
        if self.needs and not any(map(text.__contains__, self.needs)):
            return text
        return self.pattern.sub(self._said, text)

    def _said(self, written: re.Match[str]) -> str:
        said = self.reading(written)
        return written[0] if said is None else f"{JOINT}{said}{JOINT}"


def rule(pattern: str, reading: Reading | str, needs: str = "") -> Rule:
    """Make a rule, of which the words may be fixed."""
    say: Reading = (lambda _: reading) if isinstance(reading, str) else reading
    return Rule(re.compile(pattern), say, needs)


def rule_behind(pattern: str, reading: Callable[[re.Match[str]], str], needs: str = "") -> Rule:
    """Make a rule that keeps its group `front`, the words in front of what is read."""
    return rule(pattern, lambda written: f"{written['front']}{reading(written)}", needs)


def words(spaced: str) -> list[str]:
    """Return the words of a list that is written as a line."""
    return spaced.split()


def any_of(words: Iterable[str]) -> str:
    """Return a pattern for any of the words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
