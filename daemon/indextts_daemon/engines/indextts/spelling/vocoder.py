"""How `bigvgan_generator.pt` spells the vocoder."""

from collections.abc import Mapping

from torch import Tensor

from .rules import fold_weight_norm, rename

_BLOCK = r"resblocks\.(\d+)\."
_ACTIVATIONS = (
    (rf"{_BLOCK}activations\.0", r"blocks.\1.layers.0.first"),
    (rf"{_BLOCK}activations\.1", r"blocks.\1.layers.0.second"),
    (rf"{_BLOCK}activations\.2", r"blocks.\1.layers.1.first"),
    (rf"{_BLOCK}activations\.3", r"blocks.\1.layers.1.second"),
    (rf"{_BLOCK}activations\.4", r"blocks.\1.layers.2.first"),
    (rf"{_BLOCK}activations\.5", r"blocks.\1.layers.2.second"),
    (r"activation_post", r"activation"),
)
_ACTIVATION = (
    (r"act\.alpha", r"log_alpha"),
    (r"act\.beta", r"log_beta"),
    (r"upsample\.filter", r"upsampling"),
    (r"downsample\.lowpass\.filter", r"downsampling"),
)
_TABLE = (
    (r"conv_pre\.(weight|bias)", r"input.\1"),
    (r"ups\.(\d+)\.0\.(weight|bias)", r"upsamplings.\1.\2"),
    (rf"{_BLOCK}convs1\.(\d+)\.(weight|bias)", r"blocks.\1.layers.\2.dilated.\3"),
    (rf"{_BLOCK}convs2\.(\d+)\.(weight|bias)", r"blocks.\1.layers.\2.plain.\3"),
    *(
        (rf"{theirs}\.{key}", f"{ours}.{leaf}")
        for theirs, ours in _ACTIVATIONS
        for key, leaf in _ACTIVATION
    ),
    (r"conv_post\.weight", r"output.weight"),
)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return our tensors of the one stage, `vocoder`."""
    return {"vocoder": rename(fold_weight_norm(tensors), _TABLE)}
