"""Files that must survive a power cut: written whole or not at all."""

from contextlib import suppress
import os
from pathlib import Path
import re
import stat
import tempfile
import time

UNFINISHED = ".unfinished"  # what is being written is called .NAME.XXXXXXXX.unfinished
LEFT_OVER_S = 600.0  # after which nobody writes it any more
_OURS = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(UNFINISHED)}", re.DOTALL)


def atomic_write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `content` so that a reader finds the old file or the new one.

    Raises OSError; the file is then the old one or the new one, and no temporary file remains.
    What a killed process or a power cut leaves behind is for `sweep`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to be told
            Path(temporary).unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def rewrite(path: Path, content: bytes) -> None:
    """Replace what somebody may have made by hand: a link stays one, and so do who may read it.

    Raises OSError, as `atomic_write` does.
    """
    file = Path(os.path.realpath(path))
    mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600
    atomic_write(file, content, mode=mode)


def sweep(folder: Path, *, depth: int = 0) -> None:
    """Remove what killed writers left in a folder, and so many floors below it; spare what is new.

    What cannot be removed, or looked at, stays: no reader takes it for anything.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                if depth:
                    sweep(Path(entry.path), depth=depth - 1)
            elif _OURS.fullmatch(entry.name):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > LEFT_OVER_S:
                    Path(entry.path).unlink()
