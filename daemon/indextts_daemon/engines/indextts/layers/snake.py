"""A periodic activation, computed at twice the rate so that what it adds does not alias.

B batch, C channels, T samples.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPSILON = 1e-9


class AntiAliasedSnake(nn.Module):
    """x + sin²(a·x)/b per channel, between an upsampling and a downsampling filter."""

    upsampling: Tensor
    downsampling: Tensor

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.empty(channels))
        self.log_beta = nn.Parameter(torch.empty(channels))
        self.register_buffer("upsampling", torch.empty(1, 1, taps))
        self.register_buffer("downsampling", torch.empty(1, 1, taps))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B,C,T) of x (B,C,T)."""
        return self._downsample(self._snake(self._upsample(x)))

    def _upsample(self, x: Tensor) -> Tensor:
        taps = self.upsampling.shape[-1]
        side = taps // 2 - 1
        padded = F.pad(x, (side, side), "replicate")
        kernel = self.upsampling.expand(x.shape[1], -1, -1)
        wide = 2 * F.conv_transpose1d(padded, kernel, stride=2, groups=x.shape[1])
        beyond = 2 * side + taps // 2 - 1
        return wide[..., beyond : wide.shape[-1] - beyond]  # (B,C,2T)

    def _snake(self, x: Tensor) -> Tensor:
        alpha = self.log_alpha.float().exp()[:, None]
        beta = self.log_beta.float().exp()[:, None]
        wide = x.float()
        return (wide + torch.sin(alpha * wide) ** 2 / (beta + _EPSILON)).to(x.dtype)

    def _downsample(self, x: Tensor) -> Tensor:
        side = self.downsampling.shape[-1] // 2
        padded = F.pad(x, (side - 1, side), "replicate")
        kernel = self.downsampling.expand(x.shape[1], -1, -1)
        return F.conv1d(padded, kernel, stride=2, groups=x.shape[1])
