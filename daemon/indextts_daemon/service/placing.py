"""Puts files into a folder and takes others away: all of them or none, whenever the power fails.

New files wait in a hidden folder until a journal says that they are complete, and old ones until it
is sure that they are not wanted back. With a journal a cut is made good forwards, without one
backwards.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
import json
import os
from pathlib import Path
import shutil
from typing import Any

from indextts_daemon.storage import atomic_write

WAITING = ".placing"
JOURNAL = "journal.json"
NEW, OLD = "new", "old"
_FORTH, _BACK = "forth", "back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """An exchange of files in a folder; they are those of one voice."""

    folder: Path
    put: Mapping[str, bytes]  # by name
    drop: Collection[str]

    def begin(self) -> None:
        """Do it. Raises OSError, and has then changed nothing."""
        settle(self.folder)
        waiting = self.folder / WAITING
        try:
            for name, content in self.put.items():
                atomic_write(waiting / NEW / name, content)
            (waiting / OLD).mkdir(parents=True)
            self._write(_FORTH)
            for name in {*self.drop, *self.put}:
                with suppress(FileNotFoundError):
                    (self.folder / name).rename(waiting / OLD / name)
            for name in self.put:
                (waiting / NEW / name).replace(self.folder / name)
            _sync(self.folder)
        except OSError:
            self.put_back()
            raise

    def keep(self) -> None:
        """Let the old files go. Raises OSError."""
        settle(self.folder)

    def put_back(self) -> None:
        """Make it undone. Raises OSError."""
        if (self.folder / WAITING / JOURNAL).exists():
            self._write(_BACK)
        settle(self.folder)

    def _write(self, direction: str) -> None:
        told = {"direction": direction, "put": list(self.put), "drop": list(self.drop)}
        atomic_write(self.folder / WAITING / JOURNAL, json.dumps(told).encode())


def settle(folder: Path) -> None:
    """Bring to its end what was begun in a folder. Raises OSError."""
    waiting = folder / WAITING
    if not waiting.exists():
        return
    told = _journal(waiting / JOURNAL)
    if told.get("direction") == _FORTH:
        for name in told["put"]:
            with suppress(FileNotFoundError):
                (waiting / NEW / name).replace(folder / name)
        for name in set(told["drop"]) - set(told["put"]):
            (folder / name).unlink(missing_ok=True)
        _sync(folder)
        for old in (waiting / OLD).glob("*"):
            old.unlink()
    elif told.get("direction") == _BACK:
        for name in told["put"]:
            if not (waiting / NEW / name).exists():  # it is in the folder
                (folder / name).unlink(missing_ok=True)
        _sync(folder)
    (waiting / JOURNAL).unlink(missing_ok=True)
    _sync(waiting)
    for old in (waiting / OLD).glob("*"):
        old.replace(folder / old.name)
    _sync(folder)
    shutil.rmtree(waiting)


def _journal(file: Path) -> dict[str, Any]:
    with suppress(FileNotFoundError, ValueError):
        return dict(json.loads(file.read_bytes()))
    return {}


def _sync(folder: Path) -> None:
    """Have what was renamed in a folder on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
