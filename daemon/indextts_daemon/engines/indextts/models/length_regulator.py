"""Semantic features at their own rate become conditions, one per mel frame.

B batch, N rows of features, T mel frames, C channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from indextts_daemon.engines.indextts.variant import FRAMES_PER_FEATURE


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthRegulatorSizes:
    """What the tensors say."""

    features: int
    channels: int
    kernel: int
    blocks: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "LengthRegulatorSizes":
        channels, features = tensors["input.weight"].shape
        return cls(
            features=features,
            channels=channels,
            kernel=tensors["blocks.0.conv.weight"].shape[-1],
            blocks=sum(key.endswith("conv.weight") for key in tensors),
        )


class LengthRegulator(nn.Module):
    """Stretches features by repeating the nearest one, then smooths them."""

    def __init__(self, sizes: LengthRegulatorSizes) -> None:
        super().__init__()
        self.input = nn.Linear(sizes.features, sizes.channels)
        self.blocks = nn.ModuleList(
            _Block(sizes.channels, sizes.kernel) for _ in range(sizes.blocks)
        )
        self.output = nn.Conv1d(sizes.channels, sizes.channels, 1)

    def forward(self, features: Tensor, num_frames: int) -> Tensor:
        """Return (B,T,C) of features (B,N,C_in), T being `num_frames`."""
        x = self.input(features.to(self.input.weight.dtype)).transpose(1, 2)  # (B,C,N)
        x = F.interpolate(x, size=num_frames, mode="nearest")
        for block in self.blocks:
            x = block(x)
        output: Tensor = self.output(x)
        return output.transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        self.norm = nn.GroupNorm(1, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.mish(self.norm(self.conv(x)))


def num_frames_of(rows: int, *, duration_factor: float = 1.0) -> int:
    """Return how many mel frames so many rows of features speak; a factor above 1 is slower.

    A single row at a high speed has one too.
    """
    return max(1, int(rows * FRAMES_PER_FEATURE * duration_factor))
