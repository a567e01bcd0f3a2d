"""What a client may ask to hear, and what it is told when it cannot have it."""

import pytest

from indextts_daemon.audio.output import FORMATS, SAMPLE_RATES, OutputFormat
from indextts_daemon.errors import InvalidRequestError


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "opus"])
def test_without_a_rate_the_output_is_24_khz(name: str) -> None:
    assert OutputFormat.of(name).sample_rate == 24000


def test_opus_is_48_khz_with_and_without_saying_so() -> None:
    assert OutputFormat.of("opus") == OutputFormat.of("opus", 48000)
    assert OutputFormat.of("opus").sample_rate == 48000


@pytest.mark.parametrize("rate", [rate for rate in SAMPLE_RATES if rate != 48000])
def test_opus_refuses_other_rates_and_says_what_to_do(rate: int) -> None:
    with pytest.raises(InvalidRequestError, match="leave sample_rate out") as refusal:
        OutputFormat.of("opus", rate)
    assert refusal.value.param == "sample_rate"


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "opus"])
@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_every_other_pair_is_offered(name: str, rate: int) -> None:
    assert OutputFormat.of(name, rate).sample_rate == rate


@pytest.mark.parametrize("rate", [0, -1, 11025, 96000])
def test_a_rate_that_is_not_offered_is_refused_with_the_list(rate: int) -> None:
    with pytest.raises(InvalidRequestError, match="44100") as refusal:
        OutputFormat.of("wav", rate)
    assert refusal.value.param == "sample_rate"


def test_an_unknown_format_is_refused_with_the_list() -> None:
    with pytest.raises(InvalidRequestError, match="wav, pcm, mp3, opus, flac") as refusal:
        OutputFormat.of("aac")
    assert refusal.value.param == "response_format"


@pytest.mark.parametrize("param", ["lead_in_ms", "tail_ms"])
def test_negative_silence_is_refused(param: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        OutputFormat.of("wav", **{param: -1})
    assert refusal.value.param == param


def test_media_types_are_those_that_players_know() -> None:
    media_types = {name: OutputFormat.of(name).media_type for name in FORMATS}
    assert media_types == {
        "wav": "audio/wav",
        "pcm": "audio/pcm",
        "mp3": "audio/mpeg",
        "opus": "audio/ogg; codecs=opus",
        "flac": "audio/flac",
    }
