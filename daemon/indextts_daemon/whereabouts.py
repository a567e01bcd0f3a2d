"""Where this data folder's daemon listens: told by the daemon, read by its command line."""

import json
import logging
from pathlib import Path

from .storage import atomic_write

LOGGER = logging.getLogger(__name__)


def tell(data_dir: Path, *, host: str, port: int) -> None:
    """Keep where the daemon listens; a disk that refuses is logged."""
    try:
        atomic_write(_file(data_dir), json.dumps({"host": host, "port": port}).encode())
    except OSError as err:
        LOGGER.warning("could not note where the daemon listens: %s", err.strerror)


def forget(data_dir: Path) -> None:
    """Say that no daemon listens any more."""
    try:
        _file(data_dir).unlink(missing_ok=True)
    except OSError as err:
        LOGGER.warning("could not note that the daemon has ended: %s", err.strerror)


def known(data_dir: Path) -> tuple[str, int] | None:
    """Return the host and port of the daemon that was last started; None if it has ended."""
    try:
        found = json.loads(_file(data_dir).read_bytes())
        return str(found["host"]), int(found["port"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _file(data_dir: Path) -> Path:
    return data_dir / "state" / "listening.json"
