"""Emotions by name: eight weights choose among recorded ones, the nearest speaker's of each.

S channels of a speaker embedding, D channels of an emotion vector, G emotions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
import torch.nn.functional as F

from indextts_daemon.speech import EMOTIONS

from .spelling.rules import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EmotionMatrix:
    """Emotion vectors of several speakers, row by row, the rows of an emotion together."""

    speakers: Tensor  # (rows, S)
    rows: Tensor  # (rows, D)
    groups: tuple[int, ...]  # how many rows an emotion has, in the order of EMOTIONS

    def __post_init__(self) -> None:
        counts = {len(self.speakers), len(self.rows), sum(self.groups)}
        if len(self.groups) != len(EMOTIONS) or len(counts) != 1 or min(self.groups) < 1:
            raise CheckpointError("The emotion matrix does not have the rows that it should.")

    def nearest(self, speaker_embedding: Tensor) -> Tensor:
        """Return (G,), within each emotion the row whose speaker is most like (1, S)."""
        likeness = F.cosine_similarity(speaker_embedding.float(), self.speakers.float())
        return torch.stack([group.argmax() for group in torch.split(likeness, list(self.groups))])

    def vector(self, speaker_embedding: Tensor, weights: Sequence[float], base: Tensor) -> Tensor:
        """Return (1, D): each emotion by its weight, and what is left of one from `base` (1, D)."""
        first = torch.tensor([0, *self.groups[:-1]], device=self.rows.device).cumsum(0)
        chosen = self.rows[first + self.nearest(speaker_embedding)]  # (G, D)
        weight = torch.tensor(weights, device=chosen.device, dtype=chosen.dtype)[:, None]
        emotion = (weight * chosen).sum(0, keepdim=True)
        return emotion + (1 - weight.sum()) * base


def merged(base: Tensor, emotion: Tensor, alpha: float) -> Tensor:
    """Return the vector that is `alpha` of the way from `base` to `emotion`."""
    return base + alpha * (emotion - base)
