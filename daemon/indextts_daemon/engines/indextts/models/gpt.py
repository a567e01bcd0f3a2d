"""The decoder: rows of channels in, for each row what the next code may be.

It knows nothing of generation: which rows to feed, and where keys and values are kept, is the
caller's. B batch, T rows, M rows that may be attended to, D channels, H heads, V codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from indextts_daemon.engines.indextts.kv_cache import StaticKVCache

START_TEXT, STOP_TEXT = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GPTSizes:
    """What the tensors say, and the number of heads, which they do not."""

    channels: int
    inner: int
    num_layers: int
    num_heads: int
    num_texts: int
    num_text_positions: int
    num_codes: int
    num_code_positions: int
    num_speeds: int  # 0: no such table, as in IndexTTS-2.5
    num_languages: int  # 0: no such table, as in IndexTTS-2

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], *, num_heads: int) -> Self:
        """Read the sizes from our tensors."""
        num_codes, channels = tensors["code_embedding.weight"].shape
        blocks = {key.split(".")[1] for key in tensors if key.startswith("blocks.")}
        return cls(
            channels=channels,
            inner=tensors["blocks.0.up.weight"].shape[0],
            num_layers=len(blocks),
            num_heads=num_heads,
            num_texts=len(tensors["text_embedding.weight"]),
            num_text_positions=len(tensors["text_positions.weight"]),
            num_codes=num_codes,
            num_code_positions=len(tensors["code_positions.weight"]),
            num_speeds=len(tensors.get("speeds.weight", ())),
            num_languages=len(tensors.get("languages.weight", ())),
        )

    @property
    def start_code(self) -> int:
        """The code before the first."""
        return self.num_codes - 2

    @property
    def stop_code(self) -> int:
        """The code after the last."""
        return self.num_codes - 1


class Block(nn.Module):
    """Attention to the rows before, then a feed-forward; each over a norm, each added."""

    def __init__(self, sizes: GPTSizes) -> None:
        super().__init__()
        self.num_heads = sizes.num_heads
        self.attention_norm = nn.LayerNorm(sizes.channels)
        self.qkv = nn.Linear(sizes.channels, 3 * sizes.channels)
        self.output = nn.Linear(sizes.channels, sizes.channels)
        self.feed_forward_norm = nn.LayerNorm(sizes.channels)
        self.up = nn.Linear(sizes.channels, sizes.inner)
        self.down = nn.Linear(sizes.inner, sizes.channels)

    def forward(
        self, x: Tensor, allowed: Tensor, rows: Tensor, layer: int, cache: StaticKVCache | None
    ) -> Tensor:
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, T, d)
        if cache is not None:
            key, value = cache.update(layer, rows, key, value)  # (B, H, M, d)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        x = x + self.output(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.feed_forward_norm(x)), approximate="tanh"))


class GPTDecoder(nn.Module):
    """The tables of what it is told, the blocks, and the head over the codes."""

    def __init__(self, sizes: GPTSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.text_embedding = nn.Embedding(sizes.num_texts, sizes.channels)
        self.text_positions = nn.Embedding(sizes.num_text_positions, sizes.channels)
        self.code_embedding = nn.Embedding(sizes.num_codes, sizes.channels)
        self.code_positions = nn.Embedding(sizes.num_code_positions, sizes.channels)
        self.speeds = _table(sizes.num_speeds, sizes.channels)
        self.languages = _table(sizes.num_languages, sizes.channels)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.num_layers))
        self.norm = nn.LayerNorm(sizes.channels)
        self.final_norm = nn.LayerNorm(sizes.channels)
        self.head = nn.Linear(sizes.channels, sizes.num_codes)

    def embed_text(self, ids: Tensor) -> Tensor:
        """Return the rows (B, T, D) of a whole text (B, T)."""
        positions = torch.arange(ids.shape[1], device=ids.device)
        return self.text_embedding(ids) + self.text_positions(positions)

    def embed_codes(self, codes: Tensor, positions: Tensor) -> Tensor:
        """Return the rows (B, T, D) of codes (B, T) at positions (T,)."""
        return self.code_embedding(codes) + self.code_positions(positions)

    def forward(
        self, x: Tensor, rows: Tensor, visible: Tensor, cache: StaticKVCache | None = None
    ) -> Tensor:
        """Return the hidden states of x (B, T, D), which are the `rows` (T,) of M.

        Each attends to itself and to the `visible` (B, M) ones before it: those of `cache`,
        or without one, those of x.
        """
        columns = torch.arange(visible.shape[1], device=x.device)
        before = columns < rows[:, None]  # (T, M)
        itself = columns == rows[:, None]  # or an invisible row in front would divide by zero
        allowed = before & visible[:, None, None] | itself  # (B, 1, T, M)
        for layer, block in enumerate(self.blocks):
            x = block(x, allowed, rows, layer, cache)
        return self.final_norm(self.norm(x))

    def logits(self, hidden: Tensor) -> Tensor:
        """Return for hidden states (..., D) the logits (..., V) of the next code, in float32."""
        return self.head(hidden).float()


def _table(rows: int, channels: int) -> nn.Embedding | None:
    return nn.Embedding(rows, channels) if rows else None
