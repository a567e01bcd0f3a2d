"""Decides what the daemon encodes, so that a player gets exactly the audio that it asked for.

Home Assistant converts when the extension it is handed is not the one that was preferred, and
before 2026.11 also whenever a rate, channels, a width or a bitrate is preferred at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.components.tts import (
    ATTR_PREFERRED_BITRATE,
    ATTR_PREFERRED_FORMAT,
    ATTR_PREFERRED_SAMPLE_BYTES,
    ATTR_PREFERRED_SAMPLE_CHANNELS,
    ATTR_PREFERRED_SAMPLE_RATE,
)
from homeassistant.const import MAJOR_VERSION, MINOR_VERSION

from .values import text, whole_number

# Only what is declared is handed to the entity, on every version.
FORMAT_OPTIONS: Final = (
    ATTR_PREFERRED_FORMAT,
    ATTR_PREFERRED_SAMPLE_RATE,
    ATTR_PREFERRED_SAMPLE_CHANNELS,
    ATTR_PREFERRED_SAMPLE_BYTES,
    ATTR_PREFERRED_BITRATE,
)

_NATIVE: Final = {"flac": "flac", "mp3": "mp3", "ogg": "opus", "opus": "opus", "wav": "wav"}
_LOSSY: Final = {"mp3", "opus"}
_USUAL: Final = "mp3"  # what Home Assistant expects when nobody prefers a format
_RATES: Final = {None, 8000, 16000, 22050, 24000, 32000, 44100, 48000}
_OPUS_RATES: Final = {None, 48000}
_CHANNELS: Final = {None, 1}
_WIDTHS: Final = {None, 2}  # bytes per sample
_MOST: Final = 10**6  # of any of these numbers
_HOME_ASSISTANT: Final = (MAJOR_VERSION, MINOR_VERSION)
_TRUSTS_DECLARED_OPTIONS: Final = (2026, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """What the daemon encodes, and the extension by which Home Assistant is told."""

    extension: str
    response_format: str
    sample_rate: int | None = None


# Ogg in pages of 20 ms is converted without delay by every version, WAV only since 2026.11;
# what is made of WAV has its 16 bits, what is made of Ogg up to 24.
_OGG: Final = AudioFormat(extension="ogg", response_format="opus")
_WAV: Final = AudioFormat(extension="wav", response_format="wav")


def audio_format(
    options: Mapping[str, Any], *, home_assistant: tuple[int, int] = _HOME_ASSISTANT
) -> AudioFormat:
    """Return what is preferred if the daemon can make it, else what Home Assistant converts best.

    Raises ServiceValidationError naming the option.
    """
    extension = text(ATTR_PREFERRED_FORMAT, options.get(ATTR_PREFERRED_FORMAT)) or _USUAL
    preferences = [whole_number(name, options.get(name), 1, _MOST) for name in FORMAT_OPTIONS[1:]]
    if home_assistant < _TRUSTS_DECLARED_OPTIONS and preferences != [None] * 4:
        return _OGG
    rate, channels, width, bitrate = preferences
    response_format = _NATIVE.get(extension)
    if (
        response_format is not None
        and rate in (_OPUS_RATES if response_format == "opus" else _RATES)
        and channels in _CHANNELS
        and (width in _WIDTHS or response_format in _LOSSY)
        and (bitrate is None or response_format != "mp3")
    ):
        return AudioFormat(extension=extension, response_format=response_format, sample_rate=rate)
    convertible = (_WAV, _OGG) if width in _WIDTHS else (_OGG, _WAV)
    return next(made for made in convertible if made.extension != extension)
