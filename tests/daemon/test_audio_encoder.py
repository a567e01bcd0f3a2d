"""One continuous stream, however the engine cuts it and whatever rates it changes to."""

import gc
import io
import weakref

from hypothesis import given, settings, strategies as st
import numpy as np
from numpy.typing import ArrayLike
import pytest
import soundfile
import soxr

from indextts_daemon.audio.encoder import Encoder
from indextts_daemon.audio.output import FORMATS, SAMPLE_RATES, OutputFormat
from indextts_daemon.errors import SynthesisError
from indextts_daemon.speech import AudioChunk
from tests.daemon.listening import cut, encoded, heard, quantised, speech, with_flac_length

EXACT = ("wav", "pcm", "flac")
CHUNKINGS = {
    "whole": [],
    "thirds of a second": [8000] * 3,
    "tiny": [7] * 40 + [1, 0, 1],
    "uneven": [1, 4801, 0, 577, 12000],
}


def _chunk(samples: ArrayLike, rate: int = 24000) -> AudioChunk:
    return AudioChunk(samples=np.asarray(samples, np.float32), sample_rate=rate)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("sizes", CHUNKINGS.values(), ids=CHUNKINGS)
def test_at_the_engines_rate_every_sample_is_exact(name: str, sizes: list[int]) -> None:
    samples, output = speech(1.3, 24000), OutputFormat.of(name)
    stream = b"".join(encoded(output, cut(samples, sizes), 24000))
    np.testing.assert_array_equal(heard(stream, output), quantised(samples))


@pytest.mark.parametrize("name", EXACT)
def test_every_int16_comes_back_as_itself(name: str) -> None:
    counted = np.arange(-32768, 32768, dtype=np.int32).astype(np.float32) / 32768
    output = OutputFormat.of(name)
    stream = b"".join(encoded(output, [counted], 24000))
    np.testing.assert_array_equal(heard(stream, output), np.arange(-32768, 32768))


def test_what_is_too_loud_is_clipped_and_never_wraps() -> None:
    output = OutputFormat.of("pcm")
    stream = b"".join(encoded(output, [np.array([2, 1, -1, -2], np.float32)], 24000))
    assert heard(stream, output).tolist() == [32767, 32767, -32768, -32768]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sizes", CHUNKINGS.values(), ids=CHUNKINGS)
def test_the_cuts_cannot_be_heard(name: str, sizes: list[int]) -> None:
    samples, output = speech(1.3, 24000), OutputFormat.of(name)
    whole = heard(b"".join(encoded(output, [samples], 24000)), output)
    pieces = heard(b"".join(encoded(output, cut(samples, sizes), 24000)), output)
    np.testing.assert_array_equal(pieces, whole)


@given(
    sizes=st.lists(st.integers(0, 3000), max_size=12),
    rate=st.sampled_from([16000, 22050, 24000, 48000]),
    name=st.sampled_from(FORMATS),
)
@settings(deadline=None, max_examples=60)
def test_any_cutting_gives_the_same_sound(sizes: list[int], rate: int, name: str) -> None:
    samples, output = speech(0.4, rate), OutputFormat.of(name)
    whole = heard(b"".join(encoded(output, [samples], rate)), output)
    pieces = heard(b"".join(encoded(output, cut(samples, sizes), rate)), output)
    np.testing.assert_array_equal(pieces, whole)


@pytest.mark.parametrize("name", ["mp3", "opus"])
def test_lossy_speech_still_is_that_speech(name: str) -> None:
    output = OutputFormat.of(name)
    samples = speech(2, output.sample_rate)
    decoded = heard(b"".join(encoded(output, [samples], output.sample_rate)), output)
    likeness = np.correlate(decoded, samples[4000:-4000], "valid")
    start = int(likeness.argmax())
    aligned = decoded[start : start + samples.size - 8000]
    assert np.corrcoef(aligned, samples[4000:-4000])[0, 1] > 0.99
    assert abs(start - 4000) < (10 if name == "opus" else 1500)  # MP3 cannot hide its delay


@pytest.mark.parametrize("name", FORMATS)
def test_durations_are_right(name: str) -> None:
    output = OutputFormat.of(name)
    decoded = heard(b"".join(encoded(output, [speech(1.7, 24000)], 24000)), output)
    added = decoded.size - round(1.7 * output.sample_rate)
    assert 0 <= added <= (2500 if name == "mp3" else 0)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pcm"])
def test_libsndfile_hears_the_same(name: str) -> None:
    output = OutputFormat.of(name)
    stream = b"".join(encoded(output, [speech(1, 24000)], 24000))
    by_ffmpeg = heard(stream, output)
    if name == "flac":
        stream = with_flac_length(stream, by_ffmpeg.size)
    samples, rate = soundfile.read(
        io.BytesIO(stream), dtype="int16" if name in EXACT else "float32"
    )
    assert rate == output.sample_rate
    np.testing.assert_allclose(samples, by_ffmpeg, atol=1 if name in EXACT else 2e-3)


