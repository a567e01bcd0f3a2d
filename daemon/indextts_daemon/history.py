"""The last good versions of a document, in a folder of their own: what a bad one falls back on.

Knows no settings and no moods: a document is text. It is kept once, under the number of the last
time that it came into force.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
import hashlib
from pathlib import Path
import re

from .errors import SettingsError
from .storage import atomic_write

_NAME = re.compile(r"[0-9]{8}-[0-9]{8}-[0-9a-f]{16}\.txt")
_LEFT_OVER = re.compile(rf"\.{_NAME.pattern}\..+")  # of a write that a power cut ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A document as it once was in force."""

    number: int
    place: int  # its number, or that of the version which a step back brought back
    saved_at: float  # Unix
    text: str


class History:
    """Keeps the last good versions; only one may write at a time. Reads and writes files."""

    def __init__(self, folder: Path, *, keep: int = 10) -> None:
        self._folder = folder
        self._keep = keep

    def add(self, text: str, *, back_to: Version | None = None) -> Version:
        """Note that a document came into force, by a step back if `back_to` is what `before` said.

        What is in force already stays as it is. Raises OSError.
        """
        latest = self.latest()
        if latest is not None and latest.text == text:
            return latest
        number = 1 + max((_numbers(file)[0] for file in self._files()), default=0)
        place = back_to.number if back_to is not None else number
        name = f"{number:08}-{place:08}-{_hash(text)}.txt"
        atomic_write(self._folder / name, text.encode())
        versions = self.versions()
        self._forget_all_but(versions[: self._keep])
        return versions[0]

    def versions(self) -> tuple[Version, ...]:
        """Return what is kept, the newest first; what cannot be read or is cut off is left out."""
        found: dict[str, Version] = {}
        for file in sorted(self._files()):
            if (version := _read(file)) is not None:
                found[version.text] = version
        return tuple(sorted(found.values(), key=lambda version: -version.number))

    def latest(self) -> Version | None:
        """Return what was in force last."""
        return next(iter(self.versions()), None)

    def version(self, number: int) -> Version:
        """Return the version of that number. Raises SettingsError, `version_not_found`."""
        for version in self.versions():
            if version.number == number:
                return version
        raise SettingsError(f"There is no version {number}.", code="version_not_found")

    def before(self, text: str | None) -> Version:
        """Return what was in force before `text`; the last one where that is no version, or None.

        Once it is in force in its turn, the next call goes a step further back. Raises
        SettingsError, `version_not_found`.
        """
        versions = self.versions()
        current = next((version for version in versions if version.text == text), None)
        for version in versions:
            if current is None or version.number < current.place:
                return version
        raise SettingsError("No version from before this one is kept.", code="version_not_found")

    def _files(self) -> Iterator[Path]:
        try:
            files = list(self._folder.iterdir())
        except OSError:
            return
        yield from (file for file in files if _NAME.fullmatch(file.name))

    def _forget_all_but(self, kept: tuple[Version, ...]) -> None:
        numbers = {version.number for version in kept}
        for file in tuple(self._folder.iterdir()):
            ours = _NAME.fullmatch(file.name) and _numbers(file)[0] not in numbers
            if ours or _LEFT_OVER.fullmatch(file.name):
                with suppress(OSError):  # it is only left over
                    file.unlink()


def _read(file: Path) -> Version | None:
    try:
        text = file.read_bytes().decode()
        saved_at = file.stat().st_mtime
    except (OSError, UnicodeDecodeError):
        return None
    if _hash(text) != file.stem.rpartition("-")[2]:
        return None
    number, place = _numbers(file)
    return Version(number=number, place=place, saved_at=saved_at, text=text)


def _numbers(file: Path) -> tuple[int, int]:
    number, place, _ = file.name.split("-")
    return int(number), int(place)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
