"""Recordings: what is read and what is refused, bounded whatever a file says of itself."""

import io
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr

from indextts_daemon.audio import recording
from indextts_daemon.audio.output import OutputFormat
from indextts_daemon.audio.recording import FRAME, RecordingError
from tests.daemon import listening
from tests.daemon.recordings import MADE, RATE, encoded, heart


def refusal(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        recording.read(content)
    assert caught.value.message.endswith(".")
    return caught.value.error_code


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_every_promised_format_is_read_at_its_own_rate(container: str) -> None:
    found = recording.read(encoded(heart(), container=container))
    assert found.sample_rate == RATE
    assert found.duration_s == pytest.approx(len(heart()) / RATE, abs=0.1)
    assert np.corrcoef(found.samples[: len(heart())], heart()[: len(found.samples)])[0, 1] > 0.99


@pytest.mark.parametrize(
    ("container", "suffix"), [("WAV", ".wav"), ("FLAC", ".flac"), ("OGG", ".ogg"), ("MP3", ".mp3")]
)
def test_a_file_is_known_by_what_it_holds(container: str, suffix: str) -> None:
    assert recording.read(encoded(heart()[:RATE], container=container)).suffix == suffix


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "opus"])
def test_what_the_daemon_itself_speaks_can_be_a_recording(form: str) -> None:
    """Such streams do not say how long they are."""
    spoken = listening.encoded(OutputFormat.of(form), [heart()], RATE)
    found = recording.read(b"".join(spoken))
    assert found.duration_s == pytest.approx(len(heart()) / RATE, abs=0.1)


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"\x00\x00\x00\x20ftypM4A ", "an m4a or mp4 recording"),
        (b"\x1aE\xdf\xa3\x9f\x42", "a webm recording"),
        (b"caff\x00\x01", "a caf recording"),
        (b"#!AMR\n", "an amr recording"),
        (encoded(np.zeros(100), container="AIFF"), "an aiff recording"),
    ],
)
def test_what_phones_record_is_named_with_what_to_do(beginning: bytes, kind: str) -> None:
    with pytest.raises(RecordingError, match=f"{kind}. Save it as wav, flac, ogg or mp3") as caught:
        recording.read(beginning + bytes(1000))
    assert caught.value.error_code == "not_audio"


def test_channels_become_their_mean() -> None:
    stereo = np.stack([heart(), np.zeros_like(heart())], axis=1)
    assert np.abs(recording.read(encoded(stereo)).samples - heart() / 2).max() < 1e-3


def test_of_channels_that_cancel_each_other_the_loudest_is_heard() -> None:
    stereo = np.stack([0.9 * heart(), -heart()], axis=1)
    found = recording.read(encoded(stereo))
    assert np.abs(found.samples + heart() - heart().mean()).max() < 1e-3


def test_a_rate_that_no_model_takes_in_is_brought_down() -> None:
    fine = soxr.resample(heart(), RATE, 8 * RATE)
    found = recording.read(encoded(fine, rate=8 * RATE, container="FLAC"))
    assert found.sample_rate == 48000
    assert found.duration_s == pytest.approx(len(heart()) / RATE, abs=0.01)
    assert np.corrcoef(found.samples[: 2 * len(heart()) : 2], heart())[0, 1] > 0.99


def test_a_small_file_that_unpacks_to_much_takes_little_memory() -> None:
    content = encoded(np.zeros((192_000 * 30, 8), np.int16), rate=192_000, container="FLAC")
    assert len(content) < 1 << 20
    tracemalloc.start()
    recording.read(content)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 40 << 20


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 50])
def test_a_run_at_the_peak_counts_wherever_a_block_ends(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(recording, "_BLOCK", 7)
    for begin in range(100, 115):
        sound = np.full(2 * FRAME, 0.1)
        sound[begin : begin + length] = 0.8
        clipped = recording.read(encoded(sound, rate=16000, subtype="FLOAT")).clipped
        assert clipped.tolist() == [(length if length > 2 else 0) / FRAME, 0]


def test_a_constant_is_taken_away() -> None:
    found = recording.read(encoded(heart() + 0.2))
    assert abs(float(found.samples.mean())) < 1e-6
    assert np.abs(found.samples - heart() + heart().mean()).max() < 1e-3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a sound at all" * 100,
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"ID3" + bytes(1000),
        encoded(np.zeros(100), container="AIFF"),
        encoded(np.zeros((100, 12))),
        encoded(np.zeros(100), rate=4000),
        encoded(np.full(1000, np.nan), subtype="FLOAT"),
    ],
    ids=["empty", "text", "cut", "id3", "aiff", "12 channels", "4 kHz", "nan"],
)
def test_what_is_no_recording_is_refused(content: bytes) -> None:
    assert refusal(content) == "not_audio"


