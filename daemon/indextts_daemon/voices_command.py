"""`indextts-daemon voices`: which recordings are here, and what the coach says of them."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from .audio import coach, recording
from .audio.coach import Report
from .audio.recording import RecordingError
from .checkpoints.catalogue import PUBLISHED
from .service.recordings import BUILT_IN, Recording
from .service.voices import VoiceStore
from .text.language import match

HEAD = ("VOICE", "NAME", "LANGUAGES", "MOODS", "CONSENT", "REVISION", "QUALITY")
CONSENT_LENGTH = 40


def list_voices(store: VoiceStore) -> int:
    """Print every voice of the folder, and what is wrong in it."""
    scan = store.scan(listen=True)
    built_in = (BUILT_IN, BUILT_IN.title(), "all", "", "", "", "built in")
    rows = [HEAD, built_in, *map(_row, scan.recordings)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).strip())
    for problem in scan.problems:
        print(f"\n{problem.message}")
    return 0


def check_recordings(files: Sequence[Path]) -> int:
    """Print what the coach says of each file; 1 if no voice can be made of one of them."""
    usable = [_check(file) for file in files]
    return 0 if all(usable) else 1


def _row(voice: Recording) -> tuple[str, ...]:
    return (
        voice.id,
        voice.name,
        ", ".join(voice.languages) or "all",
        ", ".join(mood for mood, _ in voice.moods),
        _consent(voice),
        voice.revision,
        _quality(voice),
    )


def _consent(voice: Recording) -> str:
    if isinstance(voice.consent, str):
        return shorten(voice.consent, CONSENT_LENGTH, placeholder=" …")
    return {None: "", True: "yes", False: "no"}[voice.consent]


def _quality(voice: Recording) -> str:
    spoken = [tag for model in PUBLISHED for tag in model.languages]
    if voice.languages and all(match(tag, spoken) is None for tag in voice.languages):
        return "unusable: no model speaks its languages"
    return voice.report.words if voice.report else f"unusable: {voice.refusal}"


def _check(file: Path) -> bool:
    try:
        report = coach.examine(recording.read_file(file))[0]
    except RecordingError as err:
        print(f"{file}: unusable\n  {'refuse':6}  {err.error_code}: {err.message}")
        return False
    except OSError as err:
        print(f"{file}: cannot be read ({err.strerror})")
        return False
    print(f"{file}: {report.words}")
    if report.speech_s:
        print(f"  {_figures(report)}")
    for finding in report.findings:
        print(f"  {finding.severity:6}  {finding.code}: {finding.message}")
    return not report.refused


def _figures(report: Report) -> str:
    begin, end = report.window_s
    return (
        f"{report.duration_s:.1f} s; used is {begin:.1f} to {end:.1f} s, "
        f"{report.speech_s:.1f} s of it speech; {report.level_dbfs:.0f} dB, "
        f"{report.snr_db:.0f} dB above the noise, up to {report.bandwidth_hz / 1000:.1f} kHz"
    )
