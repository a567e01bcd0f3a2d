"""Every preference is met: by the daemon to the letter, or by Home Assistant's own conversion."""

from itertools import product
from typing import Any

from homeassistant.exceptions import ServiceValidationError
import pytest

from custom_components.indextts.formats import FORMAT_OPTIONS, AudioFormat, audio_format

OCTOBER, NOVEMBER = (2026, 10), (2026, 11)
BOTH = pytest.mark.parametrize("version", [OCTOBER, NOVEMBER, (2027, 1)])
DAEMON_RATES = {8000, 16000, 22050, 24000, 32000, 44100, 48000}


def preferring(
    extension: str | None = None,
    rate: int | None = None,
    channels: int | None = None,
    width: int | None = None,
    bitrate: int | None = None,
) -> dict[str, Any]:
    named = zip(FORMAT_OPTIONS, (extension, rate, channels, width, bitrate), strict=True)
    return {name: value for name, value in named if value is not None}


def made(options: dict[str, Any], version: tuple[int, int]) -> tuple[str, str, int | None]:
    chosen = audio_format(options, home_assistant=version)
    return chosen.extension, chosen.response_format, chosen.sample_rate


def converts(options: dict[str, Any], extension: str, version: tuple[int, int]) -> bool:
    """Decide as Home Assistant's text-to-speech does for an engine that declares every option."""
    if version < NOVEMBER and any(name in options for name in FORMAT_OPTIONS[1:]):
        return True
    return bool(options.get("preferred_format", "mp3") != extension)


@BOTH
@pytest.mark.parametrize(
    ("preferred", "response_format"),
    [(None, "mp3"), ("mp3", "mp3"), ("wav", "wav"), ("flac", "flac"), ("ogg", "opus")],
)
def test_a_format_alone_comes_from_the_daemon(
    preferred: str | None, response_format: str, version: tuple[int, int]
) -> None:
    expected = (preferred or "mp3", response_format, None)
    assert made(preferring(preferred), version) == expected


@BOTH
def test_a_format_that_the_daemon_lacks_is_made_from_wav(version: tuple[int, int]) -> None:
    assert made(preferring("aac"), version) == ("wav", "wav", None)


@pytest.mark.parametrize(
    "options",
    [
        preferring("flac", 48000, 1, 2),
        preferring("wav", 16000, 1, 2),
        preferring("mp3", 44100),
        preferring("mp3", bitrate=128),
        preferring(channels=2),
        preferring(width=2),
    ],
)
def test_before_2026_11_what_is_converted_anyway_comes_as_ogg(options: dict[str, Any]) -> None:
    assert made(options, OCTOBER) == ("ogg", "opus", None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (preferring("flac", 48000, 1, 2), ("flac", "flac", 48000)),  # Voice PE
        (preferring("wav", 16000, 1, 2), ("wav", "wav", 16000)),  # VoIP
        (preferring("wav", 22050, 1, 2), ("wav", "wav", 22050)),  # a Wyoming satellite
        (preferring("mp3", 44100), ("mp3", "mp3", 44100)),
        (preferring(rate=16000), ("mp3", "mp3", 16000)),
        (preferring("ogg", 48000, 1, 2), ("ogg", "opus", 48000)),
        (preferring("mp3", width=3), ("mp3", "mp3", None)),  # a coded stream has no width
        (preferring("flac", bitrate=64), ("flac", "flac", None)),  # nor this one a bitrate
    ],
)
def test_from_2026_11_the_daemon_makes_what_it_can(
    options: dict[str, Any], expected: tuple[str, str, int | None]
) -> None:
    assert made(options, NOVEMBER) == expected


@pytest.mark.parametrize(
    ("options", "extension"),
    [
        (preferring("flac", 48000, 2, 2), "wav"),
        (preferring("flac", 96000), "wav"),
        (preferring("flac", 48000, 1, 3), "ogg"),  # of which 24 bits can be made
        (preferring("mp3", bitrate=128), "wav"),
        (preferring("wav", 11025, 1, 2), "ogg"),
        (preferring("wav", 16000, 2, 2), "ogg"),
        (preferring("wav", 16000, 1, 4), "ogg"),
        (preferring("ogg", 24000), "wav"),
        (preferring("ogg", 48000, 2, 3), "wav"),
    ],
)
def test_from_2026_11_the_rest_is_handed_over_for_conversion(
    options: dict[str, Any], extension: str
) -> None:
    chosen = audio_format(options, home_assistant=NOVEMBER)
    assert (chosen.extension, chosen.sample_rate) == (extension, None)


@BOTH
def test_no_preference_is_left_out_without_a_conversion(version: tuple[int, int]) -> None:
    extensions = (None, "mp3", "wav", "flac", "ogg", "opus", "aac")
    rates = (None, 8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000)
    for asked in product(extensions, rates, (None, 1, 2), (None, 1, 2, 3, 4), (None, 64, 128)):
        options = preferring(*asked)
        chosen = audio_format(options, home_assistant=version)
        if converts(options, chosen.extension, version):
            assert chosen in {
                AudioFormat(extension="ogg", response_format="opus"),
                AudioFormat(extension="wav", response_format="wav"),
            }
        else:
            assert_exact(chosen, asked)


def assert_exact(chosen: AudioFormat, asked: tuple[Any, ...]) -> None:
    """Know what the daemon makes: one channel, 16 bits where bits count, rates of its list."""
    extension, rate, channels, width, bitrate = asked
    response_format = {"ogg": "opus", None: "mp3"}.get(extension, extension)
    assert chosen.response_format == response_format
    assert chosen.sample_rate == rate
    assert rate is None or rate in ({48000} if response_format == "opus" else DAEMON_RATES)
    assert channels in {None, 1}
    assert width in {None, 2} or response_format in {"mp3", "opus"}
    assert bitrate is None or response_format != "mp3"


def test_numbers_may_come_as_text_in_a_media_source_id() -> None:
    options = {"preferred_format": "wav", "preferred_sample_rate": "16000"}
    assert made(options, NOVEMBER) == ("wav", "wav", 16000)


@pytest.mark.parametrize("value", ["fast", True, 0, -1, 1e999, 16000.5, [16000]])
@BOTH
def test_a_rate_that_is_none_is_refused(value: Any, version: tuple[int, int]) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        audio_format({"preferred_sample_rate": value}, home_assistant=version)
    assert raised.value.translation_key == "option_not_whole"
    assert (raised.value.translation_placeholders or {})["option"] == "preferred_sample_rate"


@pytest.mark.parametrize("value", [7, True, "", ["mp3"]])
def test_a_format_that_is_no_name_is_refused(value: Any) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        audio_format({"preferred_format": value})
    assert raised.value.translation_key == "option_not_text"
