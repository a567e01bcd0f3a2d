"""A published model as files that load at once: one per stage, mapped and read by nobody twice.

Nothing is rounded: the numbers are those that the published files lead to. Until the manifest
is written, which is last, the published model is the one that serves.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
import hashlib
import json
import os
from pathlib import Path
import shutil
import tempfile

from torch import Tensor

from indextts_daemon import __version__
from indextts_daemon.checkpoints import manifest
from indextts_daemon.checkpoints.layout import FEELINGS, Found
from indextts_daemon.checkpoints.manifest import FileRecord, Manifest
from indextts_daemon.posix import locked

from .loader import OPTIONAL, Weights
from .networks import require_fit
from .spelling.rules import CheckpointError

SPARE_BYTES = 64 << 20  # that stay free
TEMPORARY = ".partial-"
LOCK = ".lock"  # held while one process writes
COPIED = 8 << 20  # bytes at a time

Progress = Callable[[str, int, int], None]  # what is worked on, bytes done, bytes in all


class Meter:
    """Adds up the bytes that several pieces of work report, and tells of them."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def counting(self, name: str) -> Callable[[int], None]:
        """Return what a piece of work reports its bytes to."""

        def count(more: int) -> None:
            self._done += more
            self._progress(name, self._done, self._total)

        return count


def convert(found: Found, target: Path, progress: Progress) -> Manifest:
    """Write a published model into the folder `target`, whose old manifest goes first.

    What judges feelings is left out if it is damaged: `feelings` is empty then. Raises
    CheckpointError; what is written so far is then no model, and may be written again.
    """
    if found.converted:
        raise CheckpointError("The model is converted already: only a published one can be.")
    weights = Weights.of(found)
    sizes = _planned_sizes(weights)
    left_out = set() if _has_whole_options(weights) else {*FEELINGS}
    files = {role: path for role, path in found.files.items() if role not in left_out}
    copies = {role: path for role, path in files.items() if role in {"tokenizer", *FEELINGS}}
    coming = {_stage_file(stage): size for stage, size in sizes.items()}
    coming |= {_copy_name(role, path): path.stat().st_size for role, path in copies.items()}
    sources = sum(path.stat().st_size for path in files.values())
    meter = Meter(sources + sum(coming.values()), progress)
    with _writing(target, coming):
        (target / manifest.NAME).unlink(missing_ok=True)
        _discard_unfinished(target)
        origins = {
            role: FileRecord(
                name=path.name,
                sha256=manifest.digest(path, meter.counting(found.name(role))),
                bytes=path.stat().st_size,
            )
            for role, path in files.items()
        }
        stages = {stage: _write_stage(weights, stage, target, origins, meter) for stage in sizes}
        copied = {
            role: _copy(path, target, _copy_name(role, path), meter)
            for role, path in copies.items()
        }
        whole = Manifest(
            version=found.version,
            model=weights.variant.id,
            made_by=f"indextts-daemon {__version__}",
            hyperparameters=found.hyperparameters,
            sources=origins,
            stages=stages,
            tokenizer=copied.pop("tokenizer"),
            feelings=copied,
        )
        _settle(target)
        manifest.write(target, whole)
    return whole


def _planned_sizes(weights: Weights) -> dict[str, int]:
    """Return each written stage's bytes, after asking whether all tensors are a network's."""
    sizes = {}
    for stage in weights.stages:
        if stage not in OPTIONAL:
            outline = weights.outline(stage)
            require_fit(weights, stage, outline)
            sizes[stage] = sum(tensor.nbytes for tensor in outline.values())
    return sizes


def _has_whole_options(weights: Weights) -> bool:
    try:
        for stage in OPTIONAL.keys() & weights.stages:
            require_fit(weights, stage, weights.outline(stage))
    except CheckpointError:
        return False
    return True


@contextmanager
def _writing(target: Path, coming: Mapping[str, int]) -> Iterator[None]:
    """Ask for the room first, and for nobody else at work; translate what the disk says."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        free, needed = shutil.disk_usage(target).free, _most_at_once(target, coming) + SPARE_BYTES
        if free < needed:
            raise CheckpointError(
                f"Converting needs {needed / 1e9:.1f} GB of disk, "
                f"and {free / 1e9:.1f} GB are free.",
                code="disk_full",
            )
        with (target / LOCK).open("ab") as lock:
            if not locked(lock):
                raise CheckpointError("The model is being converted already.", code="busy")
            yield
    except OSError as err:
        raise CheckpointError(f"The converted model cannot be written ({err.strerror}).") from err


def _most_at_once(target: Path, coming: Mapping[str, int]) -> int:
    """Return how much more the disk has to hold than now, as each file replaces its old one."""
    most = more = 0
    for name, size in coming.items():
        most = max(most, more + size)
        old = target / name
        more += size - (old.stat().st_size if old.is_file() else 0)
    return most


def _write_stage(
    weights: Weights, stage: str, target: Path, origins: Mapping[str, FileRecord], meter: Meter
) -> FileRecord:
    tensors = weights.stage(stage)
    used = {role: origins[role].sha256 for role in weights.roles(stage)}
    with _replacing(target, _stage_file(stage)) as temporary:
        sha256 = _write_safetensors(temporary, tensors, used, meter.counting(stage))
        size = temporary.stat().st_size
    return FileRecord(name=_stage_file(stage), sha256=sha256, bytes=size)


def _stage_file(stage: str) -> str:
    return f"{stage}.safetensors"


def _copy_name(role: str, path: Path) -> str:
    return path.name if role == "tokenizer" else f"{role}{path.suffix}"


def _write_safetensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    sources: Mapping[str, str],
    on_bytes: Callable[[int], None],
) -> str:
    """Write tensors one after the other, never two copies at once, and return the sha256."""
    header: dict[str, object] = {
        "__metadata__": {f"sha256 of {role}": sha256 for role, sha256 in sources.items()}
    }
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    hashed = hashlib.sha256()
    with path.open("wb") as file:

        def put(piece: bytes | memoryview) -> None:
            hashed.update(piece)
            file.write(piece)

        put(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            numbers = tensor.contiguous().numpy().astype("<f4", copy=False).data.cast("B")
            for start in range(0, len(numbers), COPIED):
                piece = numbers[start : start + COPIED]
                put(piece)
                on_bytes(len(piece))
        file.flush()
        os.fsync(file.fileno())
    return hashed.hexdigest()


def _copy(source: Path, target: Path, name: str, meter: Meter) -> FileRecord:
    with _replacing(target, name) as temporary:
        with temporary.open("wb") as file, source.open("rb") as content:
            shutil.copyfileobj(content, file, COPIED)
            file.flush()
            os.fsync(file.fileno())
        sha256 = manifest.digest(temporary, meter.counting(name))
        size = temporary.stat().st_size
    return FileRecord(name=name, sha256=sha256, bytes=size)


@contextmanager
def _replacing(folder: Path, name: str) -> Iterator[Path]:
    """Give a temporary name that becomes `name` in the end, or nothing."""
    handle, made = tempfile.mkstemp(prefix=TEMPORARY, dir=folder)
    os.close(handle)
    temporary = Path(made)
    try:
        yield temporary
        temporary.chmod(manifest.MODE)
        temporary.replace(folder / name)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _discard_unfinished(folder: Path) -> None:
    for left in folder.glob(f"{TEMPORARY}*"):
        left.unlink()


def _settle(folder: Path) -> None:
    """Have the names on the disk before the manifest counts on them."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
