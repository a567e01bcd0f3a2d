"""The versions of each model on the disk, and which of them the house has chosen.

A version is a folder `<id>` (called main) or `<id>.<version>`. One that is not whole is no
candidate: of a converted model the manifest is written last.
"""

import asyncio
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
import hashlib
import json
import os
from pathlib import Path
import stat
import time
from typing import Literal

import yaml

from indextts_daemon.checkpoints.layout import LayoutError, find
from indextts_daemon.checkpoints.revision import revision_of
from indextts_daemon.config import VOICE_ID, Settings
from indextts_daemon.errors import InvalidRequestError, SpeechError
from indextts_daemon.storage import atomic_write

from .activation import MAIN, Activation, recalled

FAKE_FILE = "fake.yaml"  # the fake engine's options: what makes a folder one of its versions
LARGEST_FAKE = 1 << 16  # bytes
SETTLE_S = 10.0  # that published files must have lain still: nothing is written last in them
MOST = 64  # versions that are looked at

Action = Literal["load", "unload", "activate", "rollback"]


class VersionNotFoundError(SpeechError):
    """No such version of the model."""

    code = "version_not_found"


class VersionIncompleteError(InvalidRequestError):
    """The version's folder is not whole, or not yet."""

    code = "version_incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsWish:
    """What somebody wants done with a model."""

    action: Action
    model: str
    version: str | None = None  # for activate; None is the one that is chosen already


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a model, as it lies on the disk."""

    model: str
    name: str
    folder: Path
    engine: str
    revision: str = ""  # of its weights; nothing where they cannot be read
    trouble: str = ""  # why it is no candidate, in a sentence


class Standing(StrEnum):
    """What a version is to its model now."""

    active = "active"
    previous = "previous"
    candidate = "candidate"
    failed = "failed"


class Versions:
    """Looks at the models folder, and owns what was chosen."""

    def __init__(self, folder: Path, file: Path | None = None) -> None:
        """Recall what was chosen from `file`; without one, it is kept as long as this lives."""
        self.activation = Activation() if file is None else recalled(file)
        self._folder = folder
        self._file = file
        self._names: list[str] = []  # of the folders that were there the last time

    def models(self) -> tuple[str, ...]:
        """Return the id of every model of which there is a folder. Reads the disk."""
        return tuple(dict.fromkeys(model for model, _, _ in self._folders()))

    def of(self, model: str) -> tuple[Version, ...]:
        """Return what versions of a model there are, main first. Reads the disk."""
        return tuple(
            _version(id_, name, folder) for id_, name, folder in self._folders() if id_ == model
        )

    def find(self, model: str, version: str) -> Version:
        """Return a version that can be chosen: one whose files are all there. Reads the disk.

        Raises VersionNotFoundError, VersionIncompleteError.
        """
        for id_, name, folder in self._folders():
            if (id_, name) == (model, version):
                found = _version(id_, name, folder, at_rest=True)
                if found.trouble:
                    raise VersionIncompleteError(found.trouble, param="version")
                return found
        raise VersionNotFoundError(
            f"There is no version {version} of {model}. GET /v1/models/{model}/versions lists them."
            if VOICE_ID.fullmatch(version)
            else "A version is called by small letters, digits, - and _.",
            param="version",
        )

    def standing(self, version: Version, settings: Settings) -> tuple[Standing, str]:
        """Return what a version is now, and in a sentence what is wrong with it, if anything."""
        chosen, model = self.activation.under(settings), version.model
        failure = chosen.failure(model, version.name, revision=version.revision)
        reason = version.trouble or failure
        before = chosen.before.get(model)
        if version.name == chosen.version(model):
            return Standing.active, reason
        if reason:
            return Standing.failed, reason
        previous = before is not None and before.version == version.name
        return Standing.previous if previous else Standing.candidate, ""

    async def choose(self, activation: Activation) -> None:
        """Take up what was chosen, and write it down.

        Raises OSError; it then counts all the same, until the daemon ends.
        """
        self.activation = activation
        if self._file is not None:
            content = json.dumps(asdict(activation), indent=1).encode()
            await asyncio.to_thread(atomic_write, self._file, content)

    def _folders(self) -> list[tuple[str, str, Path]]:
        """Return model, version and folder of each, main first."""
        try:
            names = sorted(path.name for path in self._folder.iterdir() if path.is_dir())
        except FileNotFoundError:
            names = []
        except OSError:  # for a moment, as a share may: what is in it cannot be read either
            names = self._names
        self._names = names
        found = []
        for name in names:
            model, dot, version = name.partition(".")
            if version == MAIN:
                continue  # the model's own folder is that
            version = version if dot else MAIN
            if VOICE_ID.fullmatch(model) and VOICE_ID.fullmatch(version):
                found.append((model, version, self._folder / name))
        found.sort(key=lambda one: (one[0], one[1] != MAIN, one[1]))
        return found[:MOST]


def revision_in(folder: Path) -> str:
    """Name what a folder of the fake engine holds; nothing where it cannot be read."""
    return _version("", MAIN, folder).revision


def _version(model: str, name: str, folder: Path, *, at_rest: bool = False) -> Version:
    """Look at one folder; insist on rest where nobody has waited until its files were all there."""
    fake = folder / FAKE_FILE
    engine = "fake" if os.path.lexists(fake) else "indextts"
    told = Version(model=model, name=name, folder=folder, engine=engine)
    try:
        if engine == "fake":
            return replace(told, revision=_fake_revision(fake))
        found = find(folder)
        if at_rest and name != MAIN and not found.converted:
            _insist_on_rest(folder)
        return replace(told, revision=revision_of(found))
    except (LayoutError, VersionIncompleteError) as err:
        return replace(told, trouble=err.message)
    except OSError as err:
        return replace(told, trouble=f"It cannot be read ({err.strerror}).")


def _fake_revision(file: Path) -> str:
    """Name a fake model by its options. Raises VersionIncompleteError and OSError."""
    if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(file.parent)):
        raise VersionIncompleteError(f"{FAKE_FILE} is a link out of the version's folder.")
    if not stat.S_ISREG(file.stat().st_mode):  # a pipe would keep us waiting
        raise VersionIncompleteError(f"{FAKE_FILE} cannot be read: it is not a file.")
    with file.open("rb") as content:
        text = content.read(LARGEST_FAKE)
    try:
        options = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        raise VersionIncompleteError(f"{FAKE_FILE} cannot be read.") from err
    if not isinstance(options, dict):  # an empty file is one that is being written
        raise VersionIncompleteError(f"{FAKE_FILE} holds no options; {{}} means none.")
    return hashlib.sha256(text).hexdigest()[:16]


def _insist_on_rest(folder: Path) -> None:
    """Raise VersionIncompleteError while published files may still be coming."""
    newest = max(path.lstat().st_ctime for path in (folder, *folder.rglob("*")))
    if time.time() - newest < SETTLE_S:
        raise VersionIncompleteError(
            "Its files have just been changed; they may not all be here yet."
        )
