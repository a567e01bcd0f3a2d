"""What a recording conditions: its limits, and what must not matter."""

from dataclasses import fields, replace
import math

import pytest
import torch
from torch import Tensor

from indextts_daemon.engines.indextts.conditioning import (
    LONGEST_S,
    SHORTEST_S,
    STAGES,
    VoiceConditioning,
    encode_emotion,
    encode_reference,
)
from indextts_daemon.engines.indextts.emotion import EmotionMatrix, merged
from indextts_daemon.engines.indextts.features import SPEECH_RATE, resample_soxr
from indextts_daemon.engines.indextts.models.perceiver import Perceiver, PerceiverSizes
from indextts_daemon.engines.indextts.models.semantic_codec import (
    SemanticCodec,
    SemanticCodecSizes,
)
from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from indextts_daemon.engines.indextts.variant import HOP, SAMPLE_RATE
from indextts_daemon.errors import EngineUnavailableError, InvalidRequestError
from indextts_daemon.speech import EMOTIONS
from tests.engine.listeners import conditioning_of, reference_networks, variant_of
from tests.engine.parity import ParitySet


def sound(seconds: float, rate: int = SAMPLE_RATE) -> Tensor:
    place = torch.arange(int(seconds * rate)) / rate
    sweep = torch.sin(2 * math.pi * (120 + 40 * torch.sin(3 * place)) * place)
    rough = torch.randn(len(place), generator=torch.Generator().manual_seed(7))
    return (0.3 * sweep + 0.05 * rough)[None]


def heard(golden: ParitySet, audio: Tensor, rate: int = SAMPLE_RATE) -> VoiceConditioning:
    steps = encode_reference(reference_networks(golden), variant_of(golden), audio, rate)
    return conditioning_of(steps)[1]


def differences(one: VoiceConditioning, other: VoiceConditioning) -> dict[str, float]:
    pairs = {
        field.name: (getattr(one, field.name), getattr(other, field.name)) for field in fields(one)
    }
    return {name: float((a - b).abs().max()) for name, (a, b) in pairs.items()}


def test_every_stage_is_named_as_it_begins(golden: ParitySet) -> None:
    steps = encode_reference(reference_networks(golden), variant_of(golden), sound(1))
    begun, _ = conditioning_of(steps)
    assert tuple(begun) == STAGES


def test_a_recording_that_is_too_short_is_refused_in_words(golden: ParitySet) -> None:
    networks = reference_networks(golden)
    short = sound(SHORTEST_S - 0.01)
    with pytest.raises(InvalidRequestError, match="too short") as caught:
        next(encode_reference(networks, variant_of(golden), short))
    assert caught.value.error_code == "too_short"
    with pytest.raises(InvalidRequestError, match="too short"):
        encode_emotion(networks, short, SAMPLE_RATE)


def test_the_shortest_recording_is_enough(golden: ParitySet) -> None:
    made = heard(golden, sound(SHORTEST_S))
    assert all(getattr(made, field.name).isfinite().all() for field in fields(made))
    assert made.prompt_condition.shape[1] == made.prompt_mel.shape[2]


def test_a_long_recording_counts_for_fifteen_seconds(golden: ParitySet) -> None:
    long = sound(LONGEST_S + 5)
    made = heard(golden, long)
    assert made.prompt_mel.shape[2] == LONGEST_S * SAMPLE_RATE // HOP
    other_end = torch.cat((long[:, : (LONGEST_S + 1) * SAMPLE_RATE], 0 * long), dim=1)
    assert set(differences(made, heard(golden, other_end)).values()) == {0.0}


def test_a_long_emotion_recording_counts_for_fifteen_seconds(golden: ParitySet) -> None:
    networks = reference_networks(golden)
    long = sound(LONGEST_S + 5, SPEECH_RATE)
    cut = long[:, : LONGEST_S * SPEECH_RATE]
    assert torch.equal(encode_emotion(networks, long), encode_emotion(networks, cut))


def test_a_recording_at_another_rate_is_the_same_voice(golden: ParitySet) -> None:
    """Each branch resamples from the recording's own rate, not from another branch's."""
    fine = sound(1, 44100)
    made = heard(golden, fine, 44100)
    same = heard(golden, resample_soxr(fine, 44100, SAMPLE_RATE))
    apart = differences(made, same)
    assert apart.pop("emotion") > 0
    assert set(apart.values()) == {0.0}
    direct = encode_emotion(reference_networks(golden), resample_soxr(fine, 44100, SPEECH_RATE))
    assert torch.equal(made.emotion, direct)


