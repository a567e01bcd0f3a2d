"""Where the published models cut a text that is too long for one go, defects and all."""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
import re

_ENDS = {".", "!", "?", "▁.", "▁?", "▁..."}
_SOFT = {",", "▁,", "-"}
_QUOTES = {"'", "▁'"}

_PART = re.compile(r"[^,.!?…]*[,.!?…]?")


def split_pieces(pieces: Sequence[str], limit: int, quick: int = 0) -> list[list[str]]:
    """Cut pieces after marks, and join neighbours up to `limit`.

    As long as no more than `quick` are spent they are joined up to half of it only.
    """
    segments: list[list[str]] = []
    spent = 0
    for part in _parts(pieces, limit):
        spent += len(part)
        room = limit if spent > quick else limit // 2
        if segments and len(segments[-1]) + len(part) <= room:
            segments[-1] = segments[-1] + part
        else:
            segments.append(part)
    return segments


def _parts(pieces: Sequence[str], limit: int) -> Iterator[list[str]]:
    """Cut after each soft mark, each end of more than two pieces, and where it overflows.

    A quote after an end stands in both parts: upstream takes it along, then reads it again.
    """
    part: list[str] = []
    for piece, following in zip_longest(pieces, pieces[1:], fillvalue=""):
        part.append(piece)
        if len(part) > limit:
            yield part[:limit]
            yield part[limit:]
        elif piece in _ENDS and len(part) > 2:
            yield [*part, following] if following in _QUOTES else part
        elif piece in _SOFT:
            yield part
        else:
            continue
        part = []
    if part:
        yield part


def split_text(text: str, count: Callable[[str], int], limit: int, quick: int = 0) -> list[str]:
    """Do the same with a text, by what `count` says of it; a part that is too long is cut."""
    segments = [""]
    spent = 0
    for part in filter(None, _PART.findall(text)):
        spent += count(part)
        room = limit if spent > quick else limit // 2
        if count(segments[-1] + part) <= room:
            segments[-1] += part
        else:
            segments.extend(_cut(part, count, limit))
    return list(filter(None, segments))


def _cut(part: str, count: Callable[[str], int], limit: int) -> Iterator[str]:
    piece = ""
    for character in part:
        if piece and count(piece + character) > limit:
            yield piece
            piece = ""
        piece += character
    yield piece
