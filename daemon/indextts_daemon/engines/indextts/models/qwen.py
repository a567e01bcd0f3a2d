"""A Qwen3 decoder: tokens in, behind the last of them what the next may be.

B batch, T rows, M rows of the cache, D channels, H heads of queries, G of keys and values, d
channels of a head, V tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from indextts_daemon.engines.indextts.kv_cache import StaticKVCache
from indextts_daemon.engines.indextts.layers.rotary import turn, turns

EPSILON = 1e-6  # of every norm


@dataclass(frozen=True, slots=True, kw_only=True)
class QwenSizes:
    """What the tensors say."""

    tokens: int
    channels: int
    inner: int
    num_layers: int
    num_heads: int
    num_groups: int
    head_channels: int
    tied: bool  # whether the head is the table of tokens

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        tokens, channels = tensors["embedding.weight"].shape
        width = len(tensors["blocks.0.query_norm.weight"])
        return cls(
            tokens=tokens,
            channels=channels,
            inner=len(tensors["blocks.0.up.weight"]),
            num_layers=len({key.split(".")[1] for key in tensors if key.startswith("blocks.")}),
            num_heads=len(tensors["blocks.0.query.weight"]) // width,
            num_groups=len(tensors["blocks.0.key.weight"]) // width,
            head_channels=width,
            tied="head.weight" not in tensors,
        )


class Block(nn.Module):
    """Attention in which heads share keys and values, then a gated feed-forward."""

    def __init__(self, sizes: QwenSizes) -> None:
        super().__init__()
        self.head_channels = sizes.head_channels
        queries, groups = (
            count * sizes.head_channels for count in (sizes.num_heads, sizes.num_groups)
        )
        self.attention_norm = nn.RMSNorm(sizes.channels, eps=EPSILON)
        self.query = nn.Linear(sizes.channels, queries, bias=False)
        self.key = nn.Linear(sizes.channels, groups, bias=False)
        self.value = nn.Linear(sizes.channels, groups, bias=False)
        self.query_norm = nn.RMSNorm(sizes.head_channels, eps=EPSILON)
        self.key_norm = nn.RMSNorm(sizes.head_channels, eps=EPSILON)
        self.output = nn.Linear(queries, sizes.channels, bias=False)
        self.feed_forward_norm = nn.RMSNorm(sizes.channels, eps=EPSILON)
        self.gate = nn.Linear(sizes.channels, sizes.inner, bias=False)
        self.up = nn.Linear(sizes.channels, sizes.inner, bias=False)
        self.down = nn.Linear(sizes.inner, sizes.channels, bias=False)

    def forward(
        self,
        x: Tensor,
        allowed: Tensor,
        by: Tensor,
        *,
        rows: Tensor,
        layer: int,
        cache: StaticKVCache,
    ) -> Tensor:
        normed = self.attention_norm(x)
        query = turn(_neighbors(self.query_norm(self._heads(self.query(normed)))), by)
        key = turn(_neighbors(self.key_norm(self._heads(self.key(normed)))), by)
        keys, values = cache.update(layer, rows, key, self._heads(self.value(normed)))
        attended = F.scaled_dot_product_attention(
            query, keys, values, attn_mask=allowed, enable_gqa=True
        )
        x = x + self.output(attended.transpose(1, 2).flatten(2))
        normed = self.feed_forward_norm(x)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed))

    def _heads(self, x: Tensor) -> Tensor:
        heads = x.reshape(*x.shape[:-1], -1, self.head_channels)
        return heads.transpose(1, 2)  # (B, H or G, T, d)


def _neighbors(x: Tensor) -> Tensor:
    """Bring channels i and i + d/2 side by side, which turn together; no product minds."""
    return x.reshape(*x.shape[:-1], 2, -1).transpose(-1, -2).flatten(-2)


class QwenDecoder(nn.Module):
    """The table of tokens, the blocks, and the head."""

    def __init__(self, sizes: QwenSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.tokens, sizes.channels)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.num_layers))
        self.norm = nn.RMSNorm(sizes.channels, eps=EPSILON)
        self.head = None if sizes.tied else nn.Linear(sizes.channels, sizes.tokens, bias=False)

    def new_cache(self, rows: int) -> StaticKVCache:
        """Return an empty cache of one sequence for so many rows."""
        return StaticKVCache.empty(
            layers=self.sizes.num_layers,
            batch=1,
            heads=self.sizes.num_groups,
            rows=rows,
            channels=self.sizes.head_channels,
            like=self.embedding.weight,
        )

    def forward(self, ids: Tensor, rows: Tensor, cache: StaticKVCache, *, base: float) -> Tensor:
        """Return the logits (B, V) behind ids (B, T), which are the `rows` (T,) of M, in float32.

        Each row attends to itself and to those before it; `base` is that of the rotary positions.
        """
        columns = torch.arange(cache.num_rows, device=ids.device)
        allowed = columns <= rows[:, None]  # (T, M)
        by = turns(cache.num_rows, self.sizes.head_channels, ids.device, base)[:, rows]
        x = self.embedding(ids)
        for layer, block in enumerate(self.blocks):
            x = block(x, allowed, by, rows=rows, layer=layer, cache=cache)
        head = self.embedding.weight if self.head is None else self.head.weight
        return F.linear(self.norm(x[:, -1]), head).float()
