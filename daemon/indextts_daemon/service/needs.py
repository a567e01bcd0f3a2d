"""How much memory each version of a model took the last time; remembered in a file."""

import asyncio
from dataclasses import dataclass
import hashlib
import json
import logging
from pathlib import Path

from indextts_daemon.checkpoints.layout import LayoutError, find
from indextts_daemon.errors import place_of
from indextts_daemon.storage import atomic_write
from indextts_daemon.worker.handle import WorkerSpec

LOGGER = logging.getLogger(__name__)

MOST = 256  # versions; the oldest go first
STEP = 64 << 20  # bytes by which a need has to differ to be written down anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a loaded model holds, in bytes."""

    resident: int  # of the machine's own memory
    gpu: int | None = None  # of the card, where it is on one


class Needs:
    """Knows them by model, weights and options; without a file, as long as it lives."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, Need] = {} if file is None else _recalled(file)
        self._saved = self._known
        self._refused = False

    def note(self, spec: WorkerSpec, need: Need) -> None:
        """Remember what was measured; small changes do not count."""
        key = _key(spec)
        before = self._known.get(key)
        if before is not None and _alike(before, need):
            return
        others = [(k, one) for k, one in self._known.items() if k != key]
        self._known = dict([*others[1 - MOST :], (key, need)])

    def of(self, spec: WorkerSpec) -> Need | None:
        """Return what was measured the last time."""
        return self._known.get(_key(spec))

    async def save(self) -> None:
        """Write down what is new, beside the event loop; a disk that refuses is logged once."""
        known = self._known
        if self._file is None or known is self._saved:
            return
        told = {key: [need.resident, need.gpu] for key, need in known.items()}
        try:
            await asyncio.to_thread(atomic_write, self._file, json.dumps(told).encode())
        except OSError as err:
            if not self._refused:
                LOGGER.warning("could not remember how much memory models take: %s", err.strerror)
            self._refused = True
        else:
            self._saved, self._refused = known, False


def estimated(spec: WorkerSpec) -> int | None:
    """Guess from the size of its files what a model takes; None if that says nothing.

    Reads the disk.
    """
    folder = spec.options.get("model")
    if spec.engine != "indextts" or not isinstance(folder, str):
        return None
    try:
        return sum(file.stat().st_size for file in find(Path(folder)).files.values())
    except (LayoutError, OSError):
        return None


def _key(spec: WorkerSpec) -> str:
    options = json.dumps(dict(spec.options), sort_keys=True, default=str)
    told = f"{spec.model} {spec.version} {spec.content} {options}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _alike(one: Need, other: Need) -> bool:
    near = abs(one.resident - other.resident) < STEP
    return near and abs((one.gpu or 0) - (other.gpu or 0)) < STEP


def _recalled(file: Path) -> dict[str, Need]:
    """Read what was remembered; nothing if that cannot be."""
    try:
        found = json.loads(file.read_bytes())
        return {
            str(key): Need(resident=int(resident), gpu=None if gpu is None else int(gpu))
            for key, (resident, gpu) in found.items()
        }
    except FileNotFoundError:
        pass
    except OSError as err:
        LOGGER.warning("could not read how much memory models take: %s", err.strerror)
    except (ArithmeticError, ValueError, TypeError, AttributeError, RecursionError) as err:
        LOGGER.warning(
            "how much memory models take cannot be read; starting afresh: %s", place_of(err)
        )
    return {}
