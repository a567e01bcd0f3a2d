"""Upstream keeps several networks in one file; each of ours is a stage of its own."""

from collections.abc import Mapping

from torch import Tensor


def by_stage(renamed: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Sort tensors by the first word of their names, their stage, and take it off."""
    stages: dict[str, dict[str, Tensor]] = {}
    for name, tensor in renamed.items():
        stage, _, key = name.partition(".")
        stages.setdefault(stage, {})[key] = tensor
    return stages
