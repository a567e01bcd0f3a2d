"""The two ways forward through the decoder: all of the prefix at once, then code by code.

B batch, D channels.
"""

import torch
from torch import Tensor

from .kv_cache import StaticKVCache
from .models.gpt import GPTDecoder
from .prefix import Prefix

_ROWS = 128  # caches are sized, and attended to, in multiples of this: few shapes to prepare for


def new_cache(gpt: GPTDecoder, *, batch: int, rows: int) -> StaticKVCache:
    """Return an empty cache for at least `rows` rows."""
    sizes = gpt.sizes
    return StaticKVCache.empty(
        layers=sizes.num_layers,
        batch=batch,
        heads=sizes.num_heads,
        rows=_rounded_up(rows),
        channels=sizes.channels // sizes.num_heads,
        like=gpt.head.weight,
    )


def live(cache: StaticKVCache, rows: int) -> StaticKVCache:
    """Return the part of a cache that the first `rows` rows need."""
    return cache.first(_rounded_up(rows))


def prefill(gpt: GPTDecoder, prefix: Prefix, cache: StaticKVCache) -> Tensor:
    """Feed the prefix and the start code; return the hidden state (1, D) before the first code."""
    start = torch.full((1, 1), gpt.sizes.start_code, device=prefix.mask.device)
    beginning = gpt.embed_codes(start, torch.zeros_like(start[0]))
    fed = torch.cat((prefix.embeddings, beginning), dim=1)
    cache.visible[:, : prefix.num_rows] = prefix.mask
    rows = torch.arange(fed.shape[1], device=fed.device)
    near = live(cache, len(rows))
    return gpt(fed, rows, near.visible, near)[:, -1]


def decode_one_token(
    gpt: GPTDecoder, codes: Tensor, position: Tensor, row: Tensor, cache: StaticKVCache
) -> Tensor:
    """Feed codes (B,) at a position (1,) as row (1,); return the states (B, D) behind them."""
    return gpt(gpt.embed_codes(codes[:, None], position), row, cache.visible, cache)[:, -1]


def feed(
    gpt: GPTDecoder,
    prefix: Prefix,
    cache: StaticKVCache,
    codes: Tensor,
    *,
    number: int,
    first_position: int,
) -> Tensor:
    """Feed the codes (B,) of a `number`, 0 for the first ones, behind prefix and start code."""
    row = prefix.num_rows + 1 + number
    places = torch.tensor([[first_position + number], [row]], device=codes.device)
    return decode_one_token(gpt, codes, places[0], places[1], live(cache, row + 1))


def _rounded_up(rows: int) -> int:
    return -(-rows // _ROWS) * _ROWS
