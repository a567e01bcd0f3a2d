"""What an embedded voice is to the engine: sentences in, stretches of speech out."""

from collections.abc import Iterator
from dataclasses import dataclass
import re
from typing import Protocol

from indextts_daemon.speech import AudioChunk, SpeechRequest, Voice

SLOWEST, FASTEST = 0.5, 2.0
_ENDLESS_WORD = re.compile(r"(\S{32})(?=\S)")
_AFTER_CLAUSE = re.compile(r"[.!?…,;:—](?=\s)")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """A stretch of a sentence's speech."""

    chunk: AudioChunk
    last: bool  # nothing more follows in this sentence


class Speaker(Protocol):
    """One voice. Safe to call from several threads."""

    @property
    def voice(self) -> Voice:
        """Who speaks."""

    def speak(self, text: str, request: SpeechRequest, number: int, /) -> Iterator[Piece]:
        """Speak the job's sentence `number`, any text at all; every `next` is bounded work.

        Yields nothing when there is no word in it.
        """


def breakable(text: str) -> str:
    """Cut words that are no words: on 300 letters Pico spins, on 40 digits hibari fails."""
    return _ENDLESS_WORD.sub(r"\1 ", text)


def bounded(text: str, limit: int) -> Iterator[str]:
    """Cut text into parts of at most `limit` characters, after clauses or words where it can."""
    text = text.strip()
    while len(text) > limit:
        clauses = [mark.end() for mark in _AFTER_CLAUSE.finditer(text, 0, limit)]
        cut = clauses[-1] if clauses else text.rfind(" ", 1, limit)
        cut = cut if cut > 0 else limit
        yield text[:cut]
        text = text[cut:].lstrip()
    if text:
        yield text
