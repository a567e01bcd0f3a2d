"""How `w2v-bert-2.0/model.safetensors` spells the semantic encoder."""

from collections.abc import Mapping

from torch import Tensor

from indextts_daemon.engines.indextts.models.semantic_encoder import NUM_LAYERS

from .rules import rename

_LAYER = (
    (r"ffn([12])_layer_norm", r"feed_forward_\2_norm"),
    (r"ffn([12])\.intermediate_dense", r"feed_forward_\2.expand"),
    (r"ffn([12])\.output_dense", r"feed_forward_\2.contract"),
    (r"self_attn_layer_norm", r"attention_norm"),
    (r"self_attn\.linear_q", r"attention.query"),
    (r"self_attn\.linear_k", r"attention.key"),
    (r"self_attn\.linear_v", r"attention.value"),
    (r"self_attn\.linear_out", r"attention.output"),
    (r"self_attn\.distance_embedding", r"attention.distances"),
    (r"conv_module\.layer_norm", r"convolution_norm"),
    (r"conv_module\.pointwise_conv1", r"convolution.gate"),
    (r"conv_module\.depthwise_conv", r"convolution.depthwise"),
    (r"conv_module\.depthwise_layer_norm", r"convolution.norm"),
    (r"conv_module\.pointwise_conv2", r"convolution.mix"),
    (r"final_layer_norm", r"norm"),
)
_TABLE = (
    (r"feature_projection\.layer_norm\.(weight|bias)", r"norm.\1"),
    (r"feature_projection\.projection\.(weight|bias)", r"projection.\1"),
    *(
        (rf"encoder\.layers\.(\d+)\.{theirs}\.(?P<leaf>weight|bias)", rf"layers.\1.{ours}.\g<leaf>")
        for theirs, ours in _LAYER
    ),
)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return our tensors of `semantic_encoder`; its statistics are in a file of their own."""
    used = "|".join(str(layer) for layer in range(NUM_LAYERS))
    dead = ("masked_spec_embed", rf"encoder\.layers\.(?!({used})\.)\d+\..*")
    return {"semantic_encoder": rename(tensors, _TABLE, dead=dead)}
