"""How MaskGCT's `semantic_codec/model.safetensors` and 2.5's `codec.pth` spell the codec."""

from collections.abc import Mapping

from torch import Tensor

from .rules import WRAPPER, fold_weight_norm, rename
from .stages import by_stage

_VOCOS = (
    (r"0\.embed", r"input"),
    (r"0\.norm", r"input_norm"),
    (r"0\.convnext\.(\d+)\.dwconv", r"layers.\1.depthwise"),
    (r"0\.convnext\.(\d+)\.norm", r"layers.\1.norm"),
    (r"0\.convnext\.(\d+)\.pwconv1", r"layers.\1.expand"),
    (r"0\.convnext\.(\d+)\.pwconv2", r"layers.\1.contract"),
    (r"0\.final_layer_norm", r"norm"),
    (r"1", r"output"),
)
_QUANTIZER = r"quantizer\.quantizers\.0\."
_TABLE = (
    *(
        rule
        for theirs, ours in (("encoder", "codec_encoder.vocos"), ("decoder", "codec.decoder"))
        for rule in (
            *(
                (rf"{theirs}\.{key}\.(?P<leaf>weight|bias)", rf"{ours}.{name}.\g<leaf>")
                for key, name in _VOCOS
            ),
            (rf"{theirs}\.0\.convnext\.(\d+)\.gamma", rf"{ours}.layers.\1.scale"),
        )
    ),
    (rf"{_QUANTIZER}in_project\.(weight|bias)", r"codec.input.\1"),
    (rf"{_QUANTIZER}codebook\.weight", r"codec.codebook.weight"),
    (rf"{_QUANTIZER}out_project\.(weight|bias)", r"codec.output.\1"),
    (r"down\.(weight|bias)", r"codec_encoder.halving.\1"),
    (r"up\.(weight|bias)", r"codec.doubling.\1"),
)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return our tensors of `codec` and `codec_encoder`; IndexTTS-2 never decodes."""
    decodes = not tensors.keys().isdisjoint({"up.weight", f"{WRAPPER}up.weight"})
    dead = () if decodes else (r"decoder\..*",)
    return by_stage(rename(fold_weight_norm(tensors), _TABLE, dead=dead))
