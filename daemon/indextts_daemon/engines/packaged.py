"""Files that arrive inside an installed package, used only if they are the ones we know."""

from collections.abc import Mapping
import hashlib
from importlib import resources
from pathlib import Path

from indextts_daemon.errors import EngineUnavailableError


def folder(package: str, name: str) -> Path:
    """Return where an installed package keeps its data."""
    return Path(str(resources.files(package))) / name


def checked(root: Path, digests: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files' bytes; `EngineUnavailableError` names the first that is not as pinned."""
    contents: dict[str, bytes] = {}
    for name, digest in digests.items():
        try:
            contents[name] = (root / name).read_bytes()
        except OSError as err:
            raise EngineUnavailableError(f"{name} cannot be read: {err.strerror}.") from err
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise EngineUnavailableError(f"{name} is not the file that this version speaks with.")
    return contents


def revision_of(digests: Mapping[str, str]) -> str:
    """Return a short name for exactly these files."""
    listed = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(listed.encode()).hexdigest()[:16]
