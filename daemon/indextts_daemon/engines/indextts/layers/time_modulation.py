"""How far the flow has come steers a network: an embedding of time, and a norm that it scales.

B batch, T frames, C channels.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_UNIT = 1000.0  # time runs from 0 to 1, its sinusoids from 0 to this
_SLOWEST = 10000.0
_EPSILON = 1e-5


class TimeEmbedding(nn.Module):
    """Cosines, then sines of time, through two layers."""

    def __init__(self, sinusoids: int, channels: int) -> None:
        super().__init__()
        self.input = nn.Linear(sinusoids, channels)
        self.output = nn.Linear(channels, channels)

    def forward(self, time: Tensor) -> Tensor:
        """Return (B,C) of times (B,) in float32."""
        half = self.input.in_features // 2
        places = torch.arange(half, dtype=torch.float32, device=time.device)
        angles = _UNIT * time[:, None] * torch.exp(-math.log(_SLOWEST) * places / half)
        waves = torch.cat((angles.cos(), angles.sin()), dim=-1).to(self.input.weight.dtype)
        return self.output(F.silu(self.input(waves)))


class TimedNorm(nn.Module):
    """An RMS norm whose scale and shift depend on time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, timing: Tensor) -> Tensor:
        """Normalize x (B,T,C); `timing` (B,2C) is its scale and its shift."""
        scale, shift = timing[:, None].float().chunk(2, dim=-1)
        normed = F.rms_norm(x.float(), self.gain.shape, self.gain.float(), _EPSILON)
        return (scale * normed + shift).to(x.dtype)
