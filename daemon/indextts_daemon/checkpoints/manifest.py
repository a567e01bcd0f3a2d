"""`manifest.json`: what a converted model consists of; written last, so it marks a whole one."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
import hashlib
import json
from pathlib import Path
import re
from types import MappingProxyType
from typing import Any

from indextts_daemon.storage import atomic_write

from .hyperparameters import Hyperparameters, checked

NAME = "manifest.json"
FORMAT = 1
LARGEST = 1 << 20  # bytes
BLOCK = 8 << 20
MODE = 0o644  # weights are no secret, and who converts need not be who serves
PLAIN_NAME = re.compile(r"\w[\w.-]*")  # of a file in the same folder
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file: what it is called and exactly what it holds."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A converted model. `sources` by role, `stages` by name, `feelings` by role as published."""

    version: str
    model: str
    made_by: str
    hyperparameters: Hyperparameters
    sources: Mapping[str, FileRecord]
    stages: Mapping[str, FileRecord]
    tokenizer: FileRecord
    feelings: Mapping[str, FileRecord] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, FileRecord]:
        """What has to be in the folder: the stages, the tokenizer and what judges feelings."""
        return {**self.stages, "tokenizer": self.tokenizer, **self.feelings}


def read(folder: Path) -> Manifest | None:
    """Read a folder's manifest; None if there is none. Raises ValueError with a sentence."""
    file = folder / NAME
    if not file.is_file():
        return None
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError  # noqa: TRY301 one message for whatever is damaged
        content = json.loads(file.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError  # noqa: TRY301
        return _manifest(content)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as err:
        raise ValueError(
            f"{NAME} is damaged or another daemon's: convert the model again."
        ) from err


def write(folder: Path, manifest: Manifest) -> None:
    """Declare the files in a folder to be a whole model. Raises OSError."""
    content = json.dumps(
        {
            "format": FORMAT,
            **{key: getattr(manifest, key) for key in ("version", "model", "made_by")},
            "hyperparameters": asdict(manifest.hyperparameters),
            "sources": {role: asdict(record) for role, record in manifest.sources.items()},
            "stages": {stage: asdict(record) for stage, record in manifest.stages.items()},
            "tokenizer": asdict(manifest.tokenizer),
            "feelings": {role: asdict(record) for role, record in manifest.feelings.items()},
        },
        indent=2,
    )
    atomic_write(folder / NAME, content.encode(), mode=MODE)


def digest(path: Path, on_bytes: Callable[[int], None]) -> str:
    """Return a file's sha256; `on_bytes` hears how many bytes were read. Raises OSError."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
            on_bytes(len(block))
    return sha256.hexdigest()


def _manifest(content: Any) -> Manifest:
    return Manifest(
        version=_text(content["version"]),
        model=_text(content["model"]),
        made_by=_text(content["made_by"]),
        hyperparameters=checked(NAME, **content["hyperparameters"]),
        sources=_records(content["sources"]),
        stages=_records(content["stages"]),
        tokenizer=_record(content["tokenizer"]),
        feelings=_records(content.get("feelings", {})),
    )


def _records(content: Any) -> Mapping[str, FileRecord]:
    return MappingProxyType({_text(key): _record(value) for key, value in content.items()})


def _record(content: Any) -> FileRecord:
    name, sha256, size = content["name"], content["sha256"], content["bytes"]
    if not PLAIN_NAME.fullmatch(name) or not SHA256.fullmatch(sha256) or type(size) is not int:
        raise ValueError
    return FileRecord(name=name, sha256=sha256, bytes=size)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
