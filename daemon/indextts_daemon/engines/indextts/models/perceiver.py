"""A recording of any length summed up in a few rows: a perceiver.

B batch, T frames, R rows, C channels, H heads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
import torch.nn.functional as F

HEAD = 64  # channels


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceiverSizes:
    """What the tensors say."""

    num_rows: int
    channels: int
    context: int
    num_heads: int
    inner: int
    num_layers: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        num_rows, channels = tensors["rows"].shape
        return cls(
            num_rows=num_rows,
            channels=channels,
            context=tensors["context.weight"].shape[1],
            num_heads=tensors["layers.0.attention.query.weight"].shape[0] // HEAD,
            inner=tensors["layers.0.contract.weight"].shape[1],
            num_layers=len({key.split(".")[1] for key in tensors if key.startswith("layers.")}),
        )


class Perceiver(nn.Module):
    """A context (B, T, X) to learned rows (B, R, C) that have looked at it."""

    def __init__(self, sizes: PerceiverSizes) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.empty(sizes.num_rows, sizes.channels))
        self.context = nn.Linear(sizes.context, sizes.channels)
        self.layers = nn.ModuleList(_Layer(sizes) for _ in range(sizes.num_layers))
        self.norm = _Norm(sizes.channels)

    def forward(self, context: Tensor) -> Tensor:
        seen = self.context(context)
        rows = self.rows.expand(len(context), -1, -1)
        for layer in self.layers:
            rows = layer(rows, seen)
        return self.norm(rows)


class _Layer(nn.Module):
    def __init__(self, sizes: PerceiverSizes) -> None:
        super().__init__()
        self.attention = _Attention(sizes.channels, sizes.num_heads)
        self.expand = nn.Linear(sizes.channels, 2 * sizes.inner)
        self.contract = nn.Linear(sizes.inner, sizes.channels)

    def forward(self, rows: Tensor, seen: Tensor) -> Tensor:
        rows = rows + self.attention(rows, torch.cat((rows, seen), dim=1))
        value, gate = self.expand(rows).chunk(2, dim=2)
        return rows + self.contract(F.gelu(gate) * value)


class _Attention(nn.Module):
    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.query = nn.Linear(channels, num_heads * HEAD, bias=False)
        self.key_value = nn.Linear(channels, 2 * num_heads * HEAD, bias=False)
        self.output = nn.Linear(num_heads * HEAD, channels, bias=False)

    def forward(self, rows: Tensor, seen: Tensor) -> Tensor:
        parts = (self.query(rows), *self.key_value(seen).chunk(2, dim=2))
        query, key, value = (
            part.reshape(*part.shape[:2], -1, HEAD).transpose(1, 2) for part in parts
        )
        met = F.scaled_dot_product_attention(query, key, value)
        return self.output(met.transpose(1, 2).flatten(2))


class _Norm(nn.Module):
    """Length one, times the square root of C, times learned weights; measured in float32."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        even = F.normalize(x.float(), dim=-1) * x.shape[-1] ** 0.5
        return even.to(x.dtype) * self.weight