def test_a_file_without_a_sound_is_refused() -> None:
    assert refusal(encoded(np.zeros(0))) == "empty"


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    assert refusal(bytes(recording.MAX_BYTES + 1)) == "too_large"


def test_a_recording_that_is_too_long_is_refused_early() -> None:
    """A few kilobytes of FLAC can hold hours of silence."""
    content = encoded(np.zeros(8000 * 601), rate=8000, container="FLAC")
    assert len(content) < 1 << 20
    assert refusal(content) == "too_long"


def test_a_header_that_lies_about_the_length_is_no_harm() -> None:
    content = bytearray(encoded(heart()))
    content[40:44] = b"\xf0\xff\xff\x7f"
    assert recording.read(bytes(content)).duration_s == pytest.approx(len(heart()) / RATE, abs=0.1)


@pytest.mark.parametrize("place", range(50, 20_000, 997))
def test_a_file_cut_off_anywhere_is_read_or_refused(place: int) -> None:
    content = encoded(heart()[:RATE], container="FLAC")[:place]
    try:
        recording.read(content)
    except RecordingError as err:
        assert err.error_code in {"not_audio", "empty"}  # noqa: PT017 either will do


def test_speech_is_found_where_it_is() -> None:
    silence = np.zeros(2 * RATE, np.float32)
    speech = recording.read(encoded(np.concatenate([silence, heart(), silence]))).speech
    frames_of_silence = 2 * 16000 // FRAME
    assert not speech[: frames_of_silence - 2].any()
    assert not speech[-frames_of_silence + 4 :].any()
    assert speech[frames_of_silence:-frames_of_silence].mean() > 0.6


def test_a_faint_voice_is_found_like_a_loud_one() -> None:
    loud = recording.read(encoded(heart(), subtype="FLOAT")).speech
    faint = recording.read(encoded(0.001 * heart(), subtype="FLOAT")).speech
    assert np.mean(loud == faint) > 0.98


def test_what_is_cut_off_is_marked_where_it_is() -> None:
    half = len(heart()) // 2
    sound = np.append(0.3 * heart()[:half], np.clip(6 * heart()[half:], -1, 1))
    clipped = recording.read(encoded(sound)).clipped
    assert clipped[: len(clipped) // 2 - 1].sum() == 0
    assert clipped[len(clipped) // 2 :].mean() > 0.005


def test_clipping_is_noticed_though_somebody_turned_it_down_later() -> None:
    sound = 0.3 * np.clip(6 * heart(), -1, 1)
    assert recording.read(encoded(sound)).clipped.mean() > 0.005


def test_numbers_beyond_full_scale_count_as_cut_off() -> None:
    found = recording.read(encoded(40 * heart(), subtype="FLOAT"))
    assert np.abs(found.samples).max() <= 2
    assert found.clipped.mean() > 0.03


def test_a_part_has_everything_of_its_frames() -> None:
    whole = recording.read(encoded(heart(), rate=44100))
    part = whole.part(10, 50)
    assert len(part.heard) == 40 * FRAME
    assert len(part.speech) == len(part.clipped) == 40
    begin, end = round(10 * 0.032 * 44100), round(50 * 0.032 * 44100)
    assert np.array_equal(part.samples, whole.samples[begin:end])


def test_an_empty_recording_in_each_format_says_so_or_is_none() -> None:
    for container in ("FLAC", "OGG", "MP3"):
        file = io.BytesIO()
        soundfile.write(file, np.zeros(0), RATE, format=container)
        assert refusal(file.getvalue()) in {"empty", "not_audio"}


def test_ten_recordings_are_enough_to_try_the_coach_with() -> None:
    assert len(MADE) >= 10
