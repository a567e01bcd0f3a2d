"""Gated convolutions that time conditions, each adding to what comes out.

B batch, T frames, C channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class WaveNet(nn.Module):
    """As many layers as there are; the last one has nobody to hand on to."""

    def __init__(self, channels: int, kernel: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _Layer(channels, kernel, outputs=channels if last else 2 * channels)
            for last in (layer == layers - 1 for layer in range(layers))
        )

    def forward(self, x: Tensor, timing: Tensor) -> Tensor:
        """Return (B,C,T) of x (B,C,T); `timing` (B,2C·layers,1) is added before the gates."""
        total = torch.zeros_like(x)
        for layer, timed in zip(self.layers, timing.chunk(len(self.layers), dim=1), strict=True):
            *onward, out = layer(x, timed).split(x.shape[1], dim=1)
            total = total + out
            x = x + onward[0] if onward else x
        return total


class _Layer(nn.Module):
    def __init__(self, channels: int, kernel: int, *, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, 2 * channels, kernel)
        self.output = nn.Conv1d(channels, outputs, 1)

    def forward(self, x: Tensor, timing: Tensor) -> Tensor:
        side = self.conv.kernel_size[0] // 2
        content, gate = (self.conv(F.pad(x, (side, side), "reflect")) + timing).chunk(2, dim=1)
        return self.output(torch.tanh(content) * torch.sigmoid(gate))
