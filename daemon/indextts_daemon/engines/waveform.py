"""Spectra to sound in windows: what the `heart` voice's network predicts, frame by frame.

Per frame of 12.5 ms the network gives a harmonic part (level and phase, applied to the spectrum
of a pulse train at the pitch), a noise level and a free part (level and phase). Their sum goes
through one inverse STFT. The same sum as `hibari.dsp.synth`, but the first window can leave before
the rest is computed, and the noise comes from a table instead of a generator.

F frames, K bins.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from indextts_daemon.speech import Samples

SAMPLE_RATE = 24000
HOP = 300
_LENGTH = 1200  # samples of a frame
_OVERLAP = _LENGTH // HOP
_BINS = _LENGTH // 2 + 1
_BLOCK = 128  # frames worked on at once: they stay in the core's own cache
_TABLE = 1 << 19  # complex numbers of noise: eleven seconds until it repeats
_LOUDEST = np.float32(7)  # exponents above are the network's mistake
_LEAST_PITCH = np.float32(40)  # Hz; below, a frame is unvoiced
_MOST_HARMONIC = np.float32(11000)  # Hz

_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_LENGTH) / _LENGTH)
_ANALYSIS = (_HANN / (_LENGTH / 4)).astype(np.float32)  # a unit cosine has a peak of one
_OVERLAPPED = np.sum((_HANN * _HANN).reshape(_OVERLAP, HOP), axis=0)  # 1.5, where all overlap
_SYNTHESIS = (_HANN.reshape(_OVERLAP, HOP) / _OVERLAPPED).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spectra:
    """What the network predicts for a sentence, each of shape (K, F) but the pitch."""

    harmonic: NDArray[np.float32]  # log level
    harmonic_phase: NDArray[np.float32]  # tanh of it is in units of pi
    noise: NDArray[np.float32]  # log level
    free: NDArray[np.float32]  # log level
    free_phase: NDArray[np.float32]  # radians
    pitch: NDArray[np.float32]  # Hz (F,)

    @property
    def num_frames(self) -> int:
        """F."""
        return len(self.pitch)


class NoiseTable:
    """Complex white noise, drawn once; a sentence reads it from a place of its own."""

    def __init__(self) -> None:
        parts = np.random.default_rng(0).standard_normal(2 * _TABLE, dtype=np.float32)
        table = parts.view(np.complex64)
        self._table = np.concatenate([table, table[: _BLOCK * _BINS]])  # no window wraps

    def frames(self, place: int, first: int, count: int) -> NDArray[np.complex64]:
        """Return the noise of `count` frames, at most a block, as (F, K)."""
        start = (place + first * _BINS) % _TABLE
        return self._table[start : start + count * _BINS].reshape(count, _BINS)


class Waveform:
    """The sound of one sentence, rendered from its beginning in windows of any size."""

    def __init__(self, spectra: Spectra, noise: NoiseTable, *, place: int) -> None:
        self._spectra = spectra
        self._noise = noise
        self._place = place
        self._next = 0  # frame
        self._carry = np.zeros((_OVERLAP - 1, HOP), np.float32)  # what later frames add to
        padded = np.pad(pulse_train(spectra.pitch), _LENGTH // 2, mode="reflect")
        self._pulses = sliding_window_view(padded, _LENGTH)[::HOP]

    @property
    def frames_left(self) -> int:
        """How many frames are still to be rendered."""
        return self._spectra.num_frames - self._next

    def render(self, num_frames: int) -> Samples:
        """Return the next samples: about `num_frames` hops, and the rest after the last frame."""
        end = min(self._next + num_frames, self._spectra.num_frames)
        blocks = []
        while self._next < end:
            blocks.append(self._render_block(min(_BLOCK, end - self._next)))
        return np.concatenate(blocks)

    def _render_block(self, count: int) -> Samples:
        first, total = self._next, self._spectra.num_frames
        frames = np.fft.irfft(self._spectrum(first, count), _LENGTH, axis=1)
        frames = frames.reshape(count, _OVERLAP, HOP)
        frames *= _SYNTHESIS
        hops = np.zeros((count + _OVERLAP - 1, HOP), np.float32)
        hops[: _OVERLAP - 1] = self._carry
        for lag in range(_OVERLAP):
            hops[lag : lag + count] += frames[:, lag]
        self._next += count
        self._carry = hops[count:]
        # Frames are centred: the first two hops lie before the sentence, the last one after it.
        kept = hops[max(0, 2 - first) : count if self.frames_left else count + 2]
        _even_out(kept, max(first, 2), total)
        return kept.reshape(-1)

    def _spectrum(self, first: int, count: int) -> NDArray[np.complex64]:
        """Return the frames' spectra, (F, K)."""
        spectra, part = self._spectra, slice(first, first + count)
        pulses = self._pulses[part] * _ANALYSIS
        total = np.fft.rfft(pulses, axis=1).astype(np.complex64, copy=False)
        wave = np.empty((count, _BINS), np.complex64)
        phase = np.tanh(_by_frame(spectra.harmonic_phase, part))
        phase *= np.float32(np.pi)
        _set_phase(wave, phase)
        wave *= _level(spectra.harmonic, part)
        total *= wave
        _set_phase(wave, _by_frame(spectra.free_phase, part))
        wave *= _level(spectra.free, part)
        total += wave
        noise = self._noise.frames(self._place, first, count)
        total += np.multiply(noise, _level(spectra.noise, part), out=wave)
        return total


