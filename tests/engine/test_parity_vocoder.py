"""From the mel spectrogram to the waveform."""

import re

import pytest
import torch

from indextts_daemon.engines.indextts.models.bigvgan import (
    BigVGAN,
    BigVGANSizes,
    synthesize,
)
from indextts_daemon.engines.indextts.spelling import vocoder
from tests.engine.parity import WAVEFORM, ParitySet

FILE = "golden_vocoder"


CHUNK_FRAMES = (7, 16, 33)


@pytest.fixture
def network(golden: ParitySet) -> BigVGAN:
    tensors = vocoder.translate(golden.weights("bigvgan"))["vocoder"]
    with torch.device("meta"):
        network = BigVGAN(BigVGANSizes.of(tensors))
    network.load_state_dict(tensors, strict=True, assign=True)
    return network


def test_a_mel_becomes_the_waveform(golden: ParitySet, network: BigVGAN) -> None:
    for mel, wav in cases(golden):
        golden.check(FILE, wav, network(*golden.given(FILE, mel)), WAVEFORM)


@pytest.mark.parametrize("chunk_frames", CHUNK_FRAMES)
def test_in_chunks_it_becomes_the_same_waveform(
    golden: ParitySet, network: BigVGAN, chunk_frames: int
) -> None:
    for name, wav in cases(golden):
        (mel,) = golden.given(FILE, name)
        made = torch.cat(list(synthesize(network, mel, chunk_frames=chunk_frames)), dim=-1)
        golden.check(FILE, wav, made, WAVEFORM)
        assert (made - network(mel)).abs().max() <= 1e-6


def cases(golden: ParitySet) -> list[tuple[str, str]]:
    """Name each mel with its waveform."""
    matches = (re.fullmatch("mel(.*)", name) for name in golden.tensors(FILE))
    return [(match[0], f"wav{match[1]}") for match in matches if match]
