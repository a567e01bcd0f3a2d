"""Text to ids and nothing else: the vocabularies of both models, each read from its one file."""

import base64
from collections.abc import Sequence
from pathlib import Path
import re

import sentencepiece
import tiktoken

from indextts_daemon.engines.indextts.spelling.rules import CheckpointError

# Characters that are words: Han and what is written among it, kana, hangul.
_IDEOGRAPH = re.compile(
    "([\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff65-\uffdc\U00020000-\U0003ffff])"
)

# What may become one token: a word with the blank before it, a number, marks, blanks.
_PRETOKEN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LANGUAGES = {"en": 2, "zh": 3, "es": 5, "ja": 9, "ar": 15}  # places after the ranks
_PHONES, _NUM_MARKS = 122, 30
_TIMES, _NUM_TIMES = 172, 1501
PHONES = "<|SPECIAL_TOKEN_1|>"  # stands around a reading in CMU's phones
PINYIN = "<|SPECIAL_TOKEN_2|>"
STOP_TEXT = 1  # the id that IndexTTS-2.5's front end ends a segment with
LAST_POSITION = 600  # as many ids of text have a place


class BPETokenizer:
    """IndexTTS-2's pieces: an ideograph is a word, and letters are capitals."""

    def __init__(self, file: Path) -> None:
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(file.read_bytes())
        except (OSError, RuntimeError) as err:
            raise CheckpointError(
                f"{file.name}, the vocabulary, cannot be read: fetch it again."
            ) from err

    @property
    def num_tokens(self) -> int:
        """One more than the highest id."""
        count: int = self._processor.get_piece_size()
        return count

    def pieces(self, text: str) -> list[str]:
        spaced = " ".join(_IDEOGRAPH.sub(r" \1 ", text).split()).upper()
        return self.raw_pieces(spaced)

    def raw_pieces(self, text: str) -> list[str]:
        """Cut a text as it stands."""
        pieces: list[str] = self._processor.encode(text, out_type=str)
        return pieces

    def ids(self, pieces: Sequence[str]) -> list[int]:
        ids: list[int] = self._processor.piece_to_id(list(pieces))
        return ids


class TiktokenTokenizer:
    """IndexTTS-2.5's tokens: bytes merged by rank, and marks of its own after the ranks."""

    def __init__(self, file: Path) -> None:
        ranks = _ranks(file)
        self.specials = _specials(len(ranks))
        self.num_tokens = len(ranks) + _TIMES + _NUM_TIMES
        self._encoding = tiktoken.Encoding(
            name="indextts", pat_str=_PRETOKEN, mergeable_ranks=ranks, special_tokens=self.specials
        )

    def encode(self, text: str) -> list[int]:
        """Return the ids; what is spelled like a mark is the mark."""
        return self._encoding.encode(text, allowed_special="all")

    def encode_plain(self, text: str) -> list[int]:
        """Return the ids; nothing that a text can hold is a mark."""
        return self._encoding.encode_ordinary(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self._encoding.decode(ids, errors="replace")


def _ranks(file: Path) -> dict[bytes, int]:
    """Read a line per token: its bytes in base64, and its rank, which is its id."""
    try:
        lines = map(bytes.split, file.read_bytes().splitlines())
        ranks = {
            base64.b64decode(token, validate=True): int(rank) for token, rank in filter(None, lines)
        }
    except (OSError, ValueError) as err:
        raise CheckpointError(
            f"{file.name}, the vocabulary, cannot be read: fetch it again."
        ) from err
    whole = sorted(ranks.values()) == list(range(len(ranks)))
    if not whole or not ranks.keys() >= {bytes([byte]) for byte in range(256)}:
        raise CheckpointError(f"{file.name}, the vocabulary, lacks tokens: fetch it again.")
    return ranks


def _specials(start: int) -> dict[str, int]:
    """Name the marks that are used or tell where a block of them stands."""
    places = {"<|endoftext|>": 0}
    places |= {f"<|{language}|>": place for language, place in _LANGUAGES.items()}
    places |= {f"<|SPECIAL_TOKEN_{index + 1}|>": _PHONES + index for index in range(_NUM_MARKS)}
    places |= {f"<|{index * 0.02:.2f}|>": _TIMES + index for index in range(_NUM_TIMES)}
    return {mark: start + place for mark, place in places.items()}
