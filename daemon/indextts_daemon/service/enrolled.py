"""What was derived from recordings: a file for each voice and model, and a note of how it went.

The note is written last, so a voice without one was not finished. Beside them stands which
recording of a voice was last good. What nothing stands behind any more is removed, all of it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
import hashlib
import json
import logging
from pathlib import Path
import re
from typing import Self

from indextts_daemon.audio.coach import Report
from indextts_daemon.storage import atomic_write

LOGGER = logging.getLogger(__name__)

VOICE_FILE, NOTE = ".safetensors", ".json"
GOOD = "good"  # with a suffix it would be a note
_FORMAT = 1
_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """How it went with one recording and one model."""

    content: str  # sha256 of the recording
    version: str  # of the model
    sha256: str  # of the voice's file; nothing where there is none
    refusal: str
    report: Report | None

    def write(self, folder: Path, key: str) -> None:
        """Declare a voice's file to be whole, or a recording to be no good. Raises OSError."""
        atomic_write(
            folder / f"{key}{NOTE}", json.dumps(asdict(self) | {"format": _FORMAT}).encode()
        )

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Read a note; None if it is none."""
        try:
            said = json.loads(file.read_bytes())
            if said.pop("format") != _FORMAT:
                return None
            report = said.pop("report")
            note = cls(report=None if report is None else Report.of_json(report), **said)
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None
        texts = (note.content, note.version, note.sha256, note.refusal)
        return note if all(isinstance(text, str) for text in texts) else None


def notes(folder: Path) -> dict[str, Note]:
    """Return every note by its key."""
    found = {file.stem: Note.read(file) for file in _listed(folder) if file.suffix == NOTE}
    return {key: note for key, note in found.items() if note is not None and _KEY.fullmatch(key)}


def sound(folder: Path, keys: Iterable[str]) -> dict[str, Note]:
    """Return the notes of these keys whose voice file is as it was written, or was refused."""
    known = notes(folder)
    return {
        key: known[key] for key in keys if key in known and _as_written(folder, key, known[key])
    }


def tidy(folder: Path, *, live: Collection[str], keep: Collection[str]) -> None:
    """Remove what belongs to no `live` key, but for the files to `keep`."""
    for file in _listed(folder):
        if file.stem not in live and file.name not in keep:
            try:
                file.unlink()
            except OSError as err:
                LOGGER.warning("a voice file cannot be removed: %s", err.strerror)


Good = Mapping[str, Mapping[str, str]]  # by a model's version and a voice's id: the sha256


def recall(folder: Path) -> Good:
    """Return which recordings were last good; none if that cannot be read."""
    try:
        told = json.loads((folder / GOOD).read_bytes())
        return {
            str(version): {str(voice): str(content) for voice, content in voices.items()}
            for version, voices in told.items()
        }
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def remember(folder: Path, good: Good) -> None:
    """Write down which recordings were last good. Raises OSError."""
    atomic_write(folder / GOOD, json.dumps(good, indent=1).encode())


def _as_written(folder: Path, key: str, note: Note) -> bool:
    if not note.sha256:
        return True
    try:
        content = (folder / f"{key}{VOICE_FILE}").read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == note.sha256


def _listed(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.is_dir()]
    except OSError:
        return []
