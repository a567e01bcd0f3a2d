"""What the decoder is told of a recording, frame by frame: a conformer over semantic features.

B batch, T frames, C channels, H heads, D channels of a head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Self

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from indextts_daemon.engines.indextts.layers.conformer import (
    Attention,
    Convolution,
    FeedForward,
    sinusoids,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditioningEncoderSizes:
    """What the tensors say."""

    channels: int
    mixed: int  # channels times what is left of the features' width
    inner: int
    num_heads: int
    num_layers: int
    kernel: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        channels, mixed = tensors["projection.weight"].shape
        return cls(
            channels=channels,
            mixed=mixed,
            inner=tensors["layers.0.feed_forward.expand.weight"].shape[0],
            num_heads=tensors["layers.0.attention.content_bias"].shape[0],
            num_layers=len({key.split(".")[1] for key in tensors if key.startswith("layers.")}),
            kernel=tensors["layers.0.convolution.depthwise.weight"].shape[2],
        )


class ConditioningEncoder(nn.Module):
    """Semantic features (B, T, W) to (B, (T - 1) // 2, C); the whole recording is looked at."""

    def __init__(self, sizes: ConditioningEncoderSizes) -> None:
        super().__init__()
        self.halving = nn.Conv2d(1, sizes.channels, 3, stride=2)
        self.projection = nn.Linear(sizes.mixed, sizes.channels)
        self.layers = nn.ModuleList(_Layer(sizes) for _ in range(sizes.num_layers))
        self.norm = nn.LayerNorm(sizes.channels)

    def forward(self, features: Tensor) -> Tensor:
        halved = F.relu(self.halving(features[:, None]))  # (B, C, T / 2, W / 2)
        x = self.projection(halved.transpose(1, 2).flatten(2))
        x = x * math.sqrt(x.shape[2])
        places = sinusoids(x.shape[1], x.shape[2], like=x)
        for layer in self.layers:
            x = layer(x, places)
        return self.norm(x)


class _Layer(nn.Module):
    def __init__(self, sizes: ConditioningEncoderSizes) -> None:
        super().__init__()
        channels = sizes.channels
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = _PlacedAttention(channels, sizes.num_heads)
        self.convolution_norm = nn.LayerNorm(channels)
        self.convolution = Convolution(channels, sizes.kernel, causal=False, bias=True)
        self.feed_forward_norm = nn.LayerNorm(channels)
        self.feed_forward = FeedForward(channels, sizes.inner)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), places)
        x = x + self.convolution(self.convolution_norm(x))
        x = x + self.feed_forward(self.feed_forward_norm(x))
        return self.norm(x)


class _PlacedAttention(Attention):
    """A query also meets the key's place in the recording, not its distance."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__(channels, num_heads)
        self.place = nn.Linear(channels, channels, bias=False)
        self.content_bias = nn.Parameter(torch.empty(num_heads, channels // num_heads))
        self.place_bias = nn.Parameter(torch.empty(num_heads, channels // num_heads))

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        query = self.split(self.query(x))
        place = self.split(self.place(places)[None])
        met = (query + self.place_bias[:, None]) @ place.transpose(2, 3)
        return self.attend(query + self.content_bias[:, None], x, met * query.shape[3] ** -0.5)
