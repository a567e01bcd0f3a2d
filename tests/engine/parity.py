"""The golden vectors: where they are, how close is equal, and a record of what was compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
import json
import os
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
import torch
from torch import Tensor

VARIABLE = "INDEXTTS_PARITY"
USUAL = Path(__file__).parents[2].parent / "shared" / "parity"
SETS = "*/config.json"
FEATURES = 3e-4  # logarithms of tiny energies
STAGE = 2e-5  # from the golden inputs of its own stage
WAVEFORM = 5e-6  # from the golden mel
CHAIN = 1e-3  # a waveform of the whole chain


def folder() -> Path | None:
    """Return where the sets are; None elsewhere than beside the project, unless told."""
    told = os.environ.get(VARIABLE)
    place = Path(told) if told else USUAL
    if told and not any(place.glob(SETS)):
        raise FileNotFoundError(f"{VARIABLE} names no folder that holds sets of golden vectors")
    return place if place.is_dir() else None


def set_names() -> list[str]:
    """Name the sets by their folders, found by their config.json."""
    place = folder()
    return [] if place is None else sorted(file.parent.name for file in place.glob(SETS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tensor that was compared, or given as an input."""

    set: str
    file: str
    tensor: str
    error: float | None  # None: given, or equal by kind
    tolerance: float


@dataclass(slots=True)
class Record:
    """All rows of a run."""

    rows: list[Row] = field(default_factory=list)


class ParitySet:
    """One folder of golden vectors. `version` is "2" or "2.5", from its own configuration."""

    def __init__(self, path: Path, record: Record) -> None:
        self.path = path
        self.name = path.name
        self.config: dict[str, Any] = json.loads((path / "config.json").read_text("utf-8"))
        self.version = self.config["version"].removeprefix("v").replace("_", ".")
        self._record = record

    def tensors(self, file: str) -> dict[str, Tensor]:
        """Return the tensors of a file by its name without ending; do not write into them."""
        return _loaded(self.path / f"{file}.safetensors")

    def weights(self, stage: str) -> dict[str, Tensor]:
        """Return upstream's tensors of `weights_<stage>` in a new dict."""
        return dict(self.tensors(f"weights_{stage}"))

    def text(self, name: str) -> Any:
        """Return a JSON file of the set."""
        return json.loads((self.path / name).read_text("utf-8"))

    def given(self, file: str, *names: str) -> list[Tensor]:
        """Return golden tensors that a test uses as inputs."""
        found = self.tensors(file)
        for name in names:
            self._note(file, name, None, 0.0)
        return [found[name].clone() for name in names]

    def check(self, file: str, name: str, made: Tensor, tolerance: float = STAGE) -> None:
        """Assert that `made` is the golden tensor: ids exactly, floats within `tolerance`."""
        golden = self.tensors(file)[name]
        assert made.shape == golden.shape, f"{file} {name}: {made.shape}, not {golden.shape}"
        if golden.is_floating_point():
            error = float((made.double() - golden.double()).abs().max())
            self._note(file, name, error, tolerance)
            assert error <= tolerance, f"{file} {name}: off by {error:.2e}"
        else:
            self._note(file, name, 0.0, 0.0)
            assert torch.equal(made.long(), golden.long()), f"{file} {name}: ids differ"

    def _note(self, file: str, name: str, error: float | None, tolerance: float) -> None:
        row = Row(set=self.name, file=file, tensor=name, error=error, tolerance=tolerance)
        self._record.rows.append(row)


@cache
def _loaded(path: Path) -> dict[str, Tensor]:
    return load_file(path)


def table(rows: Iterable[Row]) -> list[str]:
    """Sum the rows up, a line per set and file."""
    groups: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        kept = groups.setdefault((row.set, row.file), {})
        known = kept.get(row.tensor)
        if known is None or (row.error or -1.0) > (known.error or -1.0):
            kept[row.tensor] = row
    lines = [f"{'set':6} {'file':22} {'compared':>8} {'given':>6} {'largest error':>14}  tolerance"]
    for (name, file), tensors in groups.items():
        compared = [row for row in tensors.values() if row.error is not None]
        worst = max((row.error or 0.0 for row in compared), default=0.0)
        limits = sorted({row.tolerance for row in compared if row.tolerance})
        lines.append(
            f"{name:6} {file:22} {len(compared):8} {len(tensors) - len(compared):6} {worst:14.1e}  "
            + ", ".join(f"{limit:g}" for limit in limits)
        )
    return lines


def missing(sets: Mapping[str, ParitySet], rows: Iterable[Row]) -> list[str]:
    """Name the golden tensors that no test has looked at."""
    seen = {(row.set, row.file, row.tensor) for row in rows}
    return [
        f"{name} {file} {tensor}"
        for name, one in sets.items()
        for file in one.config["files"]
        if file.startswith("golden_")
        for tensor in one.tensors(file)
        if (name, file, tensor) not in seen
    ]
