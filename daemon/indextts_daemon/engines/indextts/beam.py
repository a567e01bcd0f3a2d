"""Beam search: several beginnings are carried along, and the likeliest whole is taken.

The rules are those of the generation library that upstream uses, with sampling and without.
B beams, V codes.
"""

from collections.abc import Generator
from dataclasses import dataclass
import math

import torch
from torch import Tensor

from indextts_daemon.errors import SynthesisError

from .models.gpt import GPTDecoder
from .prefix import Prefix
from .sampling import (
    NEVER,
    NO_NUMBER,
    SamplingParams,
    draw_distinct,
    repetition_penalty,
    warped,
)
from .walk import feed, live, new_cache, prefill

_KEEP = 2  # codes that stay possible for each beam, so that one of them does not stop it


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """A sequence of codes, the sum of their log probabilities, and which beam it continues."""

    score: float
    codes: tuple[int, ...] = ()
    parent: int = 0


def search(
    gpt: GPTDecoder,
    prefix: Prefix,
    params: SamplingParams,
    *,
    seen: Tensor,
    limit: int,
    generator: torch.Generator | None,
) -> Generator[None, None, tuple[int, ...]]:
    """Yield after each step; return at most `limit` codes, the stop code last if it was reached.

    `seen` (1, V) is what the repetition penalty counts as said before the first code.
    """
    width, stop = params.num_beams, gpt.sizes.stop_code
    beginning = new_cache(gpt, batch=1, rows=prefix.num_rows + 1)
    cache = new_cache(gpt, batch=width, rows=prefix.num_rows + limit)
    hidden = prefill(gpt, prefix, beginning).expand(width, -1)
    cache.begin_with(beginning)
    seen = seen.repeat(width, 1)
    running, finished = [Beam(score=0.0)], list[Beam]()
    for number in range(limit):
        yield
        ranked = _ranked(gpt.logits(hidden), seen, running, params, generator)
        stopped = [beam for beam in ranked[:width] if beam.codes[-1] == stop]
        finished = sorted(finished + stopped, key=_score, reverse=True)[:width]
        running = [beam for beam in ranked if beam.codes[-1] != stop][:width]
        if len(finished) == width and finished[-1].score >= ranked[0].score:
            return finished[0].codes
        if not running or number + 1 == limit:
            break
        places = (running + [Beam(score=NEVER, codes=(0,))] * width)[:width]
        parents = torch.tensor([beam.parent for beam in places], device=seen.device)
        codes = torch.tensor([beam.codes[-1] for beam in places], device=seen.device)
        live(cache, prefix.num_rows + 1 + number).reorder(parents)
        seen = seen[parents].scatter(1, codes[:, None], value=True)
        hidden = feed(
            gpt, prefix, cache, codes, number=number, first_position=params.first_position
        )
    return max(finished + running, key=_score).codes


def _ranked(
    logits: Tensor,
    seen: Tensor,
    running: list[Beam],
    params: SamplingParams,
    generator: torch.Generator | None,
) -> list[Beam]:
    """Return the best continuations, or ones drawn, twice as many as beams, the best first."""
    width, num_codes = logits.shape
    so_far = torch.full((width, 1), NEVER)
    so_far[: len(running), 0] = torch.tensor([beam.score for beam in running])
    scores = repetition_penalty(logits.log_softmax(-1), seen, params.repetition_penalty)
    if params.do_sample:
        scores = warped(scores, params, keep=_KEEP)
    totals = (scores + so_far.to(scores.device)).flatten()  # (B * V,)
    if params.do_sample:
        uniforms = torch.rand(len(totals), dtype=torch.float64, generator=generator)
        places = draw_distinct(totals, uniforms, 2 * width)
        places = places[totals[places].argsort(descending=True)]
    else:
        places = totals.topk(2 * width).indices
    best = totals[places].tolist()
    if math.isnan(best[0]):
        raise SynthesisError(NO_NUMBER)
    return [
        Beam(score=score, codes=(*running[parent].codes, code), parent=parent)
        for score, place in zip(best, places.tolist(), strict=True)
        if score > NEVER
        for parent, code in [divmod(place, num_codes)]
    ]


def _score(beam: Beam) -> float:
    return beam.score
