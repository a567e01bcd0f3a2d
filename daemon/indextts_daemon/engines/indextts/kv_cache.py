"""Keys and values of every layer in buffers of a fixed size, handed to the network by its caller.

L layers, B batch, H heads, M rows, d channels of a head.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StaticKVCache:
    """What a decoder keeps of the rows it has seen; written in place, never grown."""

    keys: Tensor  # (L, B, H, M, d)
    values: Tensor  # (L, B, H, M, d)
    visible: Tensor  # (B, M) bool: rows that later ones may attend to

    @classmethod
    def empty(
        cls, *, layers: int, batch: int, heads: int, rows: int, channels: int, like: Tensor
    ) -> Self:
        """Return buffers of zeros on the device and in the type of `like`."""
        shape = (layers, batch, heads, rows, channels)
        visible = torch.ones(batch, rows, dtype=torch.bool, device=like.device)
        return cls(keys=like.new_zeros(shape), values=like.new_zeros(shape), visible=visible)

    @property
    def num_rows(self) -> int:
        """M."""
        return self.keys.shape[3]

    def update(
        self, layer: int, rows: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Write a layer's keys and values (B, H, T, d) at `rows` (T,); return all of the layer."""
        self.keys[layer].index_copy_(2, rows, keys)
        self.values[layer].index_copy_(2, rows, values)
        return self.keys[layer], self.values[layer]

    def first(self, rows: int) -> Self:
        """Return the first rows of the same buffers, so that the unused rest costs nothing."""
        return type(self)(
            keys=self.keys[:, :, :, :rows],
            values=self.values[:, :, :, :rows],
            visible=self.visible[:, :rows],
        )

    def begin_with(self, other: Self) -> None:
        """Copy the rows of `other`, whose batch may be one for all of ours."""
        beginning = self.first(other.num_rows)
        beginning.keys.copy_(other.keys.expand_as(beginning.keys))
        beginning.values.copy_(other.values.expand_as(beginning.values))
        beginning.visible.copy_(other.visible.expand_as(beginning.visible))

    def reorder(self, batch: Tensor) -> None:
        """Give each place in the batch what `batch` (B,) names."""
        self.keys.copy_(self.keys[:, batch])
        self.values.copy_(self.values[:, batch])
        self.visible.copy_(self.visible[batch])
