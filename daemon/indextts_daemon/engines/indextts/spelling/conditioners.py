"""How `gpt.pth` spells what looks at a recording; the rest of that file is the decoder's."""

from collections.abc import Mapping

from torch import Tensor

from .rules import rename
from .stages import by_stage

# What of `gpt.pth` is known here, for a table that leaves it out.
PATTERN = r"(?:(?:emo_)?(?:conditioning|perceiver)_encoder|emovec_layer|emo_layer|spk_emb_proj)\..*"

_ENCODER_LAYER = (
    (r"self_attn\.linear_q\.(weight|bias)", r"attention.query.\2"),
    (r"self_attn\.linear_k\.(weight|bias)", r"attention.key.\2"),
    (r"self_attn\.linear_v\.(weight|bias)", r"attention.value.\2"),
    (r"self_attn\.linear_out\.(weight|bias)", r"attention.output.\2"),
    (r"self_attn\.linear_pos\.weight", r"attention.place.weight"),
    (r"self_attn\.pos_bias_u", r"attention.content_bias"),
    (r"self_attn\.pos_bias_v", r"attention.place_bias"),
    (r"feed_forward\.w_1\.(weight|bias)", r"feed_forward.expand.\2"),
    (r"feed_forward\.w_2\.(weight|bias)", r"feed_forward.contract.\2"),
    (r"conv_module\.pointwise_conv1\.(weight|bias)", r"convolution.gate.\2"),
    (r"conv_module\.depthwise_conv\.(weight|bias)", r"convolution.depthwise.\2"),
    (r"conv_module\.norm\.(weight|bias)", r"convolution.norm.\2"),
    (r"conv_module\.pointwise_conv2\.(weight|bias)", r"convolution.mix.\2"),
    (r"norm_mha\.(weight|bias)", r"attention_norm.\2"),
    (r"norm_conv\.(weight|bias)", r"convolution_norm.\2"),
    (r"norm_ff\.(weight|bias)", r"feed_forward_norm.\2"),
    (r"norm_final\.(weight|bias)", r"norm.\2"),
)
_ENCODER = (
    (r"embed\.conv\.0\.(weight|bias)", r"halving.\1"),
    (r"embed\.out\.0\.(weight|bias)", r"projection.\1"),
    *((rf"encoders\.(\d+)\.{theirs}", rf"layers.\1.{ours}") for theirs, ours in _ENCODER_LAYER),
    (r"after_norm\.(weight|bias)", r"norm.\1"),
)
_PERCEIVER = (
    (r"latents", r"rows"),
    (r"proj_context\.(weight|bias)", r"context.\1"),
    (r"layers\.(\d+)\.0\.to_q\.weight", r"layers.\1.attention.query.weight"),
    (r"layers\.(\d+)\.0\.to_kv\.weight", r"layers.\1.attention.key_value.weight"),
    (r"layers\.(\d+)\.0\.to_out\.weight", r"layers.\1.attention.output.weight"),
    (r"layers\.(\d+)\.1\.0\.(weight|bias)", r"layers.\1.expand.\2"),
    (r"layers\.(\d+)\.1\.2\.(weight|bias)", r"layers.\1.contract.\2"),
    (r"norm\.gamma", r"norm.weight"),
)
_TABLE = (
    *(
        (rf"{prefix}{network}_encoder\.{key}", f"{stage}.{ours}.{name}")
        for prefix, stage in (("", "speaker_conditioner"), ("emo_", "emotion_conditioner"))
        for network, ours, rules in (
            ("conditioning", "encoder", _ENCODER),
            ("perceiver", "perceiver", _PERCEIVER),
        )
        for key, name in rules
    ),
    (r"emovec_layer\.(weight|bias)", r"emotion_conditioner.projection.\1"),
    (r"emo_layer\.(weight|bias)", r"emotion_conditioner.output.\1"),
    (r"spk_emb_proj\.(weight|bias)", r"speaker_conditioner.projection.\1"),
)
_DEAD = (r"(?:emo_)?conditioning_encoder\.embed\.pos_enc\.pe",)  # sinusoids, made anew


def translate(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return our tensors of `emotion_conditioner` and `speaker_conditioner`."""
    return by_stage(rename(tensors, _TABLE, dead=_DEAD))
