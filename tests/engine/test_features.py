"""The features of a recording, where no golden vector says what they are."""

import math

import pytest
import torch
from torch import Tensor

from indextts_daemon.engines.indextts.features import (
    MEL_BANDS,
    SPEECH_RATE,
    filterbank,
    prompt_mel,
    resample_sinc,
    resample_soxr,
    semantic_input,
    speaker_input,
)
from indextts_daemon.engines.indextts.variant import HOP, SAMPLE_RATE


def tone(hertz: float, rate: int, seconds: float = 1.0) -> Tensor:
    return 0.5 * torch.sin(2 * math.pi * hertz * torch.arange(int(seconds * rate)) / rate)[None]


def noise(samples: int) -> Tensor:
    return 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "resampled",
    [
        resample_sinc(tone(440, SAMPLE_RATE)),
        resample_soxr(tone(440, SAMPLE_RATE), SAMPLE_RATE, SPEECH_RATE),
        resample_soxr(tone(440, 48000), 48000, SPEECH_RATE),
        resample_soxr(tone(440, 8000), 8000, SPEECH_RATE),
    ],
)
def test_a_tone_keeps_its_pitch_and_level_at_another_rate(resampled: Tensor) -> None:
    inside = slice(1000, -1000)
    assert resampled.shape == (1, SPEECH_RATE)
    wanted = tone(440, SPEECH_RATE)[:, inside]
    torch.testing.assert_close(resampled[:, inside], wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("samples", [22050, 22051, 22052, 33333, 99999])
def test_a_resampled_length_is_rounded_up(samples: int) -> None:
    resampled = resample_soxr(noise(samples), SAMPLE_RATE, SPEECH_RATE)
    assert resampled.shape[1] == math.ceil(samples * SPEECH_RATE / SAMPLE_RATE)


def test_sound_at_the_rate_wanted_stays_as_it_is() -> None:
    audio = noise(1000)
    assert resample_soxr(audio, SPEECH_RATE, SPEECH_RATE) is audio


def test_a_mel_has_a_frame_per_hop_and_floors_silence() -> None:
    mel = prompt_mel(torch.zeros(1, 10 * HOP + HOP - 1))
    assert mel.shape == (1, MEL_BANDS, 10)
    assert (mel == mel[0, 0, 0]).all()


def test_a_higher_tone_is_in_a_higher_band() -> None:
    bands = [
        int(prompt_mel(tone(hertz, SAMPLE_RATE)).mean(2).argmax()) for hertz in (200, 900, 5000)
    ]
    assert bands == sorted(set(bands))
    banks = [
        int(filterbank(tone(hertz, SPEECH_RATE)).mean(0).argmax()) for hertz in (200, 900, 5000)
    ]
    assert banks == sorted(set(banks))


def test_loudness_is_no_part_of_what_a_speaker_is_known_by() -> None:
    audio = noise(SPEECH_RATE)
    torch.testing.assert_close(speaker_input(audio), speaker_input(0.5 * audio), atol=1e-3, rtol=0)


@pytest.mark.parametrize("frames", [10, 11])
def test_a_last_frame_without_a_partner_is_masked(frames: int) -> None:
    rows, mask = semantic_input(noise(400 + 160 * (frames - 1)))
    assert rows.shape == (1, math.ceil(frames / 2), 2 * MEL_BANDS)
    assert mask[0].tolist() == [True] * (frames // 2) + [False] * (frames % 2)
    if frames % 2:
        assert (rows[0, -1, MEL_BANDS:] == 0).all()


def test_each_band_of_the_semantic_input_is_even() -> None:
    rows, _ = semantic_input(noise(SPEECH_RATE))
    frames = rows.view(-1, MEL_BANDS)
    torch.testing.assert_close(frames.mean(0), torch.zeros(MEL_BANDS), atol=1e-4, rtol=0)
    torch.testing.assert_close(frames.std(0), torch.ones(MEL_BANDS), atol=1e-4, rtol=0)


def test_silence_has_finite_features() -> None:
    silence = torch.zeros(1, SPEECH_RATE)
    rows, _ = semantic_input(silence)
    assert rows.isfinite().all()
    assert speaker_input(silence).isfinite().all()
