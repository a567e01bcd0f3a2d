"""Files that must survive a power cut: written whole or not at all."""

import os
from pathlib import Path
import stat
import tempfile


def atomic_write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `content` so that a reader finds the old file or the new one.

    Raises OSError; the file is then the old one or the new one, and no temporary file remains.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
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
