"""From a prefix to semantic codes, a step at a time; and from the codes back to latents.

N codes, V different ones, P rows of the prefix, D channels.
"""

from collections.abc import Generator

import torch
from torch import Tensor

from indextts_daemon.errors import SynthesisError

from . import beam
from .models.gpt import GPTDecoder
from .prefix import Prefix, make_prefix
from .sampling import NO_NUMBER, SamplingParams, next_code
from .walk import feed, new_cache, prefill

__all__ = ["Prefix", "generate_codes", "latents", "make_prefix"]

_PREFIX_ID = 1  # what upstream puts for each row of the prefix in the history of codes


def generate_codes(
    gpt: GPTDecoder,
    prefix: Prefix,
    params: SamplingParams,
    *,
    max_codes: int,
    generator: torch.Generator | None,
) -> Generator[None, None, Tensor]:
    """Yield after each step; return the codes (1, N), the stop code last if it was reached.

    There are at most `max_codes`, and never more than the model has positions for. `generator`
    is one of the CPU: the same seed gives the same codes on every device, as far as the logits
    agree; with None they are those of torch's own.
    """
    limit = min(max_codes, gpt.sizes.num_code_positions + 1 - params.first_position)
    seen = torch.zeros(1, gpt.sizes.num_codes, dtype=torch.bool, device=prefix.mask.device)
    seen[:, [_PREFIX_ID, gpt.sizes.start_code]] = True
    way = beam.search if params.num_beams > 1 else _single
    codes = yield from way(gpt, prefix, params, seen=seen, limit=limit, generator=generator)
    return torch.tensor([codes], device=prefix.mask.device)


def latents(gpt: GPTDecoder, prefix: Prefix, codes: Tensor) -> Tensor:
    """Return the hidden states (1, N, D) of a second pass over codes (1, N), which 2 speaks from.

    The state of a code is the one that predicts it; positions are those of training.
    """
    start = torch.full_like(codes[:, :1], gpt.sizes.start_code)
    positions = torch.arange(codes.shape[1], device=codes.device)
    fed = gpt.embed_codes(torch.cat((start, codes[:, :-1]), dim=1), positions)
    x = torch.cat((prefix.embeddings, fed), dim=1)
    visible = torch.cat((prefix.mask, torch.ones_like(codes, dtype=torch.bool)), dim=1)
    rows = torch.arange(x.shape[1], device=x.device)
    return gpt(x, rows, visible)[:, prefix.num_rows :]


def _single(
    gpt: GPTDecoder,
    prefix: Prefix,
    params: SamplingParams,
    *,
    seen: Tensor,
    limit: int,
    generator: torch.Generator | None,
) -> Generator[None, None, tuple[int, ...]]:
    cache = new_cache(gpt, batch=1, rows=prefix.num_rows + limit)
    hidden = prefill(gpt, prefix, cache)
    codes: list[int] = []
    while True:
        yield
        code = next_code(gpt.logits(hidden), seen, params, generator)
        codes.append(int(code))
        if codes[-1] < 0:
            raise SynthesisError(NO_NUMBER)
        if codes[-1] == gpt.sizes.stop_code or len(codes) == limit:
            return tuple(codes)
        seen[:, code] = True
        hidden = feed(
            gpt,
            prefix,
            cache,
            code,
            number=len(codes) - 1,
            first_position=params.first_position,
        )
