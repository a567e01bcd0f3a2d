"""What the two kinds of conformer layer share.

B batch, T frames, C channels, H heads, D channels of a head.
"""

import math

import torch
from torch import Tensor, nn
import torch.nn.functional as F


class FeedForward(nn.Module):
    """Two linear layers and a SiLU between them."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, inner)
        self.contract = nn.Linear(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.silu(self.expand(x)))


class Convolution(nn.Module):
    """A gate, a depthwise convolution over time that keeps T, a norm, a mix of channels."""

    def __init__(self, channels: int, kernel: int, *, causal: bool, bias: bool) -> None:
        super().__init__()
        self.gate = nn.Conv1d(channels, 2 * channels, 1, bias=bias)
        self.depthwise = nn.Conv1d(channels, channels, kernel, groups=channels, bias=bias)
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Conv1d(channels, channels, 1, bias=bias)
        self._padding = (kernel - 1, 0) if causal else ((kernel - 1) // 2, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C)
        gated = F.glu(self.gate(x.transpose(1, 2)), dim=1)
        mixed = self.depthwise(F.pad(gated, self._padding)).transpose(1, 2)
        return self.mix(F.silu(self.norm(mixed)).transpose(1, 2)).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention of H heads, to which a kind of layer adds what it knows of positions."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.output = nn.Linear(channels, channels)
        self._num_heads = num_heads

    def split(self, x: Tensor) -> Tensor:
        """Return (B, T, C) as (B, H, T, D)."""
        return x.view(*x.shape[:2], self._num_heads, -1).transpose(1, 2)

    def attend(self, query: Tensor, x: Tensor, bias: Tensor) -> Tensor:
        """Return (B, T, C) of a query (B, H, T, D); `bias` (B, H, T, T) is added to the scores."""
        key, value = self.split(self.key(x)), self.split(self.value(x))
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.output(seen.transpose(1, 2).flatten(2))


def sinusoids(num_frames: int, channels: int, like: Tensor) -> Tensor:
    """Return (T, C): sine in the even and cosine in the odd channels, ever slower."""
    place = torch.arange(num_frames, device=like.device, dtype=torch.float32)[:, None]
    even = torch.arange(0, channels, 2, device=like.device, dtype=torch.float32)
    angle = place * torch.exp(even * -(math.log(10000.0) / channels))
    return torch.stack((angle.sin(), angle.cos()), dim=2).flatten(1).to(like.dtype)
