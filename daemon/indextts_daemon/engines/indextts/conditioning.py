"""What the models are told of a recording: one way from its samples to tensors.

B batch, N samples, T frames of semantic features, R rows, S, D, C channels, F mel frames.
"""

from collections.abc import Generator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from indextts_daemon.errors import EngineUnavailableError, InvalidRequestError

from .features import (
    SPEECH_RATE,
    prompt_mel,
    resample_sinc,
    resample_soxr,
    semantic_input,
    speaker_input,
)
from .models.conditioners import EmotionConditioner, SpeakerConditioner, SpeakerProjection
from .models.length_regulator import LengthRegulator
from .models.semantic_codec import CodecEncoder, SemanticCodec
from .models.semantic_encoder import SemanticEncoder
from .models.speaker_encoder import CAMPPlus
from .variant import SAMPLE_RATE, Variant

LONGEST_S = 15
SHORTEST_S = 0.5
STAGES = ("semantic_encoder", "speaker_encoder", "speaker_conditioner", "prompt", "emotion")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoiceConditioning:
    """All that a voice is to the models that speak."""

    speaker_embedding: Tensor  # (1, S)
    speaker_rows: Tensor  # (1, R, D)
    emotion_base: Tensor  # (1, D), what an emotion recording is mixed with
    emotion: Tensor  # (1, D), where no emotion is asked for
    prompt_condition: Tensor  # (1, F, C)
    prompt_mel: Tensor  # (1, 80, F)

    def to(self, device: torch.device) -> "VoiceConditioning":
        """Return it on a device."""
        moved = {each.name: getattr(self, each.name).to(device) for each in fields(self)}
        return VoiceConditioning(**moved)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceNetworks:
    """What listens to a recording; all on one device."""

    semantic_encoder: SemanticEncoder
    speaker_encoder: CAMPPlus
    emotion_conditioner: EmotionConditioner
    speaker_conditioner: SpeakerConditioner | SpeakerProjection
    length_regulator: LengthRegulator
    codec_encoder: CodecEncoder | None = None  # where the prompt goes through the codebook
    codec: SemanticCodec | None = None


def encode_reference(
    networks: ReferenceNetworks, variant: Variant, audio: Tensor, sample_rate: int = SAMPLE_RATE
) -> Generator[str, None, VoiceConditioning]:
    """Yield the name of each of STAGES as it begins; return what a recording (1, N) conditions.

    The first 15 s count. Less than half a second raises `InvalidRequestError`.
    """
    audio = _long_enough(audio, sample_rate)
    heard = _cut(resample_soxr(audio, sample_rate, SAMPLE_RATE), SAMPLE_RATE)
    speech = resample_sinc(heard)
    like = networks.semantic_encoder.mean
    yield "semantic_encoder"
    features = _semantic_features(networks, speech)
    yield "speaker_encoder"
    speaker_embedding = networks.speaker_encoder(speaker_input(speech).to(like))
    yield "speaker_conditioner"
    speaker_rows = _speaker_rows(networks, features, speaker_embedding)
    yield "prompt"
    mel = prompt_mel(heard).to(like)
    prompt = _through_codebook(networks, features) if variant.quantized_prompt else features
    prompt_condition = networks.length_regulator(prompt, mel.shape[2])
    yield "emotion"
    return VoiceConditioning(
        speaker_embedding=speaker_embedding,
        speaker_rows=speaker_rows,
        emotion_base=networks.emotion_conditioner(features),
        emotion=encode_emotion(networks, audio, sample_rate),
        prompt_condition=prompt_condition,
        prompt_mel=mel,
    )


def encode_emotion(
    networks: ReferenceNetworks, audio: Tensor, sample_rate: int = SPEECH_RATE
) -> Tensor:
    """Return the emotion vector (1, D) of a recording (1, N); limits as of `encode_reference`."""
    speech = resample_soxr(_long_enough(audio, sample_rate), sample_rate, SPEECH_RATE)
    features = _semantic_features(networks, _cut(speech, SPEECH_RATE))
    return networks.emotion_conditioner(features)


def _long_enough(audio: Tensor, rate: int) -> Tensor:
    if audio.shape[1] < SHORTEST_S * rate:
        raise InvalidRequestError(
            "The recording is too short: half a second is the least, five are better.",
            code="too_short",
        )
    return audio


def _cut(audio: Tensor, rate: int) -> Tensor:
    return audio[:, : LONGEST_S * rate]


def _semantic_features(networks: ReferenceNetworks, speech: Tensor) -> Tensor:
    like = networks.semantic_encoder.mean
    rows, mask = semantic_input(speech)
    return networks.semantic_encoder(rows.to(like), mask.to(like.device))


def _speaker_rows(networks: ReferenceNetworks, features: Tensor, embedding: Tensor) -> Tensor:
    conditioner = networks.speaker_conditioner
    if isinstance(conditioner, SpeakerProjection):
        return conditioner(embedding)
    return conditioner(features)


def _through_codebook(networks: ReferenceNetworks, features: Tensor) -> Tensor:
    if networks.codec_encoder is None or networks.codec is None:
        raise EngineUnavailableError("The codec that the prompt goes through is not loaded.")
    return networks.codec.embed(networks.codec.quantize(networks.codec_encoder(features)))
