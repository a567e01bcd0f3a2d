"""How `s2mel.pth` spells its networks: flow matching, length regulator, latent projection."""

from collections.abc import Mapping
import re

from torch import Tensor

from .rules import fold_weight_norm, rename
from .stages import by_stage

_SMOOTHINGS = 4  # convolutions of the length regulator
_LENGTH_REGULATOR = (
    (r"content_in_proj\.(weight|bias)", r"input.\1"),
    *((rf"model\.{3 * i}\.(weight|bias)", rf"blocks.{i}.conv.\1") for i in range(_SMOOTHINGS)),
    *((rf"model\.{3 * i + 1}\.(weight|bias)", rf"blocks.{i}.norm.\1") for i in range(_SMOOTHINGS)),
    (rf"model\.{3 * _SMOOTHINGS}\.(weight|bias)", r"output.\1"),
)
_BLOCK = r"transformer\.layers\.(\d+)\."
_FLOW_MATCHING = (
    (r"cond_projection\.(weight|bias)", r"condition.\1"),
    (r"cond_x_merge_linear\.(weight|bias)", r"input.\1"),
    (r"t_embedder\.mlp\.0\.(weight|bias)", r"clock.embedding.input.\1"),
    (r"t_embedder\.mlp\.2\.(weight|bias)", r"clock.embedding.output.\1"),
    (rf"{_BLOCK}skip_in_linear\.(weight|bias)", r"blocks.\1.skip.\2"),
    (rf"{_BLOCK}attention_norm\.norm\.weight", r"blocks.\1.attention_norm.gain"),
    (rf"{_BLOCK}attention_norm\.project_layer\.(weight|bias)", r"clock.attention.\1.\2"),
    (rf"{_BLOCK}attention\.wqkv\.weight", r"blocks.\1.attention.qkv.weight"),
    (rf"{_BLOCK}attention\.wo\.weight", r"blocks.\1.attention.output.weight"),
    (rf"{_BLOCK}ffn_norm\.norm\.weight", r"blocks.\1.feed_forward_norm.gain"),
    (rf"{_BLOCK}ffn_norm\.project_layer\.(weight|bias)", r"clock.feed_forward.\1.\2"),
    (rf"{_BLOCK}feed_forward\.w1\.weight", r"blocks.\1.feed_forward.gate.weight"),
    (rf"{_BLOCK}feed_forward\.w3\.weight", r"blocks.\1.feed_forward.value.weight"),
    (rf"{_BLOCK}feed_forward\.w2\.weight", r"blocks.\1.feed_forward.output.weight"),
    (r"transformer\.norm\.norm\.weight", r"norm.gain"),
    (r"transformer\.norm\.project_layer\.(weight|bias)", r"clock.norm.\1"),
    (r"skip_linear\.(weight|bias)", r"skip.\1"),
    (r"conv1\.(weight|bias)", r"wavenet_input.\1"),
    (r"t_embedder2\.mlp\.0\.(weight|bias)", r"clock.wavenet_embedding.input.\1"),
    (r"t_embedder2\.mlp\.2\.(weight|bias)", r"clock.wavenet_embedding.output.\1"),
    (r"wavenet\.cond_layer\.conv\.conv\.(weight|bias)", r"clock.wavenet.\1"),
    (r"wavenet\.in_layers\.(\d+)\.conv\.conv\.(weight|bias)", r"wavenet.layers.\1.conv.\2"),
    (r"wavenet\.res_skip_layers\.(\d+)\.conv\.conv\.(weight|bias)", r"wavenet.layers.\1.output.\2"),
    (r"res_projection\.(weight|bias)", r"residual.\1"),
    (r"final_layer\.adaLN_modulation\.1\.(weight|bias)", r"clock.output.\1"),
    (r"final_layer\.linear\.(weight|bias)", r"output.\1"),
    (r"conv2\.(weight|bias)", r"mel.\1"),
)
_TABLE = (
    *((rf"length_regulator\.{key}", f"length_regulator.{ours}") for key, ours in _LENGTH_REGULATOR),
    (r"gpt_layer\.(\d+)\.(weight|bias)", r"latent_projection.layers.\1.\2"),
    *((rf"cfm\.estimator\.{key}", f"flow_matching.{ours}") for key, ours in _FLOW_MATCHING),
)
_DEAD = (
    r"length_regulator\.(embedding\.weight|mask_token)",
    r"cfm\.estimator\.(cond_embedder|content_mask_embedder|x_embedder)\.(weight|bias)",
    r"cfm\.estimator\.(input_pos|t_embedder2?\.freqs)",
)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return our tensors by stage; each name begins with its network's: `cfm.`, `gpt_layer.` ..."""
    unwrapped = {re.sub(r"^(\w+)\.module\.", r"\1.", key): one for key, one in tensors.items()}
    renamed = rename(fold_weight_norm(unwrapped), _TABLE, dead=[*_DEAD, _unused_skips(unwrapped)])
    return by_stage(renamed)


def _unused_skips(tensors: Mapping[str, Tensor]) -> str:
    """Every block has the projection of a skip; only those above the middle one receive any."""
    matches = (re.match(rf"cfm\.estimator\.{_BLOCK}", key) for key in tensors)
    depth = len({match[1] for match in matches if match})
    unused = "|".join(str(block) for block in range(depth // 2 + 1))
    return rf"cfm\.estimator\.transformer\.layers\.({unused})\.skip_in_linear\.(weight|bias)"
