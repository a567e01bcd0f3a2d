"""Speech-like sound and independent ears, for the tests of the encoder."""

from collections.abc import Iterable
import io
import struct
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from indextts_daemon.audio.encoder import Encoder
from indextts_daemon.audio.output import OutputFormat
from indextts_daemon.speech import AudioChunk, Samples


def speech(seconds: float, rate: int) -> Samples:
    """Make a gliding buzz with syllables, loud enough that a missing stretch shows."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (140 * t + 10 * np.sin(3 * t))
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12))
    return (0.25 * buzz * (0.6 + 0.4 * np.sin(25 * t))).astype(np.float32)


def cut(samples: Samples, sizes: Iterable[int]) -> list[Samples]:
    """Cut into pieces of the sizes; what is left over is the last."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(samples[start : start + size])
        start += size
    return [*pieces, samples[start:]]


def encoded(output: OutputFormat, pieces: Iterable[Samples], rate: int) -> list[bytes]:
    """Return what leaves the encoder after each piece, and at the end."""
    encoder = Encoder(output)
    parts = [encoder.write(AudioChunk(samples=piece, sample_rate=rate)) for piece in pieces]
    return [*parts, encoder.finish()]


def heard(stream: bytes, output: OutputFormat) -> NDArray[Any]:
    """Return the samples of a stream, int16 or from lossy codecs float32, decoded by FFmpeg."""
    if output.format == "pcm":
        return np.frombuffer(stream, "<i2")
    with av.open(io.BytesIO(stream)) as container:
        frames = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    assert rate == output.sample_rate
    return np.concatenate(frames) if frames else np.zeros(0, np.int16)


def quantised(samples: Samples) -> NDArray[np.int16]:
    """Return the int16 that a float sample must become."""
    return np.array([max(-32768, min(32767, round(float(x) * 32768))) for x in samples], np.int16)


def with_flac_length(stream: bytes, num_frames: int) -> bytes:
    """Fill in the length that a stream cannot know: libsndfile wants one."""
    packed = struct.unpack(">Q", stream[18:26])[0]
    return stream[:18] + struct.pack(">Q", packed & ~0xFFFFFFFFF | num_frames) + stream[26:]


def ogg_pages(stream: bytes) -> list[tuple[int, int, bytes]]:
    """Return flags, granule position and body of each page, strictly parsed."""
    pages, at = [], 0
    while at < len(stream):
        magic, version, flags, granule, _, number, _, segments = struct.unpack_from(
            "<4sBBqIIIB", stream, at
        )
        assert (magic, version, number) == (b"OggS", 0, len(pages))
        lacing = stream[at + 27 : at + 27 + segments]
        body = at + 27 + segments
        at = body + sum(lacing)
        pages.append((flags, granule, stream[body:at]))
    assert at == len(stream)
    return pages
