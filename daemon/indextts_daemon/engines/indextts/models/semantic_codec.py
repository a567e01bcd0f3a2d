"""Semantic features as codes of one codebook, and back.

B batch, T frames of semantic features, N codes, C channels, E the codebook's few channels.
IndexTTS-2 has a code per frame; IndexTTS-2.5 one per two, and a decoder that makes two of one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn
import torch.nn.functional as F

from indextts_daemon.engines.indextts.layers.vocos import Vocos, VocosSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecEncoderSizes:
    """What the tensors say."""

    vocos: VocosSizes
    halving: int | None  # the kernel that makes one frame of two; None keeps the rate

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        halving = tensors.get("halving.weight")
        return cls(
            vocos=VocosSizes.of(tensors, "vocos"),
            halving=None if halving is None else halving.shape[2],
        )


class CodecEncoder(nn.Module):
    """Semantic features (B, T, C) to what the codebook is asked about (B, N, C)."""

    def __init__(self, sizes: CodecEncoderSizes) -> None:
        super().__init__()
        self.halving: nn.Conv1d | None = None
        if sizes.halving is not None:
            channels, kernel = sizes.vocos.features, sizes.halving
            self.halving = nn.Conv1d(channels, channels, kernel, stride=2, padding=kernel // 2)
        self.vocos = Vocos(sizes.vocos)

    def forward(self, features: Tensor) -> Tensor:
        if self.halving is not None:
            features = F.gelu(self.halving(features.transpose(1, 2))).transpose(1, 2)
        return self.vocos(features)


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticCodecSizes:
    """What the tensors say."""

    channels: int
    num_codes: int
    codebook: int
    decoder: VocosSizes | None  # None where codes are only embedded
    doubling: int | None  # the kernel that smooths the doubled frames

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        num_codes, codebook = tensors["codebook.weight"].shape
        doubling = tensors.get("doubling.weight")
        return cls(
            channels=tensors["output.weight"].shape[0],
            num_codes=num_codes,
            codebook=codebook,
            decoder=None if doubling is None else VocosSizes.of(tensors, "decoder"),
            doubling=None if doubling is None else doubling.shape[2],
        )


class SemanticCodec(nn.Module):
    """The codebook, the ways into it and out of it, and where the model has one the decoder."""

    def __init__(self, sizes: SemanticCodecSizes) -> None:
        super().__init__()
        self.input = nn.Conv1d(sizes.channels, sizes.codebook, 1)
        self.codebook = nn.Embedding(sizes.num_codes, sizes.codebook)
        self.output = nn.Conv1d(sizes.codebook, sizes.channels, 1)
        if sizes.decoder is not None and sizes.doubling is not None:
            kernel = sizes.doubling
            self.decoder = Vocos(sizes.decoder)
            self.doubling = nn.Conv1d(sizes.channels, sizes.channels, kernel, padding=kernel // 2)

    def quantize(self, encoded: Tensor) -> Tensor:
        """Return the codes (B, N) whose vectors point most nearly as (B, N, C) does."""
        asked = F.normalize(self.input(encoded.transpose(1, 2)).transpose(1, 2).float(), dim=2)
        known = F.normalize(self.codebook.weight.float(), dim=1)
        return (asked @ known.T).argmax(2)

    def embed(self, codes: Tensor) -> Tensor:
        """Return the semantic features (B, N, C) that codes (B, N) stand for."""
        return self.output(self.codebook(codes).transpose(1, 2)).transpose(1, 2)

    def decode(self, codes: Tensor) -> Tensor:
        """Return semantic features (B, 2N, C) of codes (B, N); only a model with a decoder can."""
        doubled = self.decoder(self.embed(codes)).repeat_interleave(2, dim=1)
        return self.doubling(doubled.transpose(1, 2)).transpose(1, 2)
