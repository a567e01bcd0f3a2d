"""The pitch and the timbre of speech, frame by frame, in numpy alone."""

import numpy as np
from numpy.typing import NDArray

from indextts_daemon.speech import Samples

from .recording import FRAME, HEARD_RATE

Floats = NDArray[np.float64]

_WINDOW = 2 * FRAME  # 64 ms: three periods of the lowest voice
_LOWEST, _HIGHEST = 60, 420  # Hz
_PERIODIC = 0.5  # of the autocorrelation, above which a frame has a pitch
_NUM_BANDS = 30
_BANDS = (150, 6500)  # Hz: above the hum, below what cheap microphones differ in
_NUM_CEPSTRA = 16
_BATCH = 2048  # frames at a time, a minute


def windows(heard: Samples) -> NDArray[np.float32]:
    """Return one window per frame, around its middle.  # (num_frames, _WINDOW)."""
    side = (_WINDOW - FRAME) // 2
    padded = np.pad(heard, (side, side))
    return np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::FRAME]


def pitch(heard: Samples) -> Floats:
    """Return the pitch of each frame in Hz, 0 where there is none, by autocorrelation."""
    shortest, longest = HEARD_RATE // _HIGHEST, HEARD_RATE // _LOWEST
    taper = np.hanning(_WINDOW)
    fading = _autocorrelation(taper[None])[0, : longest + 1]
    lags = np.arange(longest + 1)
    found = []
    cut = windows(heard)
    for begin in range(0, len(cut), _BATCH):
        batch = cut[begin : begin + _BATCH]
        batch = (batch - batch.mean(axis=1, keepdims=True)) * taper
        raw = _autocorrelation(batch)[:, : longest + 1]
        likeness = raw / np.maximum(raw[:, :1], 1e-12) / (fading / fading[0])
        likeness[:, :shortest] = -1
        # The shortest lag that is nearly as good as the best: else it is found an octave lower.
        good = likeness >= 0.9 * likeness.max(axis=1, keepdims=True)
        rising = np.diff(likeness, axis=1, append=-1) <= 0  # a peak: what follows is lower
        best = np.argmax(good & rising, axis=1)
        sure = likeness[np.arange(len(batch)), best] >= _PERIODIC
        found.append(np.where(sure, HEARD_RATE / np.maximum(lags[best], 1), 0.0))
    return np.concatenate(found)


def cepstra(heard: Samples) -> Floats:
    """Return what the timbre of each frame is, loudness aside.  # (num_frames, 16)."""
    bank, taper = _filters(), np.hanning(_WINDOW)
    cut = windows(heard)
    found = []
    for begin in range(0, len(cut), _BATCH):
        power = np.abs(np.fft.rfft(cut[begin : begin + _BATCH] * taper)) ** 2
        found.append(np.log(power @ bank.T + 1e-10))
    bands = np.concatenate(found)
    turns = np.outer(np.arange(1, _NUM_CEPSTRA + 1), np.arange(_NUM_BANDS) + 0.5)
    return bands @ np.cos(np.pi / _NUM_BANDS * turns).T / _NUM_BANDS


def _autocorrelation(frames: Floats) -> Floats:
    spectrum = np.fft.rfft(frames, 2 * _WINDOW)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2), np.float64)


def _filters() -> Floats:
    """Return triangles, evenly spaced to the ear.  # (_NUM_BANDS, _WINDOW // 2 + 1)."""
    low, high = (1127 * np.log1p(edge / 700) for edge in _BANDS)
    edges = 700 * np.expm1(np.linspace(low, high, _NUM_BANDS + 2) / 1127)
    frequencies = np.fft.rfftfreq(_WINDOW, 1 / HEARD_RATE)
    below, middle, above = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (
        (frequencies - below) / (middle - below),
        (above - frequencies) / (above - middle),
    )
    bank: Floats = np.maximum(np.minimum(rising, falling), 0.0)
    return bank
