"""A daemon whose power is cut at one step of its writing: `power_cut.py FOLDER STEP NOTES ...`.

Counts whatever changes the files of a folder, or has them put on the disk, and ends the process
before the step of that number, as kill -9 would; 0 never does. Each step is noted in NOTES.
"""

from collections.abc import Callable
import os
from pathlib import Path
import sys
import threading
from typing import Any, Self

CHANGES = ("unlink", "remove", "rmdir", "mkdir", "truncate")
MOVES = ("replace", "rename", "link", "symlink")  # with a second path, which is the new one
ON_FILES = ("fsync", "fdatasync", "ftruncate", "fchmod")


class Cut:
    """Counts the steps of all threads; nothing happens any more after the last."""

    def __init__(self, folder: Path, last: int, notes: Path) -> None:
        self._folder = f"{folder.resolve()}{os.sep}"
        self._last = last
        self._number = 0
        self._turn = threading.Lock()
        self._notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def step(self, name: str, path: object, source: object = "") -> None:
        """Note one step that is about to be done, unless the power fails before."""
        place = self._place(path)
        if not f"{place}{os.sep}".startswith(self._folder):
            return
        with self._turn:
            self._number += 1
            if self._number == self._last:
                os._exit(9)
            kind = "folder" if Path(place).is_dir() else "file"
            told = f"{name}\t{kind}\t{os.path.relpath(place, self._folder)}\t{source}\n"
            os.write(self._notes, told.encode())

    def _place(self, path: object) -> str:
        if isinstance(path, int):
            return str(Path(f"/proc/self/fd/{path}").readlink())
        return os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]  # noqa: PTH100


class HalfWritten:
    """An open file, of which each write is two steps: nothing of it, half of it."""

    def __init__(self, file: Any, cut: Cut) -> None:
        self._file = file
        self._cut = cut

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, content: bytes) -> int:
        number = self._file.fileno()
        self._cut.step("write", number)
        half = len(content) // 2
        self._file.write(content[:half])
        self._file.flush()
        self._cut.step("write on", number)
        self._file.write(content[half:])
        self._file.flush()
        return len(content)


def watched(cut: Cut, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return the system's call with a step before it."""

    def call(*given: Any, **named: Any) -> Any:
        cut.step(name, given[name in MOVES], *given[: name in MOVES])
        return real(*given, **named)

    return call


def install(cut: Cut) -> None:
    """Take the place of all calls by which files change."""
    for name in (*CHANGES, *MOVES, *ON_FILES):
        setattr(os, name, watched(cut, name, getattr(os, name)))
    dressed = os.fdopen

    def fdopen(number: int, mode: str = "r", *given: Any, **named: Any) -> Any:
        file = dressed(number, mode, *given, **named)
        return HalfWritten(file, cut) if mode == "wb" else file

    def audit(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR):
            cut.step("open", given[0])

    os.fdopen = fdopen  # type: ignore[assignment]
    sys.addaudithook(audit)


if __name__ == "__main__":
    from indextts_daemon.cli import main

    folder, last, notes, *arguments = sys.argv[1:]
    install(Cut(Path(folder), int(last), Path(notes)))
    sys.exit(main(arguments))
