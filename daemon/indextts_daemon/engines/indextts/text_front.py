"""The door of the engine's text side: a text in, the ids of its segments out."""

from pathlib import Path

from indextts_daemon.engines.indextts import reading, serving
from indextts_daemon.engines.indextts.compat.normalizer import Normalizer
from indextts_daemon.engines.indextts.compat.official import OfficialPieces, OfficialTokens
from indextts_daemon.engines.indextts.tokenizer import (
    LAST_POSITION,
    BPETokenizer,
    TiktokenTokenizer,
)
from indextts_daemon.engines.indextts.variant import Variant

LEAST_TOKENS = 8  # any character fits, with what stands before and after it


class TextFrontEnd:
    """The text side of one model; a grammar is loaded with the first text that needs it."""

    def __init__(self, variant: Variant, tokenizer_file: Path) -> None:
        self._tokenizer: BPETokenizer | TiktokenTokenizer = (
            TiktokenTokenizer(tokenizer_file)
            if variant.language_ids
            else BPETokenizer(tokenizer_file)
        )
        self._normalizer = Normalizer()
        self._numbers = reading.Numbers()

    @property
    def num_ids(self) -> int:
        """One more than the highest id that a text can have."""
        return self._tokenizer.num_tokens

    def segments(
        self,
        text: str,
        *,
        language: str,
        max_tokens: int = 120,
        quick_tokens: int = 0,
        compat: bool = True,
    ) -> list[list[int]]:
        """Return each segment's ids as upstream gives them to the GPT: ids 0 and 1 included.

        In `compat` the text is treated as upstream treats it, defects and all. Else our rules
        have read its numbers before, no word is lost, a segment never has more than
        `max_tokens` ids, and a text without words has none.
        """
        if compat:
            return self._official(text, language, max_tokens, quick_tokens)
        if max_tokens < LEAST_TOKENS:
            raise ValueError(f"max_tokens must be at least {LEAST_TOKENS}")
        spelling: serving.Spelling = (
            serving.PieceSpelling(self._tokenizer)
            if isinstance(self._tokenizer, BPETokenizer)
            else serving.TokenSpelling(self._tokenizer, language)
        )
        return serving.serve(
            text,
            language,
            spelling,
            numbers=self._numbers,
            budget=min(max_tokens, LAST_POSITION),
            quick=quick_tokens,
        )

    def _official(self, text: str, language: str, limit: int, quick: int) -> list[list[int]]:
        if isinstance(self._tokenizer, BPETokenizer):
            return OfficialPieces(self._tokenizer, self._normalizer).segments(text, limit, quick)
        tokens = OfficialTokens(self._tokenizer, self._normalizer, language)
        return tokens.segments(text, limit, quick)
