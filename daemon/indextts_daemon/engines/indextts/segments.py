"""Where a text is cut for one go of the model: at the widest pause that leaves it short enough.

Knows no vocabulary: it is told how to count. Nothing is lost at a cut but blanks.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
import re

_WINDOW = 16  # characters looked at per token of the budget: more than any language has
_WORDLIKE = (  # characters that are words
    "\u1100-\u11ff\u2e80-\u2fff\u3040-\ua4cf\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)


def _after(marks: str) -> re.Pattern[str]:
    """Match after a mark, and the quote that it may have, but not within 3.5 or example.com."""
    return re.compile(
        rf"(?:(?<=[{marks}])|(?<=[{marks}]'))(?=[\s{_WORDLIKE}])"
        rf"|(?<=[{_WORDLIKE}][{marks}])(?![{marks}'])"
    )


_PAUSES = (_after(".!?…؟"), _after(",،"))  # sentences, clauses
_WORDS = re.compile(rf"(?=\s)|(?<=[{_WORDLIKE}])(?=[{_WORDLIKE}])")


def split(text: str, count: Callable[[str], int], *, budget: int, quick: int = 0) -> list[str]:
    """Cut a text into segments of at most `budget` tokens, as `count` counts each of them.

    As long as fewer than `quick` are spent each clause stands alone, so that the first sound
    comes early. A single character may exceed the budget.
    """
    segments: list[str] = []
    spent = 0
    start = 0
    while start < len(text):
        window = text[start : start + _WINDOW * budget]
        whole = start + len(window) == len(text)
        end = next(
            end
            for end in _ends(window, count, budget, whole=whole, early=spent < quick)
            if end == 1 or count(window[:end].strip()) <= budget
        )
        segments.append(window[:end].strip())
        spent += count(segments[-1])
        start += end
    return list(filter(None, segments))


def _ends(
    window: str, count: Callable[[str], int], budget: int, *, whole: bool, early: bool
) -> Iterator[int]:
    """Offer places to cut, the best first; the last one is 1.

    More than one is needed only where a vocabulary counts a text lower than its beginning.
    """
    reach = bisect_right(range(len(window) + 1), budget, key=lambda end: count(window[:end])) - 1
    while reach > 1:
        reach = _end(window, reach, whole=whole, early=early)
        yield reach
        reach -= 1
    yield 1


def _end(window: str, reach: int, *, whole: bool, early: bool) -> int:
    """Return the best place to cut up to `reach`."""
    pauses = [_places(pause, window, reach) for pause in _PAUSES]
    if early and any(pauses):
        return min(places[0] for places in pauses if places)
    if whole and reach == len(window):
        return reach
    for places in pauses:
        if places and places[-1] > reach // 3:  # an early pause would leave a stump
            return places[-1]
    words = _places(_WORDS, window, reach)
    return words[-1] if words else reach


def _places(pattern: re.Pattern[str], window: str, reach: int) -> list[int]:
    found = (place.start() for place in pattern.finditer(window, 0, reach + 2))
    return [place for place in found if 0 < place <= reach]
