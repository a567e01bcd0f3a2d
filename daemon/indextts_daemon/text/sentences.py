"""From a cleaned text to sentences that are each one bounded step of work; no character is lost."""

# ruff: noqa: RUF001 - the marks of other scripts look like ours on purpose

from collections.abc import Iterable, Iterator
from itertools import takewhile
import re
import unicodedata

from indextts_daemon.text.abbreviations import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    ORDINAL_LANGUAGES,
)
from indextts_daemon.text.cleaning import has_words

LIMIT = 300  # characters of a sentence
_SHORTEST_CLAUSE = 60  # a cut at a comma never leaves less before it
_MOST_MARKS = 8  # combining marks that a cut anywhere keeps with their letter
_LONGEST_ORDINAL = 2  # digits
_LONGEST_LIST_NUMBER = 3

_CLOSERS = r"[\"'”’“»)\]」』）】》]*"
# A run of marks is tried at its first mark only, or a long one would cost its square.
_END = re.compile(
    r"[。！？｡]+[”’»」』）】》]*"
    rf"|(?<![.!?…])[!?]+{_CLOSERS}(?=[\u3041-\u30ff\u4e00-\u9fff])"
    rf"|(?<![.!?…؟۔।։])[.!?…؟۔।։]+{_CLOSERS}(?: »)?(?=\s|$)"
)
_CLAUSE = re.compile(r"[,;:)–—]+(?=\s)|[、，；：）]+|(?<=\w\w\w)[.!?…]+(?=\s)")
_CHAIN = re.compile(r"(?<!\w)\w\. \w\.")  # "z. B."
_LAST_WORD = re.compile(r"[^\s(\[\"'“„«‘]+$")


def split(text: str, language: str) -> list[str]:
    """Split a text into sentences; their characters, spaces aside, are exactly the text's."""
    base = language.partition("-")[0].lower()
    pieces = [
        piece
        for paragraph in text.split("\n")
        for sentence in _sentences(paragraph.strip(), base)
        for piece in _bounded(sentence)
    ]
    return _joined_to_words(pieces)


def _sentences(paragraph: str, language: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(paragraph):
        if _ends_sentence(paragraph, start, end, language):
            yield paragraph[start : end.end()].strip()
            start = end.end()
    if rest := paragraph[start:].strip():
        yield rest


def _ends_sentence(paragraph: str, start: int, end: re.Match[str], language: str) -> bool:
    """Whether the mark closes a sentence, rather than an abbreviation, an ordinal or a quote."""
    if end[0][0] in "。！？｡":
        return True
    following = paragraph[end.end() : end.end() + 2].lstrip()[:1]
    if following.islower():
        return False
    one_dot = end[0].startswith(".") and not end[0].startswith("..")
    word = _LAST_WORD.search(paragraph, max(start, end.start() - 40), end.start())
    if not one_dot or word is None:
        return True
    if _CHAIN.search(paragraph, max(start, word.start() - 3), end.end() + 3):
        return False
    at_start = word.start() <= start + 1
    return not _keeps_dot(word[0], language, following, at_start=at_start)


def _keeps_dot(word: str, language: str, following: str, *, at_start: bool) -> bool:
    """Whether the dot after this word is the word's own."""
    if word.isdecimal():
        listed = at_start and len(word) <= _LONGEST_LIST_NUMBER
        return listed or (language in ORDINAL_LANGUAGES and len(word) <= _LONGEST_ORDINAL)
    if following.isdecimal() and word.casefold() in BEFORE_NUMBERS:
        return True
    initial = len(word) == 1 and word.isupper()
    return initial or word.casefold() in ABBREVIATIONS.get(language, ())


def _bounded(sentence: str) -> Iterator[str]:
    """Cut what is too long at a clause, else at a space, else anywhere."""
    while len(sentence) > LIMIT:
        cut = _cut(sentence[: LIMIT + 1])
        yield sentence[:cut].rstrip()
        sentence = sentence[cut:].lstrip()
    if sentence:
        yield sentence


def _cut(window: str) -> int:
    marks = (mark.end() for mark in _CLAUSE.finditer(window, _SHORTEST_CLAUSE))
    if clause := max((end for end in marks if end <= LIMIT), default=0):
        return clause
    if (space := window.rfind(" ", 1)) > 0:
        return space
    accents = takewhile(unicodedata.combining, reversed(window[LIMIT - _MOST_MARKS : LIMIT + 1]))
    return LIMIT - sum(1 for _ in accents)


def _joined_to_words(pieces: Iterable[str]) -> list[str]:
    """Give marks that stand alone to their neighbour: nobody can speak them."""
    joined: list[str] = []
    for piece in pieces:
        alone = joined and not (has_words(piece) and has_words(joined[-1]))
        if alone and len(joined[-1]) + len(piece) < LIMIT:
            joined[-1] += f" {piece}"
        else:
            joined.append(piece)
    return joined
