"""What a client may ask to hear: container, rate and the silence around the speech."""

from dataclasses import dataclass
from typing import Self

from indextts_daemon.errors import InvalidRequestError

FORMATS = ("wav", "pcm", "mp3", "opus", "flac")
SAMPLE_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
DEFAULT_SAMPLE_RATE = 24000
OPUS_SAMPLE_RATE = 48000

_MEDIA_TYPES = {
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg; codecs=opus",
    "flac": "audio/flac",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """How one stream is to be encoded; impossible pairs cannot be constructed."""

    format: str
    sample_rate: int  # Hz, of the whole stream whatever the engines make
    lead_in_ms: int = 0  # silence before the first sample, for speakers that wake up slowly
    tail_ms: int = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InvalidRequestError(
                f"This format is not offered; choose one of {', '.join(FORMATS)}.",
                param="response_format",
            )
        if self.format == "opus" and self.sample_rate != OPUS_SAMPLE_RATE:
            raise InvalidRequestError(
                "Opus is always 48000 Hz: leave sample_rate out or choose another format.",
                param="sample_rate",
            )
        if self.sample_rate not in SAMPLE_RATES:
            rates = ", ".join(map(str, SAMPLE_RATES))
            raise InvalidRequestError(
                f"This sample rate is not offered; choose one of {rates}.", param="sample_rate"
            )
        for param in ("lead_in_ms", "tail_ms"):
            if getattr(self, param) < 0:
                raise InvalidRequestError(f"{param} must not be negative.", param=param)

    @classmethod
    def of(
        cls,
        format: str,  # noqa: A002 - the field's own name
        sample_rate: int | None = None,
        *,
        lead_in_ms: int = 0,
        tail_ms: int = 0,
    ) -> Self:
        """Fill in the rate that the format implies when the client names none."""
        implied = OPUS_SAMPLE_RATE if format == "opus" else DEFAULT_SAMPLE_RATE
        rate = implied if sample_rate is None else sample_rate
        return cls(format=format, sample_rate=rate, lead_in_ms=lead_in_ms, tail_ms=tail_ms)

    @property
    def media_type(self) -> str:
        """The Content-Type of the stream."""
        return _MEDIA_TYPES[self.format]
