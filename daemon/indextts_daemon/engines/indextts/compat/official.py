"""From a text to the ids that upstream gives to the GPT of each model."""

from indextts_daemon.engines.indextts.compat import pronunciation, segments
from indextts_daemon.engines.indextts.compat.normalizer import Normalizer, marks_mapped
from indextts_daemon.engines.indextts.compat.pronunciation import Kept, Kind
from indextts_daemon.engines.indextts.tokenizer import (
    LAST_POSITION,
    PHONES,
    PINYIN,
    STOP_TEXT,
    BPETokenizer,
    TiktokenTokenizer,
)

_NORMALIZED = {"zh", "zhen", "en"}
_CAPITALS = {"es"}
_LOWER = {"zh", "zhen", "en", "ja"}


class OfficialPieces:
    """IndexTTS-2: normalized first, then cut between pieces."""

    def __init__(self, tokenizer: BPETokenizer, normalizer: Normalizer) -> None:
        self._tokenizer = tokenizer
        self._normalizer = normalizer

    def pieces(self, text: str) -> list[str]:
        """Return the pieces; a lone character goes in as written."""
        if len(text.strip()) == 1:
            return self._tokenizer.raw_pieces(text)
        return self._tokenizer.pieces(self._normalizer.normalize(text))

    def segments(self, text: str, limit: int, quick: int) -> list[list[int]]:
        parts = segments.split_pieces(self.pieces(text), limit, quick)
        return [self._tokenizer.ids(part) for part in parts]


class OfficialTokens:
    """IndexTTS-2.5: marks first, then numbers; cut between characters, a language in front.

    Japanese stays as written: upstream puts blanks between its words, which takes a dictionary.
    """

    def __init__(self, tokenizer: TiktokenTokenizer, normalizer: Normalizer, language: str) -> None:
        self._tokenizer = tokenizer
        self._normalizer = normalizer
        self._language = language

    def processed(self, text: str) -> str:
        kept = Kept()

        def spelled(_word: str, reading: str, kind: Kind) -> str:
            return reading if kind == "kana" else kept.keep(marked(reading, kind))

        text = marks_mapped(pronunciation.without_marks(text))
        text = pronunciation.replace_annotations(text, spelled)
        if self._language in _NORMALIZED:
            text = self._normalizer.normalize(text)
        return kept.restored(cased(text, self._language))

    def split(self, processed: str, limit: int, quick: int = 0) -> list[str]:
        """Cut what is processed; the budget leaves room for the language, not for the end."""
        budget = min(limit, LAST_POSITION) - self._count(tag(self._language))
        return segments.split_text(processed, self._count, budget, quick)

    def ids(self, segment: str) -> list[int]:
        return [*self._tokenizer.encode(tag(self._language) + segment), STOP_TEXT]

    def segments(self, text: str, limit: int, quick: int) -> list[list[int]]:
        return [self.ids(part) for part in self.split(self.processed(text), limit, quick)]

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text))


def tag(language: str) -> str:
    """Return what stands before each segment."""
    return f"<|{language}|> "


def marked(reading: str, kind: Kind) -> str:
    """Return a reading between the marks of its kind."""
    mark = PINYIN if kind == "pinyin" else PHONES
    return mark + reading.upper() + mark


def cased(text: str, language: str) -> str:
    """Return the text in the case that IndexTTS-2.5 knows a language in."""
    if language in _CAPITALS:
        return text.upper()
    return text.lower() if language in _LOWER else text
