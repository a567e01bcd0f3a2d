"""How a Qwen3's `model.safetensors` spells it."""

from collections.abc import Mapping

from torch import Tensor

from .rules import rename

_LAYER = r"model\.layers\.(\d+)\."
_TABLE = (
    (r"model\.embed_tokens\.weight", "embedding.weight"),
    (rf"{_LAYER}input_layernorm\.weight", r"blocks.\1.attention_norm.weight"),
    (rf"{_LAYER}self_attn\.q_proj\.weight", r"blocks.\1.query.weight"),
    (rf"{_LAYER}self_attn\.k_proj\.weight", r"blocks.\1.key.weight"),
    (rf"{_LAYER}self_attn\.v_proj\.weight", r"blocks.\1.value.weight"),
    (rf"{_LAYER}self_attn\.q_norm\.weight", r"blocks.\1.query_norm.weight"),
    (rf"{_LAYER}self_attn\.k_norm\.weight", r"blocks.\1.key_norm.weight"),
    (rf"{_LAYER}self_attn\.o_proj\.weight", r"blocks.\1.output.weight"),
    (rf"{_LAYER}post_attention_layernorm\.weight", r"blocks.\1.feed_forward_norm.weight"),
    (rf"{_LAYER}mlp\.(gate|up|down)_proj\.weight", r"blocks.\1.\2.weight"),
    (r"model\.norm\.weight", "norm.weight"),
    (r"lm_head\.weight", "head.weight"),
)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return our tensors of `feelings`."""
    return {"feelings": rename(tensors, _TABLE)}
