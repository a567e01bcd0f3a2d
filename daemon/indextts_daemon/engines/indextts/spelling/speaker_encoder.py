"""How `campplus_cn_common.bin` spells the speaker encoder; batch norms become scale and shift."""

from collections.abc import Iterator, Mapping
import re

import torch
from torch import Tensor

from .rules import WRAPPER, CheckpointError, rename

_EPSILON = 1e-5
_MEAN, _VARIANCE = "running_mean", "running_var"
_PARTS = (
    (r"head\.conv1", r"front.input"),
    (r"head\.bn1", r"front.input_norm"),
    (r"head\.conv2", r"front.output"),
    (r"head\.bn2", r"front.output_norm"),
    (r"xvector\.tdnn\.linear", r"input"),
    (r"xvector\.tdnn\.nonlinear\.batchnorm", r"input_norm"),
    (r"xvector\.out_nonlinear\.batchnorm", r"norm"),
    (r"xvector\.dense\.linear", r"output"),
    (r"xvector\.dense\.nonlinear\.batchnorm", r"output_norm"),
)
_RESIDUAL = (
    (r"conv1", r"conv_1"),
    (r"bn1", r"norm_1"),
    (r"conv2", r"conv_2"),
    (r"bn2", r"norm_2"),
    (r"shortcut\.0", r"shortcut"),
    (r"shortcut\.1", r"shortcut_norm"),
)
_LAYER = (
    (r"nonlinear1\.batchnorm", r"norm"),
    (r"linear1", r"bottleneck"),
    (r"nonlinear2\.batchnorm", r"bottleneck_norm"),
    (r"cam_layer\.linear_local", r"local"),
    (r"cam_layer\.linear1", r"context"),
    (r"cam_layer\.linear2", r"gate"),
)
_TRANSIT = (
    (r"nonlinear\.batchnorm", r"norm"),
    (r"linear", r"output"),
)
# Upstream counts from one: a group of parts under a name that holds numbers, and ours of them.
_COUNTED = (
    (r"head\.layer(\d+)\.(\d+)\.", "front.stages.{0}.{1}.", (1, 0), _RESIDUAL),
    (r"xvector\.block(\d+)\.tdnnd(\d+)\.", "blocks.{0}.layers.{1}.", (1, 1), _LAYER),
    (r"xvector\.transit(\d+)\.", "blocks.{0}.", (1,), _TRANSIT),
)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return our tensors of the one stage, `speaker_encoder`."""
    folded = _fold_batch_norms({key.removeprefix(WRAPPER): one for key, one in tensors.items()})
    table = [
        (rf"{theirs}\.(weight|bias)", rf"{ours}.\1")
        for theirs, ours in (*_PARTS, *_counted(folded))
    ]
    return {"speaker_encoder": rename(folded, table)}


def _counted(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Yield the parts under each counted name that there is."""
    for pattern, ours, first, parts in _COUNTED:
        matches = {match[0]: match for key in tensors if (match := re.match(pattern, key))}
        for name, match in matches.items():
            numbers = [int(number) - one for number, one in zip(match.groups(), first, strict=True)]
            for theirs, part in parts:
                yield re.escape(name) + theirs, ours.format(*numbers) + part


def _fold_batch_norms(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace each norm's statistics by the weight and bias they make; the rest stays."""
    folded = {
        key: tensor
        for key, tensor in tensors.items()
        if not key.endswith((_MEAN, _VARIANCE, "num_batches_tracked"))
    }
    for key, mean in tensors.items():
        if not key.endswith(_MEAN):
            continue
        norm = key.removesuffix(_MEAN)
        if norm + _VARIANCE not in tensors:
            raise CheckpointError(f"The checkpoint lacks {norm}{_VARIANCE}.")
        scale = torch.rsqrt(tensors[norm + _VARIANCE] + _EPSILON)
        scale = scale * tensors.get(f"{norm}weight", torch.ones_like(scale))
        shift = tensors.get(f"{norm}bias", torch.zeros_like(mean)) - mean * scale
        folded |= {f"{norm}weight": scale, f"{norm}bias": shift}
    return folded
