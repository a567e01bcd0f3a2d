"""Two small vocabularies made on the spot, in the formats of the published ones."""

import base64
from functools import cache
import io
from pathlib import Path

import sentencepiece

HAN = "今天客厅的灯开了门关着二十三度"
LINES = (
    "THE KITCHEN LIGHT IS ON.",
    "A QUICK BROWN FOX JUMPS, VEXED BY LAZY DOGS; 'OK', IT'S SO-SO, GOOD!",
    "WARM ROOMS? ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN TWENTY THIRTY...",
    *HAN,
)
MERGES = (" t", "th", "he", " the", " a", "in", "on", " i", " is", "的", "!!")


def write_pieces(folder: Path) -> Path:
    """Write a SentencePiece model without digits."""
    file = folder / "bpe.model"
    file.write_bytes(_pieces())
    return file


@cache
def _pieces() -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 4),
        model_writer=model,
        model_type="bpe",
        vocab_size=110,
        character_coverage=1.0,
        minloglevel=2,
    )
    return model.getvalue()


def write_tokens(folder: Path) -> Path:
    """Write ranks as the published ones begin: printable bytes, the other bytes, then merges."""
    printable = range(ord("!"), ord("~") + 1)
    order = [*printable, *(byte for byte in range(256) if byte not in printable)]
    tokens = [bytes([byte]) for byte in order] + [merge.encode() for merge in MERGES]
    file = folder / "small.tiktoken"
    lines = (f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens))
    file.write_text("".join(lines), "ascii")
    return file
