"""The Vocos backbone: ConvNeXt blocks over frames of one rate.

B batch, T frames, C channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
import torch.nn.functional as F

EPSILON = 1e-6  # of the norms


@dataclass(frozen=True, slots=True, kw_only=True)
class VocosSizes:
    """What the tensors say."""

    features: int
    channels: int
    inner: int
    kernel: int
    num_layers: int
    outputs: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], name: str) -> Self:
        """Read the sizes from our tensors under a name."""
        channels, features, kernel = tensors[f"{name}.input.weight"].shape
        layers = f"{name}.layers."
        return cls(
            features=features,
            channels=channels,
            inner=tensors[f"{layers}0.expand.weight"].shape[0],
            kernel=kernel,
            num_layers=len(
                {key.removeprefix(layers).split(".")[0] for key in tensors if layers in key}
            ),
            outputs=tensors[f"{name}.output.weight"].shape[0],
        )


class Vocos(nn.Module):
    """Features (B, T, X) to features (B, T, Y)."""

    def __init__(self, sizes: VocosSizes) -> None:
        super().__init__()
        kernel, channels = sizes.kernel, sizes.channels
        self.input = nn.Conv1d(sizes.features, channels, kernel, padding=kernel // 2)
        self.input_norm = nn.LayerNorm(channels, eps=EPSILON)
        self.layers = nn.ModuleList(_Layer(sizes) for _ in range(sizes.num_layers))
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        self.output = nn.Linear(channels, sizes.outputs)

    def forward(self, features: Tensor) -> Tensor:
        x = self.input_norm(self.input(features.transpose(1, 2)).transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        return self.output(self.norm(x))


class _Layer(nn.Module):
    def __init__(self, sizes: VocosSizes) -> None:
        super().__init__()
        kernel, channels = sizes.kernel, sizes.channels
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        self.expand = nn.Linear(channels, sizes.inner)
        self.contract = nn.Linear(sizes.inner, channels)
        self.scale = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C)
        mixed = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        return x + self.scale * self.contract(F.gelu(self.expand(mixed)))
