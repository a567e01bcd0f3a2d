"""What the decoder is told before its first code: the speaker, the emotion and the text.

P rows, D channels, N ids, R speaker rows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
import torch.nn.functional as F

from indextts_daemon.errors import SynthesisError

from .models.gpt import START_TEXT, STOP_TEXT, GPTDecoder
from .variant import Variant

OTHER_LANGUAGE = "zhen"  # whose row stands for every language without one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prefix:
    """The rows before the start code, and which of them are there at all."""

    embeddings: Tensor  # (1, P, D)
    mask: Tensor  # (1, P) bool

    @property
    def num_rows(self) -> int:
        """P."""
        return self.mask.shape[1]


def make_prefix(
    gpt: GPTDecoder,
    variant: Variant,
    *,
    speaker_rows: Tensor,
    emotion: Tensor,
    text_ids: Tensor,
    language: str,
) -> Prefix:
    """Lay out speaker rows (1, R, D), each with the emotion (1, D), and a segment's ids (1, N).

    The ids are as the tokenizer gives them. The start and stop ids among them are dropped, each
    for an invisible row in front, as upstream does. The language matters where the model has one.
    """
    table = gpt.text_embedding.weight
    ids = text_ids[0].to(table.device).long()
    words = ids[(ids != START_TEXT) & (ids != STOP_TEXT)]
    text = _text_rows(gpt, words)
    if gpt.languages is not None:
        number = variant.language_ids.get(language, variant.language_ids[OTHER_LANGUAGE])
        text = text + gpt.languages.weight[number]
    dropped = len(ids) - len(words)
    nothing = table.new_zeros(1, dropped, table.shape[1])
    told = (speaker_rows + emotion[:, None]).to(table)
    rows = torch.cat((nothing, told, _speed_rows(gpt), text), dim=1)
    visible = torch.arange(rows.shape[1], device=table.device) >= dropped
    return Prefix(embeddings=rows, mask=visible[None])


def _text_rows(gpt: GPTDecoder, words: Tensor) -> Tensor:
    framed = F.pad(F.pad(words, (1, 0), value=START_TEXT), (0, 1), value=STOP_TEXT)
    if len(framed) > gpt.sizes.num_text_positions:
        raise SynthesisError("A sentence is too long for the model.")
    return gpt.embed_text(framed[None])


def _speed_rows(gpt: GPTDecoder) -> Tensor:
    """Return the two rows (1, 2, D) of upstream's speed, which is always the usual one."""
    if gpt.speeds is None:
        return gpt.text_embedding.weight.new_zeros(1, 2, gpt.sizes.channels)
    return gpt.speeds.weight[[1, 0]][None]
