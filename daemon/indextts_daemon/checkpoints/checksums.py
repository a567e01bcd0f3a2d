"""`checksums.json`: what the hub said of each file when it came, for a later look at the files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
import json
from pathlib import Path

from indextts_daemon.storage import atomic_write

from .catalogue import OFFICIAL
from .fetch import RemoteFile, is_whole
from .layout import Found

NAME = "checksums.json"


def keep(folder: Path, files: Mapping[str, RemoteFile]) -> None:
    """Write down what each file below `official/`, by its place, is. Raises OSError.

    What is known of other files there stays known.
    """
    known = {**read(folder), **files}
    content = json.dumps({place: asdict(file) for place, file in known.items()}, indent=2) + "\n"
    atomic_write(folder / OFFICIAL / NAME, content.encode(), mode=0o644)


def read(folder: Path) -> dict[str, RemoteFile]:
    """Return what is known of the files of the model in `folder`; nothing if that is damaged."""
    try:
        content = json.loads((folder / OFFICIAL / NAME).read_bytes())
        return {place: RemoteFile(**file) for place, file in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def changed(folder: Path, found: Found, progress: Callable[[str, int, int], None]) -> Iterator[str]:
    """Read the published files that serve and yield the role of each that is not as it came.

    `progress` hears a name, and the bytes read and in all. Raises OSError.
    """
    root, known = (folder / OFFICIAL).resolve(), read(folder)
    files = {
        role: (path, known[path.relative_to(root).as_posix()])
        for role, path in found.files.items()
        if path.is_relative_to(root) and path.relative_to(root).as_posix() in known
    }
    done, total = 0, sum(file.size for _, file in files.values())
    for role, (path, file) in files.items():
        progress(path.name, done, total)
        done += file.size
        if not is_whole(file, path):
            yield role
