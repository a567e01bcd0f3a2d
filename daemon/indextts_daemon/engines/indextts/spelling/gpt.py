"""How `gpt.pth` spells the decoder, which also holds the two conditioners."""

from collections.abc import Mapping
import re

from torch import Tensor

from . import conditioners
from .rules import WRAPPER, rename

_BLOCK = r"gpt\.h\.(\d+)\."
_TABLE = (
    (r"text_embedding\.weight", "text_embedding.weight"),
    (r"text_pos_embedding\.emb\.weight", "text_positions.weight"),
    (r"mel_embedding\.weight", "code_embedding.weight"),
    (r"mel_pos_embedding\.emb\.weight", "code_positions.weight"),
    (r"speed_emb\.weight", "speeds.weight"),
    (r"lang_embedding\.weight", "languages.weight"),
    (rf"{_BLOCK}ln_1\.(weight|bias)", r"blocks.\1.attention_norm.\2"),
    (rf"{_BLOCK}attn\.c_attn\.(weight|bias)", r"blocks.\1.qkv.\2"),
    (rf"{_BLOCK}attn\.c_proj\.(weight|bias)", r"blocks.\1.output.\2"),
    (rf"{_BLOCK}ln_2\.(weight|bias)", r"blocks.\1.feed_forward_norm.\2"),
    (rf"{_BLOCK}mlp\.c_fc\.(weight|bias)", r"blocks.\1.up.\2"),
    (rf"{_BLOCK}mlp\.c_proj\.(weight|bias)", r"blocks.\1.down.\2"),
    (r"gpt\.ln_f\.(weight|bias)", r"norm.\1"),
    (r"final_norm\.(weight|bias)", r"final_norm.\1"),
    (r"mel_head\.(weight|bias)", r"head.\1"),
)
_DEAD = (r"text_head\.(weight|bias)", rf"{_BLOCK}attn\.(masked_)?bias")
_INPUT_FIRST = re.compile(r"blocks\.\d+\.(qkv|output|up|down)\.weight")  # kept as (in, out)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return our tensors of `gpt`, `emotion_conditioner` and `speaker_conditioner`."""
    decoder = rename(tensors, _TABLE, dead=(*_DEAD, conditioners.PATTERN))
    for key in filter(_INPUT_FIRST.fullmatch, decoder):
        decoder[key] = decoder[key].t().contiguous()
    told = re.compile(rf"({re.escape(WRAPPER)})?{conditioners.PATTERN}")
    conditioned = {key: one for key, one in tensors.items() if told.fullmatch(key)}
    return {"gpt": decoder, **conditioners.translate(conditioned)}
