"""What is said in a recording: w2v-BERT 2.0 up to the layer that the models were trained on.

B batch, T frames, C channels, H heads, D channels of a head.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from indextts_daemon.engines.indextts.layers.conformer import Attention, Convolution, FeedForward

NUM_LAYERS = 17  # of the checkpoint's 24
FARTHEST_BACK = 64  # frames; the rest of a distance table looks ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticEncoderSizes:
    """What the tensors say."""

    features: int
    channels: int
    inner: int
    num_heads: int
    num_distances: int
    kernel: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        channels, features = tensors["projection.weight"].shape
        num_distances, head = tensors["layers.0.attention.distances.weight"].shape
        return cls(
            features=features,
            channels=channels,
            inner=tensors["layers.0.feed_forward_1.expand.weight"].shape[0],
            num_heads=channels // head,
            num_distances=num_distances,
            kernel=tensors["layers.0.convolution.depthwise.weight"].shape[2],
        )


class SemanticEncoder(nn.Module):
    """Mel features of a recording to semantic features, evened out by their statistics."""

    mean: Tensor
    std: Tensor

    def __init__(self, sizes: SemanticEncoderSizes) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(sizes.features)
        self.projection = nn.Linear(sizes.features, sizes.channels)
        self.layers = nn.ModuleList(_Layer(sizes) for _ in range(NUM_LAYERS))
        self.register_buffer("mean", torch.empty(sizes.channels))
        self.register_buffer("std", torch.empty(sizes.channels))

    def states(self, features: Tensor, mask: Tensor) -> Iterator[Tensor]:
        """Yield (B, T, C) after the projection and after each layer; `mask` (B, T) is true inside.

        Frames outside are set to zero at first, and no frame looks at them.
        """
        outside = ~mask[:, :, None]
        x = self.projection(self.norm(features)).masked_fill(outside, 0.0)
        yield x
        barred = torch.zeros_like(mask, dtype=x.dtype).masked_fill(~mask, float("-inf"))
        for layer in self.layers:
            x = layer(x, barred[:, None, None, :], outside)
            yield x

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        *_, last = self.states(features, mask)
        return (last - self.mean) / self.std


class _Layer(nn.Module):
    def __init__(self, sizes: SemanticEncoderSizes) -> None:
        super().__init__()
        channels = sizes.channels
        self.feed_forward_1_norm = nn.LayerNorm(channels)
        self.feed_forward_1 = FeedForward(channels, sizes.inner)
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = _DistanceAttention(channels, sizes.num_heads, sizes.num_distances)
        self.convolution_norm = nn.LayerNorm(channels)
        self.convolution = Convolution(channels, sizes.kernel, causal=True, bias=False)
        self.feed_forward_2_norm = nn.LayerNorm(channels)
        self.feed_forward_2 = FeedForward(channels, sizes.inner)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, barred: Tensor, outside: Tensor) -> Tensor:
        x = x + 0.5 * self.feed_forward_1(self.feed_forward_1_norm(x))
        x = x + self.attention(self.attention_norm(x), barred)
        x = x + self.convolution(self.convolution_norm(x).masked_fill(outside, 0.0))
        x = x + 0.5 * self.feed_forward_2(self.feed_forward_2_norm(x))
        return self.norm(x)


class _DistanceAttention(Attention):
    """A query also meets a learned vector for how far away the key is."""

    def __init__(self, channels: int, num_heads: int, num_distances: int) -> None:
        super().__init__(channels, num_heads)
        self.distances = nn.Embedding(num_distances, channels // num_heads)

    def forward(self, x: Tensor, barred: Tensor) -> Tensor:
        query = self.split(self.query(x))
        table = self.distances.weight
        place = torch.arange(x.shape[1], device=x.device)
        ahead = place[None, :] - place[:, None]
        row = ahead.clamp(-FARTHEST_BACK, len(table) - 1 - FARTHEST_BACK) + FARTHEST_BACK
        met = (query @ table.T).gather(3, row.expand(*query.shape[:2], -1, -1))
        return self.attend(query, x, met * query.shape[3] ** -0.5 + barred)
