"""One stream from an engine's float32 chunks to bytes: resampled, quantised once, encoded."""

import numpy as np
import soxr  # type: ignore[import-untyped]

from indextts_daemon.audio.codecs import Pcm, codec_for
from indextts_daemon.audio.output import OutputFormat
from indextts_daemon.errors import SynthesisError
from indextts_daemon.speech import AudioChunk, Samples

_FULL_SCALE = 32768.0


class Encoder:
    """Encodes one stream as it comes. Synchronous and for one thread at a time.

    One that is abandoned goes with its last reference.
    """

    def __init__(self, output: OutputFormat) -> None:
        self._output = output
        self._codec = codec_for(output)
        self._rate = output.sample_rate
        self._resampler: soxr.ResampleStream | None = None
        self._lead_in = _frames(output.lead_in_ms, output.sample_rate)

    @property
    def cheap(self) -> bool:
        """Whether a sentence costs well under a millisecond, so that an event loop may do it."""
        return self._output.format in ("wav", "pcm")

    def write(self, chunk: AudioChunk) -> bytes:
        """Take the next stretch of speech, at any rate, and return what is ready; may be b""."""
        if not np.isfinite(chunk.samples).all():
            raise SynthesisError("The engine made samples that are not numbers.")
        parts = [self._silence_before(), *self._at_output_rate(chunk)]
        return self._codec.encode(np.concatenate(parts))

    def finish(self) -> bytes:
        """End the stream: what the resampler holds, the tail silence, the container's end."""
        tail = _frames(self._output.tail_ms, self._output.sample_rate)
        parts = [self._silence_before(), self._drained(), np.zeros(tail, np.int16)]
        encoded = self._codec.encode(np.concatenate(parts)) + self._codec.finish()
        self._codec.close()
        return encoded

    def _silence_before(self) -> Pcm:
        frames, self._lead_in = self._lead_in, 0
        return np.zeros(frames, np.int16)

    def _at_output_rate(self, chunk: AudioChunk) -> list[Pcm]:
        drained = []
        if chunk.sample_rate != self._rate:
            drained = [self._drained()]
            self._rate = chunk.sample_rate
            if self._rate != self._output.sample_rate:
                self._resampler = soxr.ResampleStream(self._rate, self._output.sample_rate, 1)
        samples = chunk.samples
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(np.ascontiguousarray(samples))
        return [*drained, _quantised(samples)]

    def _drained(self) -> Pcm:
        """End the present resampler, if any, and return the last that it held."""
        resampler, self._resampler = self._resampler, None
        if resampler is None:
            return np.zeros(0, np.int16)
        return _quantised(resampler.resample_chunk(np.zeros(0, np.float32), last=True))


def _frames(milliseconds: int, sample_rate: int) -> int:
    return round(milliseconds * sample_rate / 1000)


def _quantised(samples: Samples) -> Pcm:
    scaled: Samples = np.rint(samples * np.float32(_FULL_SCALE))
    pcm: Pcm = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    return pcm
