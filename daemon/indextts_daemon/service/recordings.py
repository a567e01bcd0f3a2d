"""The voices folder: a recording per voice, and beside it what the household says of it.

A file that is no good costs only itself, and is named in words. Names of files are told, their
paths never are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path
from types import MappingProxyType

from indextts_daemon.audio.coach import Report
from indextts_daemon.audio.recording import MAX_BYTES, SUFFIXES
from indextts_daemon.config import VOICE_ID
from indextts_daemon.errors import SettingsError

from . import sidecars
from .folders import LeftOutError, finished, require_plain, shown
from .sidecars import SIDECAR

BUILT_IN = "heart"  # the voice that needs no recording in the folder
OTHER_SOUNDS = frozenset(
    {".m4a", ".aac", ".opus", ".wma", ".aiff", ".aif", ".amr", ".mp4", ".webm"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A voice as it was recorded, and what the household says of it."""

    id: str
    name: str
    revision: str  # changes with the recording
    languages: tuple[str, ...] = ()  # that it is to speak; empty for all that a model speaks
    moods: tuple[tuple[str, str], ...] = ()  # mood, and the recording that sounds like it
    consent: str | bool | None = None  # what is known about the person's agreement
    report: Report | None = None  # once somebody has listened to it
    refusal: str | None = None  # why no voice can be made of it, if so
    stale: bool = False  # though it is refused there is a voice: of the good one before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong in the folder, in a sentence that names file and line."""

    file: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A recording and where it lies: this stays in the service."""

    recording: Recording
    file: Path
    content: str  # sha256; nothing of one that cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """All that is in the folder: of each voice the recording that counts."""

    kept: tuple[Kept, ...]
    problems: tuple[Problem, ...]
    unread: tuple[Kept, ...] = ()  # of voices that have no recording which can be read
    contents: frozenset[str] = frozenset()  # of all recordings that can be read
    is_whole: bool = True  # all that is there could be seen


class UnreadError(Exception):
    """A voice's file cannot be read; the message says why."""

    def __init__(self, message: str, kept: Kept) -> None:
        super().__init__(message)
        self.kept = kept


def look(folder: Path, *, refused: Mapping[str, str] = MappingProxyType({})) -> Shelf:
    """Look at every file in the folder; without a folder there are none.

    Of several recordings of a voice the first counts that is not `refused`: by content, why.
    Raises OSError where the folder cannot be read.
    """
    problems: list[Problem] = []
    files = {path.name: path for path in finished(folder)}
    takes: dict[str, list[Kept]] = {}
    unread: dict[str, Kept] = {}
    for name, file in files.items():
        try:
            if file.suffix.lower() in SUFFIXES:
                take = _take(file, folder)
                takes.setdefault(take.recording.id, []).append(take)
            else:
                _require_in_place(file, files)
        except UnreadError as err:
            unread[err.kept.recording.id] = err.kept
            problems.append(_left_out(name, str(err)))
        except LeftOutError as err:
            problems.append(_left_out(name, str(err)))
    kept: dict[str, Kept] = {}
    for voice, several in takes.items():
        kept[voice] = _chosen(several, refused)
        problems += _not_chosen(several, kept[voice], refused)
    missed = {voice: one for voice, one in unread.items() if voice not in kept}
    known = {*kept, *missed, BUILT_IN}
    for voices in (kept, missed):
        for voice, found in voices.items():
            voices[voice], wrong = _described(found, files, folder, known)
            problems += wrong
    return Shelf(
        kept=tuple(kept.values()),
        problems=tuple(problems),
        unread=tuple(missed.values()),
        contents=frozenset(one.content for several in takes.values() for one in several),
    )


def keep(file: Path, *, voice: str, name: str) -> Kept:
    """Take up one recording. Raises OSError."""
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    recording = Recording(id=voice, name=name, revision=content[:16])
    return Kept(recording=recording, file=file, content=content)


def files_of(folder: Path, voice: str) -> tuple[str, ...]:
    """Return the names of all files that belong to a voice. Raises OSError."""
    suffixes = {*SUFFIXES, SIDECAR}
    found = (path for path in finished(folder) if path.suffix.lower() in suffixes)
    return tuple(path.name for path in found if path.stem == voice)


def _left_out(name: str, why: str) -> Problem:
    return Problem(file=shown(name), message=f"{shown(name)} is left out: {why}")


def _chosen(several: list[Kept], refused: Mapping[str, str]) -> Kept:
    return next((one for one in several if one.content not in refused), several[0])


def _not_chosen(several: list[Kept], chosen: Kept, refused: Mapping[str, str]) -> Iterator[Problem]:
    taken = f"{chosen.file.name} is the voice {chosen.recording.id} already."
    for one in several:
        if one is not chosen:
            yield _left_out(one.file.name, refused.get(one.content, taken))


def _described(
    found: Kept, files: Mapping[str, Path], folder: Path, known: set[str]
) -> tuple[Kept, list[Problem]]:
    """Add what a voice's sidecar says of it, and tell what is wrong in there."""
    sidecar = files.get(f"{found.recording.id}{SIDECAR}")
    if sidecar is None:
        return found, []
    try:
        said, wrong = sidecars.said(sidecar, folder, known=known)
    except SettingsError as err:
        message = f"{err.message} The voice is kept without this file."
        return found, [Problem(file=sidecar.name, message=message)]
    problems = [Problem(file=sidecar.name, message=message) for message in wrong]
    return replace(found, recording=replace(found.recording, **said)), problems


def _take(file: Path, folder: Path) -> Kept:
    """Take up one recording. Raises LeftOutError, and UnreadError if it would be a voice's."""
    voice = file.stem
    if not VOICE_ID.fullmatch(voice):
        raise LeftOutError(
            "a voice is called by small letters, digits, - and _, such as grandma-sad. Rename it."
        )
    if voice == BUILT_IN:
        raise LeftOutError("this is the name of the built-in voice. Choose another.")
    try:
        require_plain(file, folder, most_bytes=MAX_BYTES)
        return keep(file, voice=voice, name=voice)
    except (LeftOutError, OSError) as err:
        why = f"it cannot be read ({err.strerror})." if isinstance(err, OSError) else str(err)
        refusal = why[:1].upper() + why[1:]
        recording = Recording(id=voice, name=voice, revision="", refusal=refusal)
        raise UnreadError(why, Kept(recording=recording, file=file, content="")) from err


def _require_in_place(file: Path, files: Mapping[str, Path]) -> None:
    """Raise LeftOutError for a file that somebody meant to be a recording or to speak of one."""
    suffix = file.suffix.lower()
    if suffix in OTHER_SOUNDS:
        raise LeftOutError(f"save it as one of {' '.join(SUFFIXES)}.")
    if suffix == ".yml":
        raise LeftOutError(f"call it {shown(file.stem)}{SIDECAR}.")
    stems = {other.stem for other in files.values() if other.suffix.lower() in SUFFIXES}
    if suffix == SIDECAR and file.stem not in stems:
        raise LeftOutError(f"there is no recording called {shown(file.stem)}.")
