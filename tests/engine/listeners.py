"""The golden networks that listen to a recording, for the tests of them and of conditioning."""

from collections.abc import Callable, Generator, Mapping
import re
from typing import TypeVar

import torch
from torch import Tensor, nn

from indextts_daemon.engines.indextts.conditioning import ReferenceNetworks, VoiceConditioning
from indextts_daemon.engines.indextts.emotion import EmotionMatrix
from indextts_daemon.engines.indextts.models.conditioners import (
    EmotionConditioner,
    EmotionConditionerSizes,
    SpeakerConditioner,
    SpeakerConditionerSizes,
    SpeakerProjection,
    SpeakerProjectionSizes,
)
from indextts_daemon.engines.indextts.models.length_regulator import (
    LengthRegulator,
    LengthRegulatorSizes,
)
from indextts_daemon.engines.indextts.models.semantic_codec import (
    CodecEncoder,
    CodecEncoderSizes,
    SemanticCodec,
    SemanticCodecSizes,
)
from indextts_daemon.engines.indextts.models.semantic_encoder import (
    SemanticEncoder,
    SemanticEncoderSizes,
)
from indextts_daemon.engines.indextts.models.speaker_encoder import CAMPPlus, CAMPPlusSizes
from indextts_daemon.engines.indextts.spelling import (
    codec as codec_spelling,
    conditioners,
    misc,
    s2mel,
    semantic_encoder as semantic_spelling,
    speaker_encoder as speaker_spelling,
)
from indextts_daemon.engines.indextts.variant import VARIANTS, Variant
from tests.engine.parity import ParitySet

Network = TypeVar("Network", bound=nn.Module)


def variant_of(golden: ParitySet) -> Variant:
    return next(variant for variant in VARIANTS if variant.version == golden.version)


def built(
    make: Callable[[Mapping[str, Tensor]], Network], tensors: Mapping[str, Tensor]
) -> Network:
    with torch.device("meta"):
        network = make(tensors)
    network.load_state_dict(tensors, strict=True, assign=True)
    return network


def semantic_encoder(golden: ParitySet) -> SemanticEncoder:
    tensors = semantic_spelling.translate(golden.weights("w2v_bert"))["semantic_encoder"]
    tensors |= misc.translate(golden.weights("misc"))["semantic_encoder"]
    return built(lambda given: SemanticEncoder(SemanticEncoderSizes.of(given)), tensors)


def speaker_encoder(golden: ParitySet) -> CAMPPlus:
    tensors = speaker_spelling.translate(golden.weights("campplus"))["speaker_encoder"]
    return built(lambda given: CAMPPlus(CAMPPlusSizes.of(given)), tensors)


def codec_encoder(golden: ParitySet) -> CodecEncoder:
    tensors = codec_spelling.translate(golden.weights("semantic_codec"))["codec_encoder"]
    return built(lambda given: CodecEncoder(CodecEncoderSizes.of(given)), tensors)


def codec(golden: ParitySet) -> SemanticCodec:
    tensors = codec_spelling.translate(golden.weights("semantic_codec"))["codec"]
    return built(lambda given: SemanticCodec(SemanticCodecSizes.of(given)), tensors)


def emotion_conditioner(golden: ParitySet) -> EmotionConditioner:
    tensors = _conditioners(golden)["emotion_conditioner"]
    return built(lambda given: EmotionConditioner(EmotionConditionerSizes.of(given)), tensors)


def speaker_conditioner(golden: ParitySet) -> SpeakerConditioner | SpeakerProjection:
    tensors = _conditioners(golden)["speaker_conditioner"]
    if "projection.weight" in tensors:
        return built(lambda given: SpeakerProjection(SpeakerProjectionSizes.of(given)), tensors)
    return built(lambda given: SpeakerConditioner(SpeakerConditionerSizes.of(given)), tensors)


def emotion_matrix(golden: ParitySet) -> EmotionMatrix:
    tensors = misc.translate(golden.weights("misc"))["emotions"]
    groups = tuple(golden.config["official_config"]["emo_num"])
    return EmotionMatrix(speakers=tensors["speakers"], rows=tensors["rows"], groups=groups)


def reference_networks(golden: ParitySet) -> ReferenceNetworks:
    quantized = variant_of(golden).quantized_prompt
    regulator = s2mel.translate(golden.weights("s2mel"))["length_regulator"]
    return ReferenceNetworks(
        semantic_encoder=semantic_encoder(golden),
        speaker_encoder=speaker_encoder(golden),
        emotion_conditioner=emotion_conditioner(golden),
        speaker_conditioner=speaker_conditioner(golden),
        length_regulator=built(
            lambda given: LengthRegulator(LengthRegulatorSizes.of(given)), regulator
        ),
        codec_encoder=codec_encoder(golden) if quantized else None,
        codec=codec(golden) if quantized else None,
    )


def conditioning_of(
    steps: Generator[str, None, VoiceConditioning],
) -> tuple[list[str], VoiceConditioning]:
    """Return the stages that were begun, and the result."""
    begun = []
    while True:
        try:
            begun.append(next(steps))
        except StopIteration as end:
            return begun, end.value


def _conditioners(golden: ParitySet) -> dict[str, dict[str, Tensor]]:
    tensors = golden.weights("gpt")
    told = {key: one for key, one in tensors.items() if re.fullmatch(conditioners.PATTERN, key)}
    return conditioners.translate(told)