def pulse_train(pitch: NDArray[np.float32]) -> Samples:
    """Return all harmonics of the pitch at unit level, (F * HOP,); unvoiced stretches are zero.

    The sum of H cosines in closed form: sin((H + 1/2) t) / (2 sin(t / 2)) - 1/2.
    """
    hertz = _interpolated(pitch)
    voiced = hertz > _LEAST_PITCH
    np.maximum(hertz, _LEAST_PITCH, out=hertz)
    turns = hertz.astype(np.float64)  # summing what is converted already is three times as fast
    np.cumsum(turns, out=turns)
    turns *= 1 / SAMPLE_RATE
    turns -= np.floor(turns)
    turns *= 2 * np.pi
    angle = turns.astype(np.float32)
    order = np.floor(_MOST_HARMONIC / hertz)
    order += np.float32(0.5)
    below = np.sin(angle * np.float32(0.5))
    below *= 2
    at_peak = np.abs(below) <= np.float32(2e-3)
    pulses: Samples = np.sin(np.multiply(order, angle, out=angle))
    below[at_peak] = 1
    pulses /= below
    pulses[at_peak] = order[at_peak]
    pulses -= np.float32(0.5)
    pulses *= voiced
    return pulses


def _interpolated(pitch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pitch at every sample: a frame's value holds at the middle of its hop."""
    edged = np.pad(pitch, 1, mode="edge")[:, None]
    ahead = (((np.arange(HOP) + 0.5) / HOP - 0.5) % 1.0).astype(np.float32)
    half, hertz = HOP // 2, np.empty((len(pitch), HOP), np.float32)
    hertz[:, :half] = edged[:-2] * (1 - ahead[:half]) + edged[1:-1] * ahead[:half]
    hertz[:, half:] = edged[1:-1] * (1 - ahead[half:]) + edged[2:] * ahead[half:]
    return hertz.reshape(-1)


def _by_frame(values: NDArray[np.float32], part: slice) -> NDArray[np.float32]:
    """Return a window of (K, F) as (F, K): the copy makes everything after it twice as fast."""
    return np.ascontiguousarray(values[:, part].T)


def _level(exponents: NDArray[np.float32], part: slice) -> NDArray[np.float32]:
    level = _by_frame(exponents, part)
    np.minimum(level, _LOUDEST, out=level)
    np.exp(level, out=level)
    return level


def _set_phase(wave: NDArray[np.complex64], phase: NDArray[np.float32]) -> None:
    np.cos(phase, out=wave.real)
    np.sin(phase, out=wave.imag)


def _even_out(hops: NDArray[np.float32], first: int, total: int) -> None:
    """Scale up the sentence's ends, where fewer frames overlap; `hops` begin at number `first`."""
    squared = (_HANN * _HANN).reshape(_OVERLAP, HOP)
    for row, hop in enumerate(range(first, first + len(hops))):
        if _OVERLAP - 1 <= hop < total:
            continue
        present = [lag for lag in range(_OVERLAP) if 0 <= hop - lag < total]
        hops[row] *= (_OVERLAPPED / np.sum(squared[present], axis=0)).astype(np.float32)
