"""From logits to the next code: pure functions, in upstream's order.

V codes, or V candidates of several beams.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

NEVER = float("-inf")
NO_NUMBER = "The model computed something that is not a number."


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How codes are chosen; as upstream does, but for the number of beams, which is 3 there."""

    do_sample: bool = True  # False: the best, of which temperature, top_k and top_p know nothing
    temperature: float = 0.8
    top_k: int = 30
    top_p: float = 0.8
    repetition_penalty: float = 10.0
    num_beams: int = 1
    positions: Literal["upstream", "trained"] = "upstream"  # the first code's: 2, or 1

    @property
    def first_position(self) -> int:
        """Where the first generated code stands; the start code before it stands at 0."""
        return 2 if self.positions == "upstream" else 1


def repetition_penalty(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make what was `seen` (..., V) less likely, whatever its sign."""
    lowered = torch.where(logits < 0, logits * penalty, logits / penalty)
    return torch.where(seen, lowered, logits)


def temperature(logits: Tensor, degree: float) -> Tensor:
    """Sharpen below 1, flatten above."""
    return logits / degree


def top_k(logits: Tensor, k: int, *, keep: int = 1) -> Tensor:
    """Rule out all but the `k` best, or the `keep` best if these are more."""
    kept = min(max(k, keep), logits.shape[-1])
    least = logits.topk(kept).values[..., -1:]
    return logits.masked_fill(logits < least, NEVER)


def top_p(logits: Tensor, p: float, *, keep: int = 1) -> Tensor:
    """Rule out the least likely that share 1 - `p`; the `keep` best always stay."""
    rising, order = logits.sort()
    out = rising.softmax(-1).cumsum(-1) <= 1 - p
    out[..., -keep:] = False
    return logits.masked_fill(out.scatter(-1, order, out), NEVER)


def warped(logits: Tensor, params: SamplingParams, *, keep: int = 1) -> Tensor:
    """Apply temperature, top-k and top-p; at least `keep` codes stay possible."""
    cooled = temperature(logits, params.temperature)
    return top_p(top_k(cooled, params.top_k, keep=keep), params.top_p, keep=keep)


def draw(probs: Tensor, uniform: Tensor) -> Tensor:
    """Return per row the code of `probs` (..., V) that a number in [0, 1) (..., 1) falls on.

    The number is drawn on the CPU by the caller, so a seed gives the same codes on every device,
    as far as their logits agree. A code without probability is never drawn.
    """
    heights = probs.double().cumsum(-1)
    return torch.searchsorted(heights, uniform * heights[..., -1:], right=True)


def draw_distinct(scores: Tensor, uniforms: Tensor, count: int) -> Tensor:
    """Return the places of `count` of the scores (V,), drawn without replacement by their softmax.

    Adding Gumbel noise and taking the best is that draw; the noise is of `uniforms` (V,), float64.
    A score of -inf is drawn only when nothing else is left.
    """
    noise = -torch.log(-torch.log(uniforms))
    return (scores + noise.to(scores.device)).topk(count).indices


def next_code(
    logits: Tensor, seen: Tensor, params: SamplingParams, generator: torch.Generator | None
) -> Tensor:
    """Return the code (1,) after logits (1, V); -1 if these are not finite numbers."""
    penalized = repetition_penalty(logits, seen, params.repetition_penalty)
    if params.do_sample:
        uniform = torch.rand(1, 1, generator=generator).to(logits.device)
        code = draw(warped(penalized, params).softmax(-1), uniform.double())[:, 0]
    else:
        code = penalized.argmax(-1)
    return torch.where(logits.isfinite().all(-1), code, -1)
