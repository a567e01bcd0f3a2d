"""Says how good a recording of a voice is, and in words what to do about it.

Two of its findings are guesses, say so, and only ever warn: that the room echoes, and that more
than one person speaks.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from math import inf
from typing import Any, Self

import numpy as np

from . import measures
from .recording import FRAME_S, Recording
from .speakers import apartness

BEST_S = (3.0, 15.0)  # of a reference: no model listens for longer
FAST_S = (3.0, 6.0)  # of a reference that costs less
LEAST_SPEECH_S = 0.3
_MARGIN = 4  # frames kept around speech, 0.1 s
_CLEAR_DB = 25.0  # signal to noise from which on noise does not hide what is looked for
_DRY_DB = 15.0  # fall from which on the room does not blur what is heard
_FAINT_DB = -38.0  # level of speech below which it cannot have been too loud
_HUM_SHARE = 0.6  # of the noise, from which it is a hum


class Severity(StrEnum):
    """What a finding means for the voice."""

    refuse = "refuse"  # no voice can be made of this
    warn = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with a recording: a stable code, and what to do in a sentence or two."""

    code: str
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was measured on a recording, most of it on its best stretch, and what is wrong."""

    duration_s: float  # of the whole recording
    window_s: tuple[float, float]  # the best stretch, which becomes the reference
    fast_window_s: tuple[float, float]  # and the best short one within it
    speech_s: float
    silence_share: float
    level_dbfs: float  # of the speech
    snr_db: float
    hum_share: float  # of the noise
    clipped_share: float
    bandwidth_hz: float
    fall_db: float  # in a tenth of a second; small in a room that echoes
    apartness: float  # of the two most different voices; below 2 for one person
    findings: tuple[Finding, ...] = ()

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """What no voice can be made of."""
        return tuple(one for one in self.findings if one.severity is Severity.refuse)

    @property
    def refused(self) -> bool:
        """Whether no voice can be made of it."""
        return bool(self.refusals)

    @property
    def words(self) -> str:
        """How good it is, in few words."""
        codes = ", ".join(finding.code.replace("_", " ") for finding in self.findings)
        if not codes:
            return "good"
        return f"unusable: {codes}" if self.refused else f"usable, but {codes}"

    def as_json(self) -> dict[str, Any]:
        """Return what `of_json` takes."""
        return asdict(self)

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> Self:
        """Return the report again. Raises ValueError, TypeError or LookupError if it is none."""
        values = dict(given)
        findings = tuple(
            Finding(**{**each, "severity": Severity(each["severity"])})
            for each in values.pop("findings")
        )
        window, fast = _pair(values.pop("window_s")), _pair(values.pop("fast_window_s"))
        figures = {name: float(value) for name, value in values.items()}
        return cls(window_s=window, fast_window_s=fast, findings=findings, **figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """A finding: from which figure on it warns, and from which on it refuses."""

    code: str
    badness: Callable[[Report], float]
    warn: float
    refuse: float = inf
    message: str


_RULES = (
    _Rule(
        code="too_short",
        badness=lambda report: -report.speech_s,
        warn=-4,
        refuse=-1.5,
        message="There are only {speech_s:.1f} seconds of speech. Record five to fifteen seconds.",
    ),
    _Rule(
        code="too_quiet",
        badness=lambda report: -report.level_dbfs,
        warn=-_FAINT_DB,
        refuse=55,
        message="The voice is very quiet ({level_dbfs:.0f} dB). Move closer to the microphone or "
        "turn it up, and record again.",
    ),
    _Rule(
        code="clipped",
        badness=lambda report: report.clipped_share if report.level_dbfs > _FAINT_DB else -inf,
        warn=0.0005,
        refuse=0.03,
        message="The voice was too loud for the microphone and is distorted. Turn the microphone "
        "down or move away from it, and record again.",
    ),
    _Rule(
        code="hum",
        badness=lambda report: -report.snr_db if report.hum_share > _HUM_SHARE else -inf,
        warn=-30,
        refuse=-6,
        message="The mains hum behind the voice. Unplug chargers, keep the cable away from others, "
        "and record again.",
    ),
    _Rule(
        code="too_noisy",
        badness=lambda report: -report.snr_db if report.hum_share <= _HUM_SHARE else -inf,
        warn=-20,
        refuse=-6,
        message="The voice is only {snr_db:.0f} dB louder than what is behind it. Record again in "
        "a quiet room, with fans and music off, closer to the microphone.",
    ),
    _Rule(
        code="too_long_silence",
        badness=lambda report: report.silence_share,
        warn=0.45,
        message="{silence_share:.0%} of it is silence. Cut the pauses out, or read without them.",
    ),
    _Rule(
        code="narrow_band",
        badness=lambda report: -report.bandwidth_hz if report.snr_db > _CLEAR_DB else -inf,
        warn=-4500,
        message="It sounds like a telephone: nothing above {bandwidth_hz:.0f} Hz. Record with "
        "another microphone or app; a call or a voice message is not enough.",
    ),
    _Rule(
        code="echo",
        badness=lambda report: -report.fall_db if report.snr_db > _CLEAR_DB else -inf,
        warn=-_DRY_DB,
        message="The room seems to echo. Record closer to the microphone, in a room with carpets, "
        "curtains or clothes.",
    ),
    _Rule(
        code="multi_speaker",
        badness=lambda report: report.apartness if report.fall_db > _DRY_DB else -inf,
        warn=2.5,
        message="Two people seem to speak; this is a guess. Keep only the one whose voice you "
        "want.",
    ),
)
_NO_SPEECH = Finding(
    code="no_speech",
    severity=Severity.refuse,
    message="Nobody is heard speaking. Check the microphone and record again.",
)


def examine(recording: Recording) -> tuple[Report, Recording]:
    """Judge a recording; return the report and the stretch to be used as the reference.

    That is all of it where nobody speaks; such a report refuses.
    """
    if np.sum(recording.speech) * FRAME_S < LEAST_SPEECH_S:
        return _nobody(recording), recording
    window = _window(recording)
    part = recording.part(*window)
    voice = measures.powers(part.heard)[part.speech]
    report = Report(
        duration_s=round(recording.duration_s, 2),
        window_s=_seconds(window),
        fast_window_s=_seconds(measures.best_window(recording, window, FAST_S)),
        speech_s=round(len(voice) * FRAME_S, 2),
        silence_share=round(1 - len(voice) / len(part.speech), 3),
        level_dbfs=round(measures.decibels(float(voice.mean())), 1),
        snr_db=round(measures.signal_to_noise(recording), 1),
        hum_share=round(measures.hum_share(recording), 3),
        clipped_share=round(float(part.clipped.mean()), 5),
        bandwidth_hz=measures.bandwidth(recording),
        fall_db=round(measures.fall(part), 1),
        apartness=round(apartness(part), 2),
    )
    return replace(report, findings=tuple(_findings(report))), part


def _nobody(recording: Recording) -> Report:
    return Report(
        duration_s=round(recording.duration_s, 2),
        window_s=(0.0, 0.0),
        fast_window_s=(0.0, 0.0),
        speech_s=0.0,
        silence_share=1.0,
        level_dbfs=round(measures.decibels(float(np.square(recording.heard).mean())), 1),
        snr_db=0.0,
        hum_share=0.0,
        clipped_share=round(float(recording.clipped.mean()), 5),
        bandwidth_hz=0.0,
        fall_db=0.0,
        apartness=0.0,
        findings=(_NO_SPEECH,),
    )


def _findings(report: Report) -> Iterator[Finding]:
    figures = report.as_json()
    for rule in _RULES:
        badness = rule.badness(report)
        if badness > rule.warn:
            severity = Severity.refuse if badness > rule.refuse else Severity.warn
            message = rule.message.format(**figures)
            yield Finding(code=rule.code, severity=severity, message=message)


def _window(recording: Recording) -> tuple[int, int]:
    """Return the frames of the best stretch."""
    spoken = np.flatnonzero(recording.speech)
    begin, end = int(spoken[0]) - _MARGIN, int(spoken[-1]) + 1 + _MARGIN
    within = max(0, begin), min(len(recording.speech), end)
    return measures.best_window(recording, within, BEST_S)


def _seconds(frames: tuple[int, int]) -> tuple[float, float]:
    return round(frames[0] * FRAME_S, 3), round(frames[1] * FRAME_S, 3)


def _pair(value: Any) -> tuple[float, float]:
    begin, end = value
    return float(begin), float(end)
