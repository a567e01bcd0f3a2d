"""A checkpoint's networks, built whole: those that speak, and those that listen to a recording."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import torch
from torch import Tensor, nn

from indextts_daemon.checkpoints.hyperparameters import Hyperparameters
from indextts_daemon.speech import Say, say_nothing

from .conditioning import ReferenceNetworks
from .emotion import EmotionMatrix
from .loader import Weights, build
from .models.bigvgan import BigVGAN, BigVGANSizes
from .models.conditioners import (
    EmotionConditioner,
    EmotionConditionerSizes,
    SpeakerConditioner,
    SpeakerConditionerSizes,
    SpeakerProjection,
    SpeakerProjectionSizes,
)
from .models.dit import DiT, DiTSizes
from .models.gpt import GPTDecoder, GPTSizes
from .models.latent_projection import LatentProjection, LatentProjectionSizes
from .models.length_regulator import LengthRegulator, LengthRegulatorSizes
from .models.qwen import QwenDecoder, QwenSizes
from .models.semantic_codec import (
    CodecEncoder,
    CodecEncoderSizes,
    SemanticCodec,
    SemanticCodecSizes,
)
from .models.semantic_encoder import SemanticEncoder, SemanticEncoderSizes
from .models.speaker_encoder import CAMPPlus, CAMPPlusSizes
from .spelling.rules import CheckpointError

Network = TypeVar("Network", bound=nn.Module)


def _gpt(tensors: Mapping[str, Tensor], num_heads: int) -> GPTDecoder:
    sizes = GPTSizes.of(tensors, num_heads=num_heads)
    if sizes.channels % num_heads:
        raise ValueError(f"{sizes.channels} channels are no {num_heads} heads")
    return GPTDecoder(sizes)


Make = Callable[[Mapping[str, Tensor], Hyperparameters], nn.Module]

MAKERS: Mapping[str, Make] = MappingProxyType(
    {
        "gpt": lambda tensors, told: _gpt(tensors, told.gpt_heads),
        "codec": lambda tensors, _: SemanticCodec(SemanticCodecSizes.of(tensors)),
        "length_regulator": lambda tensors, _: LengthRegulator(LengthRegulatorSizes.of(tensors)),
        "latent_projection": lambda tensors, _: LatentProjection(LatentProjectionSizes.of(tensors)),
        "flow_matching": lambda tensors, told: DiT(DiTSizes.of(tensors, num_heads=told.dit_heads)),
        "vocoder": lambda tensors, _: BigVGAN(BigVGANSizes.of(tensors)),
        "semantic_encoder": lambda tensors, _: SemanticEncoder(SemanticEncoderSizes.of(tensors)),
        "speaker_encoder": lambda tensors, _: CAMPPlus(CAMPPlusSizes.of(tensors)),
        "codec_encoder": lambda tensors, _: CodecEncoder(CodecEncoderSizes.of(tensors)),
        "emotion_conditioner": lambda tensors, _: EmotionConditioner(
            EmotionConditionerSizes.of(tensors)
        ),
        "speaker_conditioner": lambda tensors, _: (
            SpeakerProjection(SpeakerProjectionSizes.of(tensors))
            if "projection.weight" in tensors
            else SpeakerConditioner(SpeakerConditionerSizes.of(tensors))
        ),
        "feelings": lambda tensors, _: QwenDecoder(QwenSizes.of(tensors)),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderNetworks:
    """What speaks; all on one device."""

    gpt: GPTDecoder
    codec: SemanticCodec
    length_regulator: LengthRegulator
    latent_projection: LatentProjection | None  # where there is a second pass
    flow_matching: DiT
    vocoder: BigVGAN
    emotions: EmotionMatrix


def render_networks(
    weights: Weights,
    *,
    device: torch.device,
    say: Say = say_nothing,
) -> RenderNetworks:
    """Build what speaks, in float32. Raises CheckpointError."""

    def read(stage: str, kind: type[Network]) -> Network:
        say(f"It loads its {stage.replace('_', ' ')}.")
        return _network(weights, stage, kind).to(device)

    return RenderNetworks(
        gpt=read("gpt", GPTDecoder),
        codec=read("codec", SemanticCodec),
        length_regulator=read("length_regulator", LengthRegulator),
        latent_projection=(
            read("latent_projection", LatentProjection) if weights.variant.second_pass else None
        ),
        flow_matching=read("flow_matching", DiT),
        vocoder=read("vocoder", BigVGAN),
        emotions=_emotions(weights, weights.stage("emotions"), device),
    )


def enrolment_networks(weights: Weights, *, device: torch.device) -> ReferenceNetworks:
    """Build what listens to a recording, in float32. Raises CheckpointError."""
    quantized = weights.variant.quantized_prompt
    return ReferenceNetworks(
        semantic_encoder=_network(weights, "semantic_encoder", SemanticEncoder).to(device),
        speaker_encoder=_network(weights, "speaker_encoder", CAMPPlus).to(device),
        emotion_conditioner=_network(weights, "emotion_conditioner", EmotionConditioner).to(device),
        speaker_conditioner=(
            _network(weights, "speaker_conditioner", SpeakerConditioner).to(device)
            if quantized
            else _network(weights, "speaker_conditioner", SpeakerProjection).to(device)
        ),
        length_regulator=_network(weights, "length_regulator", LengthRegulator).to(device),
        codec_encoder=(
            _network(weights, "codec_encoder", CodecEncoder).to(device) if quantized else None
        ),
        codec=_network(weights, "codec", SemanticCodec).to(device) if quantized else None,
    )


def feelings_network(weights: Weights, *, device: torch.device) -> QwenDecoder:
    """Build what judges words about a feeling, on a GPU in what it was trained in.

    Raises CheckpointError.
    """
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    return _network(weights, "feelings", QwenDecoder).to(device, dtype)


def require_fit(weights: Weights, stage: str, tensors: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError unless a stage's tensors, with or without numbers, are a network's."""
    if stage == "emotions":
        _emotions(weights, tensors, torch.device("meta"))
    else:
        _built(weights, stage, tensors)


def _emotions(
    weights: Weights, tensors: Mapping[str, Tensor], device: torch.device
) -> EmotionMatrix:
    name = weights.file_names("emotions")
    if {"speakers", "rows"} != {key for key, tensor in tensors.items() if tensor.ndim == 2}:
        raise CheckpointError(f"{name} does not hold a table.")
    try:
        return EmotionMatrix(
            speakers=tensors["speakers"].to(device),
            rows=tensors["rows"].to(device),
            groups=weights.hyperparameters.emotion_groups,
        )
    except CheckpointError as err:
        raise CheckpointError(f"{name}: {err.message}") from err


def _network(weights: Weights, stage: str, kind: type[Network]) -> Network:
    network = _built(weights, stage, weights.stage(stage))
    if not isinstance(network, kind):
        raise CheckpointError(f"{weights.file_names(stage)} is of another model than the rest.")
    return network


def _built(weights: Weights, stage: str, tensors: Mapping[str, Tensor]) -> nn.Module:
    make, told = MAKERS[stage], weights.hyperparameters
    return build(lambda given: make(given, told), tensors, name=weights.file_names(stage))
