"""A model's license: which file it is, what it says in our words, and what was accepted when."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Self
import unicodedata

from indextts_daemon.storage import atomic_write

ACCEPTED = "license-accepted.json"
TEXTS = frozenset({"", ".txt", ".md"})  # how a file's name ends that people read
SUMMARY = """\
Free, for business too, up to 100 million monthly users and 1 billion RMB of yearly revenue.
Whoever passes the model on, converted or not, passes on its license and notices as well.
Whoever changes it and passes it on says that bilibili does not endorse that.
The model and what comes out of it may not improve other AI models, except non-commercial ones.
High-risk uses (medicine, critical infrastructure, mass biometrics) are your own risk.
Never clone the voice of a person without their consent, of a minor or of a public figure.
bilibili's trademarks are not included; the law of the People's Republic of China applies.
""".splitlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """That somebody accepted one text, kept beside the model."""

    model: str
    repository: str
    revision: str
    file: str
    sha256: str
    accepted: str  # a date and time, ISO 8601 in UTC
    by: str  # "typed" or "flag"

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return what was accepted for the model in `folder`, if anything."""
        try:
            return cls(**json.loads((folder / ACCEPTED).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, folder: Path) -> None:
        """Write it beside the model. Raises OSError."""
        content = json.dumps(asdict(self), indent=2) + "\n"
        atomic_write(folder / ACCEPTED, content.encode(), mode=0o644)


def licence_file(paths: Iterable[str]) -> str | None:
    """Return which file of a repository is its license, the English one where there are several.

    One of the model comes before one of the program.
    """
    named = [
        path
        for path in paths
        if "/" not in path
        and "licen" in path.lower()
        and PurePosixPath(path).suffix.lower() in TEXTS
    ]
    return min(
        named,
        key=lambda path: ("zh" in path.lower(), "model" not in path.lower(), len(path)),
        default=None,
    )


def shown(text: bytes) -> str:
    """Return a text as a terminal may show it: nothing in it can hide or repaint the rest."""
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return "\n".join("".join(one for one in line if _is_visible(one)) for line in lines)


def _is_visible(character: str) -> bool:
    """Whether it is neither a control character nor one that turns the direction of others."""
    return character == "\t" or unicodedata.category(character) not in {"Cc", "Cf"}


def calls_itself(text: bytes, title: str) -> bool:
    """Whether a license's text holds its title, however it is broken into lines."""
    words = " ".join(text.decode("utf-8", "replace").split())
    return title.casefold() in words.casefold()


def fingerprint(text: bytes) -> str:
    """Name a text by its sha256."""
    return hashlib.sha256(text).hexdigest()
