"""How a checkpoint's spelling becomes ours: names by a table, weight norm folded away."""

from collections.abc import Mapping, Sequence
import re

import torch
from torch import Tensor

from indextts_daemon.errors import EngineUnavailableError

MAGNITUDE, DIRECTION = "weight_g", "weight_v"
WRAPPER = "module."  # what training on several cards leaves in front of every name


class CheckpointError(EngineUnavailableError):
    """The files are not a checkpoint that this engine knows; only other files help."""

    code = "checkpoint_invalid"


def rename(
    tensors: Mapping[str, Tensor],
    table: Sequence[tuple[str, str]],
    *,
    dead: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Name each tensor by the first rule whose pattern is the whole of its name.

    What a `dead` pattern knows is left out. A name that nothing knows, or that becomes one
    already taken, raises `CheckpointError`.
    """
    rules = [(re.compile(pattern), name) for pattern, name in table]
    unused = [re.compile(pattern) for pattern in dead]
    renamed: dict[str, Tensor] = {}
    for spelled, tensor in tensors.items():
        key = spelled.removeprefix(WRAPPER)
        if any(pattern.fullmatch(key) for pattern in unused):
            continue
        matches = ((pattern.fullmatch(key), name) for pattern, name in rules)
        ours = next((match.expand(name) for match, name in matches if match), None)
        if ours is None:
            raise CheckpointError(f"The checkpoint holds a tensor that no model has: {spelled}.")
        if ours in renamed:
            raise CheckpointError(f"The checkpoint holds a tensor twice: {spelled}.")
        renamed[ours] = tensor
    return renamed


def fold_weight_norm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace each `weight_g` and `weight_v` by the `weight` they make; the rest stays."""
    folded: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        stem, leaf = key[: -len(MAGNITUDE)], key[-len(MAGNITUDE) :]
        if leaf not in {MAGNITUDE, DIRECTION}:
            folded[key] = tensor
            continue
        other = stem + (DIRECTION if leaf == MAGNITUDE else MAGNITUDE)
        if other not in tensors:
            raise CheckpointError(f"The checkpoint lacks {other}.")
        if leaf == MAGNITUDE:
            folded[f"{stem}weight"] = _weight(tensor, tensors[other])
    return folded


def _weight(magnitude: Tensor, direction: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(direction, dim=tuple(range(1, direction.ndim)), keepdim=True)
    return direction * (magnitude / length)
