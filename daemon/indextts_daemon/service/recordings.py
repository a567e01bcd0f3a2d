"""The voices folder: a recording per voice, and beside it what the household says of it.

A file that is no good costs only itself, and is named in words. Names of files are told, their
paths never are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path
from typing import Any

import voluptuous as vol

from indextts_daemon.audio.coach import Report
from indextts_daemon.audio.recording import MAX_BYTES, SUFFIXES
from indextts_daemon.config import VOICE_ID, explained, read_tree
from indextts_daemon.errors import SettingsError

BUILT_IN = "heart"  # the voice that needs no recording in the folder
SIDECAR = ".yaml"
SIDECAR_BYTES = 1 << 16
NAME_LENGTH = 80
OTHER_SOUNDS = frozenset(
    {".m4a", ".aac", ".opus", ".wma", ".aiff", ".aif", ".amr", ".mp4", ".webm"}
)
UNFINISHED = frozenset({".part", ".tmp", ".crdownload", ".partial", ".download", ".filepart"})


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
    content: str  # sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """All that is in the folder."""

    kept: tuple[Kept, ...]
    problems: tuple[Problem, ...]


class _Refused(Exception):  # noqa: N818 never leaves this room
    """A file is left out; the message says why."""


def look(folder: Path) -> Shelf:
    """Look at every file in the folder; without a folder there are none."""
    problems: list[Problem] = []
    files = {path.name: path for path in _files(folder)}
    kept: dict[str, Kept] = {}
    for name, file in files.items():
        try:
            if file.suffix.lower() in SUFFIXES:
                kept[file.stem] = _keep(file, folder, kept)
            else:
                _require_in_place(file, files)
        except _Refused as err:
            problems.append(
                Problem(file=_shown(name), message=f"{_shown(name)} is left out: {err}")
            )
    for voice, found in kept.items():
        sidecar = files.get(f"{voice}{SIDECAR}")
        if sidecar is not None:
            try:
                said, wrong = _said(sidecar, folder, known=kept.keys() | {BUILT_IN})
            except SettingsError as err:
                message = f"{err.message} The voice is kept without this file."
                problems.append(Problem(file=sidecar.name, message=message))
            else:
                kept[voice] = replace(found, recording=replace(found.recording, **said))
                problems += [Problem(file=sidecar.name, message=message) for message in wrong]
    return Shelf(kept=tuple(kept.values()), problems=tuple(problems))


def keep(file: Path, *, voice: str, name: str) -> Kept:
    """Take up one recording. Raises OSError."""
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    recording = Recording(id=voice, name=name, revision=content[:16])
    return Kept(recording=recording, file=file, content=content)


def _shown(name: str) -> str:
    """Return a file's name for a line: whatever would be more than one is spelled out."""
    return name if name.isprintable() else ascii(name)


def _files(folder: Path) -> Iterator[Path]:
    """Yield what is finished and meant to be seen."""
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    for path in found:
        hidden = path.name.startswith((".", "~")) or path.name.endswith("~")
        if not hidden and path.suffix.lower() not in UNFINISHED and not path.is_dir():
            yield path


def _keep(file: Path, folder: Path, taken: Mapping[str, Kept]) -> Kept:
    if file.stem in taken:
        raise _Refused(f"{taken[file.stem].file.name} is the voice {file.stem} already.")
    if not VOICE_ID.fullmatch(file.stem):
        raise _Refused(
            "a voice is called by small letters, digits, - and _, such as grandma-sad. Rename it."
        )
    if file.stem == BUILT_IN:
        raise _Refused("this is the name of the built-in voice. Choose another.")
    _require_plain(file, folder, most_bytes=MAX_BYTES)
    try:
        return keep(file, voice=file.stem, name=file.stem)
    except OSError as err:
        raise _Refused(f"it cannot be read ({err.strerror}).") from err


def _require_plain(file: Path, folder: Path, *, most_bytes: int) -> None:
    """Raise _Refused for what is too large, is no file, or lies outside through a link."""
    try:
        real = file.resolve()
        if not real.is_relative_to(folder.resolve()):
            raise _Refused("it is a link that leads out of the folder.")
        if not real.is_file():
            raise _Refused("it is not a file.")
        if real.stat().st_size > most_bytes:
            raise _Refused(f"it is larger than {most_bytes / 2**20:g} MB.")
    except (OSError, RuntimeError) as err:  # the latter of links in a circle
        raise _Refused("it cannot be read.") from err


def _require_in_place(file: Path, files: Mapping[str, Path]) -> None:
    """Raise _Refused for a file that somebody meant to be a recording or to speak of one."""
    suffix = file.suffix.lower()
    if suffix in OTHER_SOUNDS:
        raise _Refused(f"save it as one of {' '.join(SUFFIXES)}.")
    if suffix == ".yml":
        raise _Refused(f"call it {_shown(file.stem)}{SIDECAR}.")
    stems = {other.stem for other in files.values() if other.suffix.lower() in SUFFIXES}
    if suffix == SIDECAR and file.stem not in stems:
        raise _Refused(f"there is no recording called {_shown(file.stem)}.")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_LENGTH or not value.isprintable():
        raise vol.Invalid(f"expected 1 to {NAME_LENGTH} characters on one line")
    return value


def _languages(value: Any) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    tag = vol.Match(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")
    try:
        return tuple(tag(one) for one in vol.Schema([str])(found))
    except vol.Invalid as err:
        raise vol.Invalid("expected languages such as [en, zh]") from err


def _consent(value: Any) -> str | bool:
    return value if isinstance(value, bool) else str(vol.Schema(str)(value))


_ID = vol.Match(rf"{VOICE_ID.pattern}\Z", msg="expected a name like good-night")
_SCHEMA = vol.Schema(
    {
        vol.Optional("name"): _text,
        vol.Optional("languages"): _languages,
        vol.Optional("consent"): _consent,
        vol.Optional("moods"): vol.Maybe({_ID: _ID}),
    }
)


def _said(file: Path, folder: Path, *, known: set[str]) -> tuple[dict[str, Any], list[str]]:
    """Return what a sidecar says, and what in it is not so. Raises SettingsError."""
    try:
        _require_plain(file, folder, most_bytes=SIDECAR_BYTES)
        tree, origins = read_tree(file)
        said = _SCHEMA(tree)
    except _Refused as err:
        raise SettingsError(f"{file.name} is not read: {err}") from err
    except SettingsError as err:
        raise SettingsError(err.message.replace(str(file), file.name)) from err
    except vol.MultipleInvalid as err:
        raise SettingsError(explained(err, origins).replace(str(file), file.name)) from err
    moods = (said.pop("moods", None) or {}).items()
    wrong = [
        f"{origins[f'moods.{mood}'].replace(str(file), file.name)}{mood}: there is no voice "
        f"{lender}. This mood is left out."
        for mood, lender in moods
        if lender not in known
    ]
    said["moods"] = tuple((mood, lender) for mood, lender in moods if lender in known)
    return said, wrong
