"""A text as it is served: its numbers read by our rules, no word lost, in upstream's marks."""

from typing import Protocol

from indextts_daemon.engines.indextts import reading, segments
from indextts_daemon.engines.indextts.compat import pronunciation
from indextts_daemon.engines.indextts.compat.official import cased, marked, tag
from indextts_daemon.engines.indextts.compat.pronunciation import Kept, Kind
from indextts_daemon.engines.indextts.tokenizer import (
    STOP_TEXT,
    BPETokenizer,
    TiktokenTokenizer,
)


class Spelling(Protocol):
    """How a model's vocabulary has one text; what it has in its own way is kept apart."""

    def pronounced(self, word: str, sound: str, kind: Kind) -> str:
        """Return what stands in the text for an annotated word."""
        ...

    def written(self, text: str) -> str:
        """Return the text in the model's case and marks."""
        ...

    def ids(self, segment: str) -> list[int]:
        """Return a segment's ids, with those that stand around it."""
        ...


def serve(
    text: str,
    language: str,
    spelling: Spelling,
    *,
    numbers: reading.Numbers,
    budget: int,
    quick: int,
) -> list[list[int]]:
    """Return the ids of each segment of at most `budget`; none of a text without words."""

    def count(part: str) -> int:
        return len(spelling.ids(part))

    def pronounced(word: str, sound: str, kind: Kind) -> str:
        said = spelling.pronounced(word, sound, kind)
        return said if count(said) <= budget else word

    text = pronunciation.replace_annotations(pronunciation.without_marks(text), pronounced)
    text = reading.marked(reading.tones_spelled(numbers.read(text, language)))
    parts = segments.split(spelling.written(text), count, budget=budget, quick=quick)
    return [spelling.ids(part) for part in parts if _has_words(part)]


def _has_words(part: str) -> bool:
    return any(character.isalnum() or pronunciation.is_mark(character) for character in part)


class PieceSpelling:
    """IndexTTS-2: pinyin stands among the text, other readings are unknown."""

    def __init__(self, tokenizer: BPETokenizer) -> None:
        self._tokenizer = tokenizer
        self._kept = Kept()

    def pronounced(self, word: str, sound: str, kind: Kind) -> str:
        if kind != "pinyin":
            return word
        return self._kept.keep(" ".join(map(pronunciation.corrected, sound.split())))

    def written(self, text: str) -> str:
        return text

    def ids(self, segment: str) -> list[int]:
        return self._tokenizer.ids(self._tokenizer.pieces(self._kept.restored(segment)))


class TokenSpelling:
    """IndexTTS-2.5: a language in front, marks around a reading; kana stand in for the word."""

    def __init__(self, tokenizer: TiktokenTokenizer, language: str) -> None:
        self._tokenizer = tokenizer
        self._language = language
        self._kept = Kept()

    def pronounced(self, _word: str, sound: str, kind: Kind) -> str:
        return sound if kind == "kana" else self._kept.keep(marked(sound, kind))

    def written(self, text: str) -> str:
        return reading.without_shouting(cased(text, self._language))

    def ids(self, segment: str) -> list[int]:
        """Return the ids; only what we wrote ourselves can be a mark of the vocabulary."""
        mark, blank = tag(self._language)[:-1], tag(self._language)[-1:]
        ids = self._tokenizer.encode(mark)
        for run in self._kept.runs(blank + segment):
            if pronunciation.is_mark(run):
                ids += self._tokenizer.encode(self._kept.restored(run))
            else:
                ids += self._tokenizer.encode_plain(run)
        return [*ids, STOP_TEXT]
