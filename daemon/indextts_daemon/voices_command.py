"""`indextts-daemon voices`: which recordings are here, what the coach says of them, and new ones.

The running daemon takes them up; the folder itself can be looked at without one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
import sys
from textwrap import shorten
from typing import Any

from .audio import coach, recording
from .audio.coach import Report
from .audio.recording import MAX_BYTES, RecordingError
from .checkpoints.catalogue import PUBLISHED
from .errors import SpeechError
from .remote import Remote
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


def add_voice(file: Path, said: Mapping[str, str], remote: Remote) -> int:
    """Have the daemon take up a recording as a new voice. Raises SpeechError."""
    audio = _read(file)
    _wait(file)
    _tell("is a voice now", asyncio.run(remote.add_voice(audio, said)))
    return 0


def replace_voice(file: Path, voice: str, said: Mapping[str, str], remote: Remote) -> int:
    """Have the daemon put a recording in the place of a voice's. Raises SpeechError."""
    audio = _read(file)
    _wait(file)
    _tell("sounds otherwise now", asyncio.run(remote.replace_voice(voice, audio, said)))
    return 0


def delete_voice(voice: str, remote: Remote, *, yes: bool) -> int:
    """Have the daemon forget a voice, once that is confirmed. Raises SpeechError."""
    if not yes:
        _confirm(f"Type yes to delete the voice {voice} and its recording: ")
    operation = asyncio.run(remote.delete_voice(voice))
    print(f"{voice} is deleted, with all that was made of the recording.")
    for problem in operation["details"].get("problems", ()):
        print(f"  {problem}")
    return 0


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as err:
        raise SpeechError(f"{file} cannot be read ({err.strerror}).") from err
    if len(content) > MAX_BYTES:
        raise SpeechError(f"{file} is larger than {MAX_BYTES >> 20} MB.", code="too_large")
    return content


def _wait(file: Path) -> None:
    print(f"The daemon listens to {file.name}; that may take a minute …", file=sys.stderr)


def _tell(outcome: str, voice: Mapping[str, Any]) -> None:
    quality = voice["quality"]
    print(f"{voice['id']} {outcome if voice['models'] else 'is kept'}: {quality['words']}")
    if not voice["models"]:
        print("  No model that is loaded can use recordings; it speaks once IndexTTS runs.")
    for finding in quality["findings"]:
        print(f"  {finding['severity']:6}  {finding['code']}: {finding['message']}")


def _confirm(question: str) -> None:
    """Raise SpeechError unless whoever sits at the terminal says yes."""
    if not sys.stdin.isatty():
        raise SpeechError(
            "Nobody can be asked here; --yes deletes without asking.", code="not_confirmed"
        )
    try:
        answer = input(question)
    except EOFError:
        answer = ""
    if answer.strip().lower() != "yes":
        raise SpeechError("Nothing was deleted.", code="not_confirmed")


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
    words = voice.report.words if voice.report else f"unusable: {voice.refusal}"
    return f"{words}; the recording before is still used" if voice.stale else words


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
