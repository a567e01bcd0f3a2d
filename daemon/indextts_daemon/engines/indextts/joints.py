"""Whether a model's parts are of one model: what one of them gives is what the next one takes."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from .features import MEL_BANDS
from .loader import Weights, stages_of
from .models.bigvgan import BigVGANSizes
from .models.conditioners import (
    EmotionConditionerSizes,
    SpeakerConditionerSizes,
    SpeakerProjectionSizes,
)
from .models.conditioning_encoder import ConditioningEncoderSizes
from .models.dit import DiTSizes
from .models.gpt import GPTSizes
from .models.latent_projection import LatentProjectionSizes
from .models.length_regulator import LengthRegulatorSizes
from .models.semantic_codec import CodecEncoderSizes, SemanticCodecSizes
from .models.semantic_encoder import SemanticEncoderSizes
from .models.speaker_encoder import CAMPPlusSizes
from .networks import require_fit
from .spelling.rules import CheckpointError
from .text_front import TextFrontEnd

Tensors = Mapping[str, Tensor]
Joint = tuple[str, bool]  # the stage that is of another model unless the condition is true


def require_match(weights: Weights, text: TextFrontEnd | None = None) -> None:
    """Raise CheckpointError unless the stages, and `text`'s vocabulary, are of one model.

    Of the tensors only the shapes are read.
    """
    outlines: dict[str, Tensors] = {}
    for stage in stages_of(weights.variant):
        outlines[stage] = weights.outline(stage)
        require_fit(weights, stage, outlines[stage])
    joints = [*_spoken(weights, outlines), *_listened(weights, outlines)]
    for stage, fits in joints:
        if not fits:
            raise CheckpointError(f"{weights.file_names(stage)} is of another model than the rest.")
    gpt = GPTSizes.of(outlines["gpt"], num_heads=weights.hyperparameters.gpt_heads)
    if text is not None and text.num_ids > gpt.num_texts:
        raise CheckpointError(f"{weights.tokenizer.name} is of another model than the rest.")


def _spoken(weights: Weights, outlines: Mapping[str, Tensors]) -> Iterator[Joint]:
    """Follow a text to its sound."""
    told, variant = weights.hyperparameters, weights.variant
    gpt = GPTSizes.of(outlines["gpt"], num_heads=told.gpt_heads)
    codec = SemanticCodecSizes.of(outlines["codec"])
    regulator = LengthRegulatorSizes.of(outlines["length_regulator"])
    flow = DiTSizes.of(outlines["flow_matching"], num_heads=told.dit_heads)
    emotions = outlines["emotions"]
    yield "emotions", emotions["rows"].shape[1] == gpt.channels
    yield "emotions", emotions["speakers"].shape[1] == flow.speaker
    rows = 1 + max(variant.language_ids.values(), default=-1)
    yield "gpt", gpt.num_languages >= rows
    yield "codec", codec.num_codes >= gpt.start_code
    yield "codec", codec.channels == regulator.features
    if variant.second_pass:
        projection = LatentProjectionSizes.of(outlines["latent_projection"])
        ends = (projection.widths[0], projection.widths[-1])
        yield "latent_projection", ends == (gpt.channels, codec.channels)
    yield "length_regulator", regulator.channels == flow.conditions
    yield "flow_matching", flow.mel_bins == MEL_BANDS
    yield "vocoder", BigVGANSizes.of(outlines["vocoder"]).mel_bins == MEL_BANDS


def _listened(weights: Weights, outlines: Mapping[str, Tensors]) -> Iterator[Joint]:
    """Follow a recording to what the voice is told by."""
    gpt = GPTSizes.of(outlines["gpt"], num_heads=weights.hyperparameters.gpt_heads)
    codec = SemanticCodecSizes.of(outlines["codec"])
    semantic = SemanticEncoderSizes.of(outlines["semantic_encoder"])
    speaker = CAMPPlusSizes.of(outlines["speaker_encoder"])
    feeling = EmotionConditionerSizes.of(outlines["emotion_conditioner"])
    yield "semantic_encoder", semantic.features == 2 * MEL_BANDS
    yield "semantic_encoder", semantic.channels == codec.channels
    yield "speaker_encoder", 8 * speaker.bands == MEL_BANDS
    yield "speaker_encoder", speaker.embedding == outlines["emotions"]["speakers"].shape[1]
    yield "emotion_conditioner", feeling.channels == gpt.channels
    yield "emotion_conditioner", feeling.encoder.mixed == _mixed(feeling.encoder, semantic)
    conditioner = outlines["speaker_conditioner"]
    if not weights.variant.quantized_prompt:
        row = SpeakerProjectionSizes.of(conditioner)
        yield (
            "speaker_conditioner",
            (row.speaker, row.channels) == (speaker.embedding, gpt.channels),
        )
        return
    rows = SpeakerConditionerSizes.of(conditioner)
    yield "speaker_conditioner", rows.perceiver.channels == gpt.channels
    yield "speaker_conditioner", rows.encoder.mixed == _mixed(rows.encoder, semantic)
    vocos = CodecEncoderSizes.of(outlines["codec_encoder"]).vocos
    yield "codec_encoder", (vocos.features, vocos.outputs) == (semantic.channels, codec.channels)


def _mixed(encoder: ConditioningEncoderSizes, semantic: SemanticEncoderSizes) -> int:
    """Return what is left of the features' width after every other one was looked at."""
    return encoder.channels * ((semantic.channels - 1) // 2)
