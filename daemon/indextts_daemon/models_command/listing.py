"""`models list`: what lies in the data folder, and what the running daemon makes of it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
from typing import Any

from indextts_daemon.checkpoints import layout
from indextts_daemon.checkpoints.catalogue import PUBLISHED, Published
from indextts_daemon.checkpoints.fetch import in_words
from indextts_daemon.checkpoints.layout import Found, LayoutError
from indextts_daemon.checkpoints.licence import Acceptance
from indextts_daemon.errors import SpeechError
from indextts_daemon.remote import Remote

HEAD = ("MODEL", "HERE", "ON DISK", "DAEMON")
UNKNOWN = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model: which of its two forms are whole, and why not where some of it is there."""

    id: str
    name: str
    folder: str
    official: bool
    converted: bool
    bytes: int
    download_bytes: int
    problem: str
    license: Acceptance | None

    @property
    def here(self) -> str:
        """Say in words what there is."""
        forms = {"official": self.official, "converted": self.converted}
        whole = [form for form, there in forms.items() if there]
        if whole:
            return " and ".join(whole)
        return "incomplete" if self.bytes else f"no, {in_words(self.download_bytes)} to download"


def list_models(models: Path, remote: Remote, *, as_json: bool) -> int:
    """Print every known model."""
    entries = [_entry(model, models / model.id) for model in PUBLISHED]
    served, silence = None, ""
    try:
        served = asyncio.run(remote.models())
    except SpeechError as err:
        silence = err.message
    if as_json:
        print(json.dumps({"models": [_shape(entry, served) for entry in entries]}, indent=2))
        return 0
    rows = [HEAD, *((*_cells(entry), _in_words(served, entry.id)) for entry in entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).strip())
    for entry in entries:
        if entry.problem:
            print(f"\n{entry.id}: {entry.problem}")
    if silence:
        print(f"\nWhat is served is not known: {silence}")
    return 0


def size_of(folder: Path) -> tuple[int, int]:
    """Count the files in a folder and their bytes; links are not followed."""
    files = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
    return len(files), sum(file.lstat().st_size for file in files)


def _entry(model: Published, folder: Path) -> Entry:
    size = size_of(folder)[1]
    found, problem = _found(layout.find, model, folder) if size else (None, "")
    published, _ = _found(layout.find_published, model, folder) if size else (None, "")
    return Entry(
        id=model.id,
        name=model.name,
        folder=str(folder),
        official=published is not None,
        converted=found is not None and found.converted,
        bytes=size,
        download_bytes=model.download_bytes,
        problem=problem,
        license=Acceptance.read(folder),
    )


def _found(
    find: Callable[[Path], Found], model: Published, folder: Path
) -> tuple[Found | None, str]:
    """Return the model's files if they are whole, and what is wrong."""
    try:
        found = find(folder)
    except LayoutError as err:
        return None, err.message
    if found.version != model.version:
        return None, f"The folder holds IndexTTS-{found.version}."
    return found, found.warning


def _cells(entry: Entry) -> tuple[str, str, str]:
    return entry.id, entry.here, in_words(entry.bytes) if entry.bytes else ""


def _in_words(served: Mapping[str, Any] | None, model_id: str) -> str:
    if served is None:
        return UNKNOWN
    model = served.get(model_id)
    if model is None:
        return "not served"
    return f"{model['state']}, the default" if model["default"] else str(model["state"])


def _shape(entry: Entry, served: Mapping[str, Any] | None) -> dict[str, Any]:
    model = None if served is None else served.get(entry.id)
    state = None if model is None else {key: model[key] for key in ("state", "default")}
    return asdict(entry) | {"served": state, "daemon_answers": served is not None}
