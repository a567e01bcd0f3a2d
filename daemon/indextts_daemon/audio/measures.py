"""What can be measured on a recording: level, noise, hum, bandwidth, echo, and where it is best."""

import numpy as np
from numpy.typing import NDArray

from .recording import FRAME, FRAME_S, HEARD_RATE, Recording

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_QUIETEST = 1e-12  # power: digital silence, as if it were -120 dB
_CLEAREST_DB = 90.0
_ASIDE = 3  # frames beside speech that are neither speech nor noise
_FEWEST = 5  # frames of noise that are enough to judge it
_BAND = 250  # Hz
_DEEPEST_DB = 60.0  # below the strongest band: there, nothing is left of a voice
_MAINS = (50, 60)  # Hz
_HARMONICS = 6
_BESIDE = 8  # Hz that a line of a spectrum is wide
_LOWEST = 20  # Hz that anybody hears
_FALL_FRAME = 128  # 8 ms
_FALL_FRAMES = 12  # 0.1 s
_LOUD_DB = 15.0
_IN_WORD = 1e6  # what a cut into a word costs: only done where there is no pause


def decibels(power: float) -> float:
    """Return a power as decibels below full scale."""
    return float(10 * np.log10(max(power, _QUIETEST)))


def powers(heard: NDArray[np.float32], frame: int = FRAME) -> Floats:
    """Return the mean square of each frame."""
    squares: Floats = np.square(heard.reshape(-1, frame), dtype=np.float64)
    return np.asarray(squares.mean(axis=1))


def quiet(speech: Mask) -> Mask:
    """Mark the frames that are well away from any speech."""
    near = np.convolve(speech, np.ones(2 * _ASIDE + 1), "same") > 0
    return np.asarray(~near, np.bool_)


def signal_to_noise(recording: Recording) -> float:
    """Return by how many decibels the voice is louder than what is heard in its pauses."""
    power = powers(recording.heard)
    pauses = power[quiet(recording.speech)]
    noise = np.median(pauses) if len(pauses) >= _FEWEST else np.percentile(power, 5)
    voice = power[recording.speech].mean()
    ratio = decibels(max(voice - noise, _QUIETEST)) - decibels(float(noise))
    return min(ratio, _CLEAREST_DB)


def hum_share(recording: Recording) -> float:
    """Return which part of the noise is a hum of the mains."""
    spectrum = _spectrum(recording, quiet(recording.speech), 8)
    frequencies = np.fft.rfftfreq(8 * FRAME, 1 / HEARD_RATE)
    total = float(spectrum[frequencies > _LOWEST].sum())
    shares = [
        sum(
            float(spectrum[np.abs(frequencies - mains * number) < _BESIDE].sum())
            for number in range(1, _HARMONICS + 1)
        )
        for mains in _MAINS
    ]
    return max(shares) / max(total, _QUIETEST)


def bandwidth(recording: Recording) -> float:
    """Return up to which frequency in Hz there is a voice; at most half of what is looked at."""
    voice = _bands(_spectrum(recording, recording.speech))
    noise = _bands(_spectrum(recording, quiet(recording.speech)))
    audible = (voice > voice.max() * 10 ** (-_DEEPEST_DB / 10)) & (voice > 2 * noise)
    return float((np.flatnonzero(audible).max(initial=-1) + 1) * _BAND)


def fall(recording: Recording) -> float:
    """Return by how many decibels the sound falls in a tenth of a second, when it falls fast.

    A voice stops at once and its echo does not: in a bare room this is a small number.
    """
    level = 10 * np.log10(np.maximum(powers(recording.heard, _FALL_FRAME), 1e-10))
    loud = level[:-_FALL_FRAMES] > np.percentile(level, 95) - _LOUD_DB
    return float(np.percentile((level[:-_FALL_FRAMES] - level[_FALL_FRAMES:])[loud], 95))


def best_window(
    recording: Recording, within: tuple[int, int], bounds_s: tuple[float, float]
) -> tuple[int, int]:
    """Return the frames of most speech and fewest faults; cut in pauses if that can be.

    All of `within` where that is shorter than the shortest that may be.
    """
    first, last = within
    shortest, longest = (round(bound / FRAME_S) for bound in bounds_s)
    score = np.concatenate([[0.0], np.cumsum(_merits(recording)[first:last])])
    speech = recording.speech[first:last]
    in_word = np.concatenate([[False], speech[1:] & speech[:-1], [False]])
    best = (-np.inf, first, last)
    for length in range(shortest, min(longest, last - first) + 1):
        cuts = in_word[length:].astype(int) + in_word[: len(in_word) - length]
        gains = score[length:] - score[: len(score) - length] - _IN_WORD * cuts
        begin = int(np.argmax(gains))
        best = max(best, (float(gains[begin]), first + begin, first + begin + length))
    return best[1], best[2]


def _merits(recording: Recording) -> Floats:
    """Return what each frame is worth in a reference."""
    power = powers(recording.heard)
    faint = power < np.median(power[recording.speech]) / 100
    spoken = np.where(recording.clipped > 0, 0.25, np.where(faint, 0.5, 1.0))
    return np.where(recording.speech, spoken, -0.2)


def _spectrum(recording: Recording, chosen: Mask, span: int = 1) -> Floats:
    """Return the mean power spectrum of the chosen frames, `span` of them at a time."""
    usable = len(recording.heard) // (span * FRAME)
    frames = recording.heard[: usable * span * FRAME].reshape(usable, span * FRAME)
    wanted = chosen[: usable * span].reshape(usable, span).all(axis=1)
    if not wanted.any():
        return np.zeros(span * FRAME // 2 + 1)
    taper = np.hanning(span * FRAME)
    power = np.square(np.abs(np.fft.rfft(frames[wanted] * taper)))
    return np.asarray(power.mean(axis=0) / np.square(taper).sum(), np.float64)


def _bands(spectrum: Floats) -> Floats:
    width = round(_BAND / (HEARD_RATE / FRAME))
    whole = spectrum[1 : 1 + (len(spectrum) - 1) // width * width]
    return np.asarray(whole.reshape(-1, width).mean(axis=1))
