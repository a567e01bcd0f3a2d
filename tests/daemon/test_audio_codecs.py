"""Each container, parsed by hand: what a player relies on before it hears anything."""

import av
import numpy as np
import pytest

from indextts_daemon.audio.codecs import codec_for, wav_header
from indextts_daemon.audio.output import FORMATS, SAMPLE_RATES, OutputFormat
from tests.daemon.listening import cut, encoded, ogg_pages, speech


def _stream(name: str, rate: int | None = None, *, seconds: float = 1.0) -> bytes:
    output = OutputFormat.of(name, rate)
    return b"".join(encoded(output, [speech(seconds, output.sample_rate)], output.sample_rate))


@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_a_wav_header_is_44_bytes_with_both_sizes_open(rate: int) -> None:
    expected = (
        b"RIFF" + b"\xff\xff\xff\xff" + b"WAVE"
        b"fmt " + (16).to_bytes(4, "little") + b"\x01\x00" + b"\x01\x00"
        + rate.to_bytes(4, "little") + (2 * rate).to_bytes(4, "little") + b"\x02\x00" + b"\x10\x00"
        b"data" + b"\xff\xff\xff\xff"
    )  # fmt: skip
    assert wav_header(rate) == expected
    assert len(expected) == 44


def test_wav_is_its_header_and_then_exactly_pcm() -> None:
    assert _stream("wav") == wav_header(24000) + _stream("pcm")


def test_pcm_is_little_endian_int16() -> None:
    codec = codec_for(OutputFormat.of("pcm"))
    assert codec.encode(np.array([1, -2, 256], np.int16)) == b"\x01\x00\xfe\xff\x00\x01"


@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_mp3_is_constant_rate_mono_frames_without_a_xing_or_lame_tag(rate: int) -> None:
    stream = _stream("mp3", rate)
    after_side_info = stream[21:25] if rate >= 32000 else stream[13:17]
    assert after_side_info not in (b"Xing", b"Info")
    sizes = _mp3_frame_sizes(stream, rate)
    assert sum(sizes) == len(stream)
    assert max(sizes) - min(sizes) <= 1


def _mp3_frame_sizes(stream: bytes, rate: int) -> list[int]:
    sizes, at = [], 0
    wide = rate >= 32000  # MPEG-1, whose frames are twice as long
    rates = (0, 32, 40, 48, 56, 64, 80, 96) if wide else (0, 8, 16, 24, 32, 40, 48, 56, 64)
    while at < len(stream):
        header = int.from_bytes(stream[at : at + 4])
        assert header >> 21 == 0x7FF
        assert header >> 19 & 3 == (3 if wide else 2 if rate >= 16000 else 0)
        assert header >> 6 & 3 == 3  # mono
        bits_per_second = rates[header >> 12 & 15] * 1000
        sizes.append((144 if wide else 72) * bits_per_second // rate + (header >> 9 & 1))
        at += sizes[-1]
    return sizes


def test_every_mp3_frame_stands_alone() -> None:
    stream = _stream("mp3")
    sizes = _mp3_frame_sizes(stream, 24000)
    starts = np.cumsum([0, *sizes[:-1]])
    reservoir = {stream[start + 4] for start in starts}  # main_data_begin of MPEG-2
    assert reservoir == {0}


@pytest.mark.parametrize("rate", [rate for rate in SAMPLE_RATES if rate != 48000])
def test_flac_opens_with_a_stream_info_of_unknown_length(rate: int) -> None:
    stream = _stream("flac", rate)
    assert stream[:8] == b"fLaC\x80\x00\x00\x22"
    assert int.from_bytes(stream[8:10]) == int.from_bytes(stream[10:12]) == rate // 50
    packed = int.from_bytes(stream[18:26])
    assert (packed >> 44, packed >> 41 & 7, packed >> 36 & 31) == (rate, 0, 15)
    assert packed & 0xFFFFFFFFF == 0
    assert stream[26:42] == bytes(16)  # no checksum of what is still to come
    assert stream[42:44] in (b"\xff\xf8", b"\xff\xf9")


def test_opus_pages_hold_at_most_20_ms_and_count_up_to_the_last_sample() -> None:
    pages = ogg_pages(_stream("opus", seconds=1.003))
    head, tags, *audio = pages
    assert head[0] == 2
    assert head[2].startswith(b"OpusHead\x01\x01")
    assert tags[2].startswith(b"OpusTags")
    pre_skip = int.from_bytes(head[2][10:12], "little")
    granules = [granule for _, granule, _ in audio]
    steps = np.diff([0, *granules])
    assert steps.min() >= 0
    assert steps.max() <= 960
    assert granules[-1] == pre_skip + round(1.003 * 48000)
    assert [flags & 4 for flags, _, _ in audio] == [0] * (len(audio) - 1) + [4]


def test_opus_leaves_page_by_page() -> None:
    output = OutputFormat.of("opus")
    parts = encoded(output, cut(speech(1, 48000), [960] * 49), 48000)
    assert all(part.startswith(b"OggS") for part in parts if part)
    assert sum(1 for part in parts if part) >= 46


@pytest.mark.parametrize("name", FORMATS)
def test_ffmpeg_has_nothing_to_complain_about(name: str) -> None:
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture(local=False) as complaints:
            _stream(name)
    finally:
        av.logging.set_level(None)
    assert complaints == []


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_sound_gives_the_same_bytes(name: str) -> None:
    assert _stream(name) == _stream(name)
