"""From int16 mono samples to the bytes of one container, as they come. Knows no engine.

Every codec here streams: no header is rewritten at the end, no byte is held back that could go.
"""

from collections.abc import Iterable
from fractions import Fraction
import struct
from typing import Protocol

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.buffer import Buffer
import numpy as np
from numpy.typing import NDArray

from indextts_daemon.audio.output import OutputFormat

Pcm = NDArray[np.int16]  # (num_frames,)

_UNKNOWN_SIZE = 0xFFFFFFFF
_MP3_WIDE_RATE = 32000  # from here on MPEG-1 frames, which need more bits for the same sound


class Codec(Protocol):
    """One stream's encoder; `finish` ends it, `close` abandons it."""

    def encode(self, pcm: Pcm) -> bytes:
        """Return what can be said so far; may be empty."""

    def finish(self) -> bytes:
        """Return the rest."""

    def close(self) -> None:
        """Free what is held; may follow `finish`."""


def codec_for(output: OutputFormat) -> Codec:
    """Open the codec of a stream."""
    match output.format:
        case "wav":
            return RawCodec(header=wav_header(output.sample_rate))
        case "pcm":
            return RawCodec(header=b"")
        case "mp3":
            return _mp3(output.sample_rate)
        case "flac":
            return _flac(output.sample_rate)
        case _:
            return OggOpusCodec()


def wav_header(sample_rate: int) -> bytes:
    """Make the header of a WAV whose length nobody knows yet: both sizes at their maximum."""
    riff = struct.pack("<4sI4s", b"RIFF", _UNKNOWN_SIZE, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return riff + form + struct.pack("<4sI", b"data", _UNKNOWN_SIZE)


class RawCodec:
    """Little-endian int16 behind an optional header."""

    def __init__(self, *, header: bytes) -> None:
        self._header = header

    def encode(self, pcm: Pcm) -> bytes:
        """Return the samples; the header leaves with the first."""
        header, self._header = self._header, b""
        return header + pcm.astype("<i2", copy=False).tobytes()

    def finish(self) -> bytes:
        """Return nothing: raw samples are never held back."""
        return b""

    def close(self) -> None:
        """Hold nothing."""


class PacketCodec:
    """A codec whose packets need no container: they follow each other behind a header."""

    def __init__(self, context: AudioCodecContext, *, header: bytes = b"") -> None:
        self._context = context
        self._header = header

    def encode(self, pcm: Pcm) -> bytes:
        """Return the packets that are complete; the header leaves with the first samples."""
        header, self._header = self._header, b""
        if not pcm.size:
            return header
        return header + _joined(self._context.encode(_frame(pcm, self._context)))

    def finish(self) -> bytes:
        """Return the packets still inside."""
        return _joined(self._context.encode(None))

    def close(self) -> None:
        """Leave the context to reference counting: it owns memory only."""


def _mp3(sample_rate: int) -> PacketCodec:
    """CBR without a bit reservoir, so that every frame stands alone, and without a Xing frame."""
    context = _context("libmp3lame", sample_rate, sample_format="s16p")
    context.bit_rate = 96_000 if sample_rate >= _MP3_WIDE_RATE else 64_000
    # Level 7 costs the same as 9 and a third less than 5.
    context.options = {"compression_level": "7", "reservoir": "0"}
    context.open()
    return PacketCodec(context)


def _flac(sample_rate: int) -> PacketCodec:
    """20 ms blocks behind a STREAMINFO that leaves length and checksum open."""
    context = _context("flac", sample_rate, sample_format="s16")
    context.options = {"compression_level": "1", "frame_size": str(sample_rate // 50)}
    context.open()
    stream_info = context.extradata or b""
    last_block = struct.pack(">I", 0x80 << 24 | len(stream_info))
    return PacketCodec(context, header=b"fLaC" + last_block + stream_info)


class OggOpusCodec:
    """Opus in Ogg pages of 20 ms, the length exact by the last page's granule position."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._container = av.open(
            self._sink,
            "w",
            format="ogg",
            options={"page_duration": "20000", "flush_packets": "1", "fflags": "+bitexact"},
        )
        self._stream = self._container.add_stream(
            "libopus",
            rate=48000,
            layout="mono",
            format="s16",
            options={"application": "audio", "compression_level": "2"},
        )
        self._stream.bit_rate = 64_000
        self._container.start_encoding()
        self._position = 0

    def encode(self, pcm: Pcm) -> bytes:
        """Return the pages that are complete."""
        if pcm.size:
            frame = _frame(pcm, self._stream.codec_context)
            frame.pts = self._position
            self._position += pcm.size
            self._container.mux(self._stream.encode(frame))
        return self._sink.take()

    def finish(self) -> bytes:
        """Return the last pages."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()

    def close(self) -> None:
        """Close the container; what it still writes is dropped with it."""
        self._container.close()


class _Sink:
    """The file that a container writes to: forward only."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _context(name: str, sample_rate: int, *, sample_format: str) -> AudioCodecContext:
    context = av.CodecContext.create(name, "w")
    if not isinstance(context, AudioCodecContext):
        raise TypeError(name)
    context.sample_rate = sample_rate
    context.layout = "mono"
    context.format = sample_format
    context.time_base = Fraction(1, sample_rate)
    return context


def _frame(pcm: Pcm, context: AudioCodecContext) -> AudioFrame:
    frame = AudioFrame.from_ndarray(pcm[np.newaxis], format=context.format.name, layout="mono")
    frame.sample_rate = context.sample_rate
    frame.time_base = Fraction(1, context.sample_rate)
    return frame


def _joined(packets: Iterable[Buffer]) -> bytes:
    return b"".join(map(bytes, packets))