@pytest.mark.parametrize("name", FORMATS)
def test_the_first_chunk_is_heard_before_the_second_is_made(name: str) -> None:
    output = OutputFormat.of(name)
    encoder = Encoder(output)
    first = heard(encoder.write(_chunk(speech(0.3, 24000))), output)
    assert first.size / output.sample_rate > 0.2


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("rate", [24000, 22050, 16000])
def test_silence_before_and_after_is_exact_to_the_sample(name: str, rate: int) -> None:
    output = OutputFormat.of(name, rate, lead_in_ms=333, tail_ms=1001)
    samples = np.full(1000, 0.5, np.float32)
    decoded = heard(b"".join(encoded(output, cut(samples, [300, 300]), rate)), output)
    before, after = round(0.333 * rate), round(1.001 * rate)
    expected = [*[0] * before, *[16384] * 1000, *[0] * after]
    np.testing.assert_array_equal(decoded, expected)


def test_opus_silence_is_exact_in_length() -> None:
    output = OutputFormat.of("opus", lead_in_ms=100, tail_ms=250)
    decoded = heard(b"".join(encoded(output, [speech(0.5, 24000)], 24000)), output)
    assert decoded.size == round(0.85 * 48000)
    assert np.abs(decoded[:4000]).max() < 0.01 < np.abs(decoded[5000:24000]).max()


@pytest.mark.parametrize("source", [16000, 22050, 24000, 44100])
@pytest.mark.parametrize("target", SAMPLE_RATES)
def test_resampling_keeps_the_length_and_the_sound(source: int, target: int) -> None:
    samples, output = speech(0.7, source), OutputFormat.of("pcm", target)
    decoded = heard(b"".join(encoded(output, cut(samples, [999] * 9), source)), output)
    assert abs(decoded.size - samples.size * target / source) <= 1
    expected = soxr.resample(samples, source, target)
    size = min(decoded.size, expected.size)
    np.testing.assert_allclose(decoded[:size] / 32768, expected[:size], atol=2e-4)


def test_a_stream_keeps_its_rate_when_the_engine_changes_its_own() -> None:
    output = OutputFormat.of("wav")
    encoder = Encoder(output)
    parts = [
        encoder.write(_chunk(speech(0.5, rate), rate)) for rate in (16000, 24000, 24000, 48000)
    ]
    decoded = heard(b"".join([*parts, encoder.finish()]), output)
    assert abs(decoded.size - 2 * 24000) <= 2
    np.testing.assert_array_equal(decoded[12000:24000], quantised(speech(0.5, 24000)))
    for start in (0, 36000):
        stretch = decoded[start : start + 12000] / 32768
        assert np.abs(stretch - speech(0.5, 24000)).mean() < 0.01


@pytest.mark.parametrize("name", FORMATS)
def test_a_stream_that_says_nothing_ends_without_sound(name: str) -> None:
    output = OutputFormat.of(name)
    stream = Encoder(output).finish()
    if name in ("wav", "flac"):
        assert heard(stream, output).size == 0
    elif name == "opus":
        assert b"OpusHead" in stream
    else:
        assert stream == b""


@pytest.mark.parametrize("name", FORMATS)
def test_a_stream_of_silence_only_can_be_played(name: str) -> None:
    output = OutputFormat.of(name, lead_in_ms=200, tail_ms=300)
    decoded = heard(Encoder(output).finish(), output)
    assert decoded.size >= output.sample_rate // 2
    assert not decoded.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers_fail_the_synthesis(bad: float) -> None:
    encoder = Encoder(OutputFormat.of("wav"))
    with pytest.raises(SynthesisError):
        encoder.write(_chunk([0.0, bad, 0.0]))


@pytest.mark.parametrize("name", FORMATS)
def test_an_abandoned_stream_leaves_nothing_behind(name: str) -> None:
    encoder = Encoder(OutputFormat.of(name))
    encoder.write(_chunk(speech(0.3, 16000), 16000))
    gone = weakref.ref(encoder._codec)
    del encoder
    gc.collect()
    assert gone() is None


def test_only_raw_formats_are_cheap() -> None:
    assert [name for name in FORMATS if Encoder(OutputFormat.of(name)).cheap] == ["wav", "pcm"]


def test_read_only_samples_are_welcome() -> None:
    received = np.frombuffer(speech(0.1, 24000).tobytes(), np.float32)
    output = OutputFormat.of("pcm", 48000)
    assert heard(b"".join(encoded(output, [received], 24000)), output).size == 4800