def test_what_was_heard_before_does_not_matter(golden: ParitySet) -> None:
    networks, variant = reference_networks(golden), variant_of(golden)
    one, other = sound(1), sound(2) * 0.5
    _, first = conditioning_of(encode_reference(networks, variant, one))
    interleaved = [encode_reference(networks, variant, audio) for audio in (other, one)]
    for _ in STAGES:
        for steps in interleaved:
            next(steps)
    encode_emotion(networks, other, SAMPLE_RATE)
    _, again = conditioning_of(interleaved[1])
    assert set(differences(first, again).values()) == {0.0}


def test_what_stands_behind_the_mask_does_not_matter(golden: ParitySet) -> None:
    encoder = reference_networks(golden).semantic_encoder
    rows = torch.randn(1, 12, encoder.projection.in_features)
    mask = torch.arange(12)[None] < 9
    alone = encoder(rows[:, :9], mask[:, :9])
    torch.testing.assert_close(encoder(rows, mask)[:, :9], alone, atol=1e-5, rtol=0)
    changed = rows.masked_fill(~mask[:, :, None], 5.0)
    assert torch.equal(encoder(changed, mask), encoder(rows, mask))


def test_a_prompt_for_the_codebook_needs_the_codec(golden: ParitySet) -> None:
    variant = variant_of(golden)
    networks = replace(reference_networks(golden), codec_encoder=None, codec=None)
    steps = encode_reference(networks, replace(variant, quantized_prompt=True), sound(1))
    with pytest.raises(EngineUnavailableError, match="codec"):
        conditioning_of(steps)


def test_norms_are_measured_beyond_the_range_of_half_precision() -> None:
    """A sum of squares over 65504 must not become infinity."""
    torch.manual_seed(3)
    sizes = PerceiverSizes(num_rows=2, channels=64, context=64, num_heads=1, inner=8, num_layers=0)
    perceiver = Perceiver(sizes)
    perceiver.norm.weight.fill_(1.0)
    torch.nn.init.constant_(perceiver.rows, 300.0)
    made = perceiver.half()(torch.zeros(1, 3, 64).half())
    torch.testing.assert_close(made, torch.ones(1, 2, 64).half())
    book = SemanticCodec(
        SemanticCodecSizes(channels=8, num_codes=16, codebook=8, decoder=None, doubling=None)
    )
    torch.nn.init.dirac_(book.input.weight)
    torch.nn.init.zeros_(book.input.bias)
    book = book.half()
    asked = 300.0 * book.codebook.weight[None]
    assert torch.equal(book.quantize(asked), torch.arange(16)[None])


def test_no_emotion_leaves_the_base() -> None:
    matrix, speaker, base = little_matrix()
    assert torch.equal(matrix.vector(speaker, [0.0] * len(EMOTIONS), base), base)
    assert torch.equal(merged(base, 2 * base, 0.0), base)


def test_a_whole_emotion_is_the_row_of_the_nearest_speaker() -> None:
    matrix, speaker, base = little_matrix()
    for index in range(len(EMOTIONS)):
        weights = [float(index == other) for other in range(len(EMOTIONS))]
        first = sum(matrix.groups[:index])
        row = first + int(matrix.nearest(speaker)[index])
        torch.testing.assert_close(matrix.vector(speaker, weights, base), matrix.rows[row][None])
    likeness = torch.cosine_similarity(matrix.speakers, speaker)
    last = matrix.groups[-1]
    assert int(matrix.nearest(speaker)[-1]) == int(likeness[-last:].argmax())


@pytest.mark.parametrize("groups", [(2,) * 7, (3,) * 8, (2,) * 7 + (1,), (0, 4) + (2,) * 6])
def test_a_matrix_of_other_groups_is_refused(groups: tuple[int, ...]) -> None:
    matrix, _, _ = little_matrix()
    with pytest.raises(CheckpointError):
        EmotionMatrix(speakers=matrix.speakers, rows=matrix.rows, groups=groups)


def little_matrix() -> tuple[EmotionMatrix, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(5)
    matrix = EmotionMatrix(
        speakers=torch.randn(16, 4, generator=draw),
        rows=torch.randn(16, 6, generator=draw),
        groups=(2,) * len(EMOTIONS),
    )
    return matrix, torch.randn(1, 4, generator=draw), torch.randn(1, 6, generator=draw)
