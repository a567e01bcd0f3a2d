"""What the decoder is told of a recording as a whole: its speaker's rows, its emotion's vector.

B batch, T frames, R rows, D the decoder's channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from .conditioning_encoder import ConditioningEncoder, ConditioningEncoderSizes
from .perceiver import Perceiver, PerceiverSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerConditionerSizes:
    """What the tensors say."""

    encoder: ConditioningEncoderSizes
    perceiver: PerceiverSizes

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        return cls(
            encoder=ConditioningEncoderSizes.of(_part(tensors, "encoder")),
            perceiver=PerceiverSizes.of(_part(tensors, "perceiver")),
        )


class SpeakerConditioner(nn.Module):
    """Semantic features (B, T, W) to speaker rows (B, R, D), as IndexTTS-2 does."""

    def __init__(self, sizes: SpeakerConditionerSizes) -> None:
        super().__init__()
        self.encoder = ConditioningEncoder(sizes.encoder)
        self.perceiver = Perceiver(sizes.perceiver)

    def forward(self, features: Tensor) -> Tensor:
        return self.perceiver(self.encoder(features))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerProjectionSizes:
    """What the tensors say."""

    speaker: int
    channels: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        channels, speaker = tensors["projection.weight"].shape
        return cls(speaker=speaker, channels=channels)


class SpeakerProjection(nn.Module):
    """A speaker embedding (B, S) to one speaker row (B, 1, D), as IndexTTS-2.5 does."""

    def __init__(self, sizes: SpeakerProjectionSizes) -> None:
        super().__init__()
        self.projection = nn.Linear(sizes.speaker, sizes.channels)

    def forward(self, embedding: Tensor) -> Tensor:
        return self.projection(embedding)[:, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionConditionerSizes:
    """What the tensors say."""

    encoder: ConditioningEncoderSizes
    perceiver: PerceiverSizes
    channels: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        return cls(
            encoder=ConditioningEncoderSizes.of(_part(tensors, "encoder")),
            perceiver=PerceiverSizes.of(_part(tensors, "perceiver")),
            channels=tensors["projection.weight"].shape[0],
        )


class EmotionConditioner(nn.Module):
    """Semantic features (B, T, W) to an emotion vector (B, D)."""

    def __init__(self, sizes: EmotionConditionerSizes) -> None:
        super().__init__()
        self.encoder = ConditioningEncoder(sizes.encoder)
        self.perceiver = Perceiver(sizes.perceiver)
        self.projection = nn.Linear(sizes.perceiver.channels, sizes.channels)
        self.output = nn.Linear(sizes.channels, sizes.channels)

    def forward(self, features: Tensor) -> Tensor:
        row = self.perceiver(self.encoder(features))[:, 0]
        return self.output(self.projection(row))


def _part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors under a name, without it."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): one for key, one in tensors.items() if key.startswith(prefix)}
