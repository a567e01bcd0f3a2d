"""The vocoder: whole or in chunks the same waveform, and how far a frame reaches."""

import random

import pytest
import torch
from torch import Tensor

from indextts_daemon.engines.indextts.layers.snake import AntiAliasedSnake
from indextts_daemon.engines.indextts.models.bigvgan import (
    CONTEXT,
    INFLUENCE,
    BigVGAN,
    BigVGANSizes,
    synthesize,
)

SIZES = BigVGANSizes(
    mel_bins=5,
    input_kernel=7,
    output_kernel=7,
    channels=(64, 32, 16, 8, 4, 2, 2),
    upsampling_kernels=(8, 8, 4, 4, 4, 4),  # the published rates and kernels: they make the reach
    block_kernels=(3, 7, 11),
    taps=12,
)
LOW_PASS = torch.hann_window(14, periodic=False)[None, None, 1:-1]


@pytest.fixture
def vocoder() -> BigVGAN:
    torch.manual_seed(0)
    network = BigVGAN(SIZES)
    for name, parameter in network.named_parameters():
        if "log_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
        elif "bias" in name:
            torch.nn.init.zeros_(parameter)
    for buffer in network.buffers():
        buffer.copy_(LOW_PASS / LOW_PASS.sum())
    torch.nn.init.normal_(network.output.weight, std=3)
    return network


def mel_of(frames: int, seed: int = 1) -> Tensor:
    torch.manual_seed(seed)
    return 3 * torch.randn(1, SIZES.mel_bins, frames) - 4


@pytest.mark.parametrize("seed", range(8))
def test_chunks_are_the_whole_waveform(vocoder: BigVGAN, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    frames, chunk_frames = chance.randint(1, 150), chance.randint(1, 90)
    mel = mel_of(frames, seed)
    chunks = list(synthesize(vocoder, mel, chunk_frames=chunk_frames))
    lengths = [min(chunk_frames, frames - start) for start in range(0, frames, chunk_frames)]
    assert [chunk.shape[-1] for chunk in chunks] == [vocoder.hop * length for length in lengths]
    whole = vocoder(mel)
    assert 0.1 < whole.abs().max() < 1
    assert (torch.cat(chunks, dim=-1) - whole).abs().max() <= 1e-6


def test_sizes_are_read_from_tensors(vocoder: BigVGAN) -> None:
    assert BigVGANSizes.of(vocoder.state_dict()) == SIZES


def test_a_chunk_is_bounded_work(vocoder: BigVGAN) -> None:
    asked: list[int] = []
    vocoder.register_forward_pre_hook(lambda _, given: asked.append(given[0].shape[-1]))
    chunks = synthesize(vocoder, mel_of(130), chunk_frames=20)
    next(chunks)
    assert len(asked) == 1
    assert len(list(chunks)) == len(asked) - 1 == 6
    assert max(asked) == 20 + 2 * CONTEXT


def test_a_frame_reaches_as_far_as_written_and_no_further(vocoder: BigVGAN) -> None:
    mel = mel_of(2 * INFLUENCE + 21)
    at = INFLUENCE + 10
    other = mel.clone()
    other[..., at] += 100
    changed = (vocoder(other) != vocoder(mel)).flatten().nonzero().flatten() // vocoder.hop
    assert at - INFLUENCE <= changed.min() < at - CONTEXT / 2
    assert at + CONTEXT / 2 < changed.max() <= at + INFLUENCE


@pytest.mark.parametrize("level", [-1e4, -11.5, 0.0, 1e4])
def test_a_waveform_is_finite_and_within_bounds(vocoder: BigVGAN, level: float) -> None:
    samples = vocoder(torch.full((1, SIZES.mel_bins, 4), level))
    assert samples.shape == (1, 1, 4 * vocoder.hop)
    assert samples.isfinite().all()
    assert samples.abs().max() <= 1


def test_rows_of_a_batch_do_not_meet(vocoder: BigVGAN) -> None:
    mels = torch.cat((mel_of(12, 1), mel_of(12, 2)))
    apart = torch.cat([vocoder(mel[None]) for mel in mels])
    torch.testing.assert_close(vocoder(mels), apart)


def test_half_precision_stays_near(vocoder: BigVGAN) -> None:
    whole = vocoder(mel_of(20))
    half = vocoder.half()(mel_of(20))
    assert half.dtype == torch.float32
    assert (half - whole).abs().max() < 0.02


def test_the_activation_bends_a_level_and_keeps_it_level() -> None:
    snake = AntiAliasedSnake(3, LOW_PASS.shape[-1])
    snake.load_state_dict(
        {
            "log_alpha": torch.tensor([0.0, 0.5, -1.0]),
            "log_beta": torch.tensor([0.0, -0.5, 1.0]),
            "upsampling": LOW_PASS / LOW_PASS.sum(),
            "downsampling": LOW_PASS / LOW_PASS.sum(),
        }
    )
    level = torch.tensor([0.3, -2.0, 5.0])
    alpha, beta = snake.log_alpha.exp(), snake.log_beta.exp()
    bent = level + torch.sin(alpha * level) ** 2 / beta
    made = snake(level[None, :, None].expand(2, 3, 20))
    torch.testing.assert_close(made, bent[None, :, None].expand(2, 3, 20))
