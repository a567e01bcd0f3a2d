"""A recording as its networks want it: rates, mel spectrograms, filter banks.

Sound is float32 in [-1, 1]. B batch, N samples, T frames, F mel frames.
"""

import math

import numpy as np
from numpy.typing import NDArray
import soxr  # type: ignore[import-untyped]
import torch
from torch import Tensor
import torch.nn.functional as F
from torchaudio.compliance import kaldi  # type: ignore[import-untyped]
from torchaudio.transforms import Resample  # type: ignore[import-untyped]

from .variant import HOP, SAMPLE_RATE

SPEECH_RATE = 16000  # Hz, of what listens
MEL_BANDS = 80
_WINDOW = 1024  # samples
_QUIETEST = 1e-5
_KNEE = 1000.0  # Hz
_MELS_AT_KNEE = 15.0
_STEEPNESS = math.log(6.4) / 27  # of a mel above the knee
_FULL_SCALE = 32768  # of the 16 bit samples that w2v-BERT was trained on


def resample_sinc(audio: Tensor) -> Tensor:
    """Return sound (1, N) at our own rate as sound for what listens."""
    return Resample(SAMPLE_RATE, SPEECH_RATE)(audio)


def resample_soxr(audio: Tensor, rate: int, into: int) -> Tensor:
    """Return sound (1, N) at another rate, rounded up to a whole sample."""
    if rate == into:
        return audio
    resampled = torch.from_numpy(soxr.resample(audio[0].numpy(), rate, into, quality="HQ"))
    length = math.ceil(audio.shape[1] * (into / rate))
    return F.pad(resampled, (0, length - len(resampled)))[None]


def prompt_mel(audio: Tensor) -> Tensor:
    """Return the log mel spectrogram (1, 80, F) of sound (1, N) at our own rate."""
    beyond = (_WINDOW - HOP) // 2
    padded = F.pad(audio, (beyond, beyond), mode="reflect")
    window = torch.hann_window(_WINDOW)
    spectrum = torch.stft(padded, _WINDOW, HOP, window=window, center=False, return_complex=True)
    level = torch.sqrt(torch.view_as_real(spectrum).square().sum(-1) + 1e-9)
    return (_slaney_bands() @ level).clamp(min=_QUIETEST).log()


def filterbank(audio: Tensor) -> Tensor:
    """Return the log filter bank (T, 80) of sound (1, N) for what listens, at any scale."""
    return kaldi.fbank(audio, num_mel_bins=MEL_BANDS, sample_frequency=float(SPEECH_RATE))


def speaker_input(audio: Tensor) -> Tensor:
    """Return what the speaker encoder takes of sound (1, N): (1, T, 80) without its mean."""
    bank = filterbank(audio)
    return (bank - bank.mean(0))[None]


def semantic_input(audio: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the semantic encoder takes of sound (1, N): (1, T, 160) and its mask (1, T).

    A row is two frames; of an odd number of frames the last is left half a row, masked out.
    """
    bank = filterbank(audio * _FULL_SCALE)
    var, mean = torch.var_mean(bank, 0)
    even = (bank - mean) / torch.sqrt(var + 1e-7)
    odd = len(even) % 2
    rows = F.pad(even, (0, 0, 0, odd)).view(1, -1, 2 * MEL_BANDS)
    mask = torch.ones(rows.shape[:2], dtype=torch.bool)
    mask[:, rows.shape[1] - odd :] = False
    return rows, mask


def _slaney_bands() -> Tensor:
    """Return the weights (80, K) of each frequency in triangles of equal area."""
    highest = _MELS_AT_KNEE + math.log(SAMPLE_RATE / 2 / _KNEE) / _STEEPNESS
    edges = _hertz(np.linspace(0.0, highest, MEL_BANDS + 2))
    frequencies = np.linspace(0.0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)
    width = np.diff(edges)[:, None]
    away = edges[:, None] - frequencies
    triangles = np.maximum(0.0, np.minimum(-away[:-2] / width[:-1], away[2:] / width[1:]))
    triangles *= 2.0 / (edges[2:] - edges[:-2])[:, None]
    return torch.from_numpy(triangles.astype(np.float32))


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return frequencies on Slaney's scale: straight up to the knee, exponential above."""
    above = np.maximum(mels - _MELS_AT_KNEE, 0.0)
    return np.minimum(mels, _MELS_AT_KNEE) * (_KNEE / _MELS_AT_KNEE) * np.exp(above * _STEEPNESS)
