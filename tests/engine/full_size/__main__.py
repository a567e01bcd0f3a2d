"""Measures the engine at the published sizes, on the CPU, with random weights.

Writes a checkpoint as it is published, loads it, converts it, loads that, enrols a recording and
speaks a short sentence; each in a process of its own, so that its memory can be told apart. Takes
some minutes and 15 GB of disk for each version: leave the machine alone meanwhile.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
import json
import os
from pathlib import Path
import platform
import shutil
import subprocess
import sys
import tempfile
from typing import Any

import torch

from tests.engine.full_size.checkpoint import sizes_of, specs
from tests.engine.full_size.phases import Plan
from tests.engine.full_size.report import as_text

SPARE_BYTES = 2 << 30
VERSIONS = ("2.5", "2")


def main() -> None:
    """Measure one version after the other, and print the tables."""
    parser = argparse.ArgumentParser(prog="scripts/measure_engine", description=__doc__)
    parser.add_argument("--version", choices=VERSIONS, help="only this one")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny: as golden")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--keep", action="store_true", help="leave the checkpoints in the folder")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write figures for machines into a file")
    asked = parser.parse_args()
    figures: dict[str, Any] = {"machine": _machine(asked.threads), "size": asked.size}
    for version in [asked.version] if asked.version else VERSIONS:
        with _working_folder(asked.folder, version, keep=asked.keep) as folder:
            plan = Plan(version=version, size=asked.size, folder=folder, threads=asked.threads)
            _require_room(plan)
            figures[version] = _measured(plan)
        sys.stdout.write(as_text(version, figures[version], figures["machine"]))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def _measured(plan: Plan) -> dict[str, Any]:
    return {
        "written": _run(plan, "write"),
        "stages official": _run(plan, "stages", "official"),
        **_loads(plan, "official"),
        "converted": _run(plan, "convert"),
        "stages converted": _run(plan, "stages", "converted"),
        **_loads(plan, "converted"),
        "enrolment": _run(plan, "enrol"),
        "sentence": _run(plan, "speak"),
    }


def _loads(plan: Plan, kind: str) -> dict[str, Any]:
    """Load from the disk, and again from what the system keeps of it in memory."""
    rows = {}
    for networks in ("render", "enrolment"):
        _forget(plan.place(kind))
        rows[f"{networks} {kind}, from disk"] = _run(plan, "load", kind, networks)
        rows[f"{networks} {kind}, again"] = _run(plan, "load", kind, networks)
    return rows


def _run(plan: Plan, phase: str, *more: str) -> Any:
    sys.stderr.write(f"IndexTTS-{plan.version}: {' '.join((phase, *more))}\n")
    told = {key: str(value) for key, value in asdict(plan).items()}
    command = [sys.executable, "-m", "tests.engine.full_size.phases"]
    command += [told["version"], told["size"], told["folder"], told["threads"], phase, *more]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _forget(place: Path) -> None:
    """Have the system drop what it keeps of the files in memory."""
    for file in place.rglob("*"):
        if file.is_file():
            with file.open("rb") as kept:
                os.posix_fadvise(kept.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _working_folder(parent: Path, version: str, *, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"indextts-{version}-", dir=parent))
    try:
        yield folder
    finally:
        if keep:
            sys.stderr.write(f"Kept: {folder}\n")
        else:
            shutil.rmtree(folder)


def _require_room(plan: Plan) -> None:
    """Leave unless the published files and the converted ones, which are no larger, fit."""
    try:
        listed = specs(sizes_of(plan.size, plan.version), plan.version)
    except FileNotFoundError as err:
        raise SystemExit(str(err)) from err
    needed = SPARE_BYTES + 2 * sum(spec.bytes for stage in listed.values() for spec in stage)
    free = shutil.disk_usage(plan.folder).free
    if free < needed:
        raise SystemExit(f"{needed / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} are free.")


def _machine(threads: int) -> dict[str, Any]:
    names = (
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    )
    return {
        "processor": next(names, platform.machine()),
        "threads": threads,
        "torch": torch.__version__,
        "load before": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()
