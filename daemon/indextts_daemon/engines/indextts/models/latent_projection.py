"""Latents of the GPT's second pass become a correction of the semantic features.

N codes, C channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentProjectionSizes:
    """The widths that the rows pass through, the first and the last one included."""

    widths: tuple[int, ...]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "LatentProjectionSizes":
        layers = sum(key.endswith("weight") for key in tensors)
        weights = [tensors[f"layers.{index}.weight"] for index in range(layers)]
        return cls(widths=(weights[0].shape[1], *(weight.shape[0] for weight in weights)))


class LatentProjection(nn.Module):
    """Linear layers with nothing between them."""

    def __init__(self, sizes: LatentProjectionSizes) -> None:
        super().__init__()
        pairs = zip(sizes.widths, sizes.widths[1:], strict=False)
        self.layers = nn.Sequential(*(nn.Linear(width, into) for width, into in pairs))

    def forward(self, latents: Tensor) -> Tensor:
        """Return (1,N,C_out) of latents (1,N,C)."""
        return self.layers(latents.to(next(self.parameters()).dtype))
