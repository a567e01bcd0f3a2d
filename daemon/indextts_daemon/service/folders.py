"""What may be read in a folder that people fill: finished files, plain ones, within bounds."""

from collections.abc import Iterator
from pathlib import Path

from .watching import is_temporary


class LeftOutError(Exception):
    """A file is left out; the message says why, as the rest of a sentence that names it."""


def shown(name: str) -> str:
    """Return a file's name for a line: whatever would be more than one is spelled out."""
    return name if name.isprintable() else ascii(name)


def finished(folder: Path) -> Iterator[Path]:
    """Yield what is finished and meant to be seen. Raises OSError."""
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in found:
        if not is_temporary(path.name) and not path.is_dir():
            yield path


def require_plain(file: Path, folder: Path, *, most_bytes: int) -> None:
    """Raise LeftOutError for what is too large, is no file, or lies outside through a link."""
    try:
        real = file.resolve()
        if not real.is_relative_to(folder.resolve()):
            raise LeftOutError("it is a link that leads out of the folder.")
        if not real.is_file():
            raise LeftOutError("it is not a file.")
        if real.stat().st_size > most_bytes:
            raise LeftOutError(f"it is larger than {most_bytes / 2**20:g} MB.")
    except (OSError, RuntimeError) as err:  # the latter of links in a circle
        raise LeftOutError("it cannot be read.") from err
