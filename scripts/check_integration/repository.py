"""What is checked: the files of the repository as they lie there, and what was found in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
import json
from pathlib import Path
from typing import Any, Final

from homeassistant.exceptions import HomeAssistantError
from homeassistant.util.yaml import load_yaml

from .source import Source

CUSTOM_COMPONENTS: Final = "custom_components"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong in which file, and what to do about it."""

    file: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}. {self.fix}."


class UnreadableError(Exception):
    """A file that a check needs is not there or holds no data."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


class Repository:
    """One repository with one integration; file names are relative to the integration's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        integrations = sorted(root.glob(f"{CUSTOM_COMPONENTS}/*/manifest.json"))
        if not integrations:
            raise UnreadableError(
                Finding(
                    file=CUSTOM_COMPONENTS,
                    what="no folder holds a manifest.json",
                    fix="Put the integration into a folder named after its domain",
                )
            )
        self.folder = integrations[0].parent

    @property
    def domain(self) -> str:
        """The domain is the folder's name; that the manifest agrees is a check."""
        return self.folder.name

    @cached_property
    def source(self) -> Source:
        """What the integration's Python says."""
        return Source(self.folder)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest, whatever is in it."""
        return self.json("manifest.json")

    @property
    def texts(self) -> dict[str, Any]:
        """The English texts, which the other languages follow."""
        return self.json("translations/en.json")

    def has(self, name: str) -> bool:
        """Say whether the integration has this file."""
        return (self.folder / name).is_file()

    def json(self, name: str) -> dict[str, Any]:
        """Read an object from a JSON file."""
        return self._read(name, lambda path: json.loads(path.read_text("utf-8")))

    def yaml(self, name: str) -> dict[str, Any]:
        """Read a mapping from a YAML file."""
        return self._read(name, load_yaml)

    def finding(self, name: str, what: str, fix: str) -> Finding:
        """Return what was found in this file."""
        path = (self.folder / name).resolve().relative_to(self.root.resolve())
        return Finding(file=path.as_posix(), what=what, fix=fix)

    def _read(self, name: str, read: Callable[[Path], Any]) -> dict[str, Any]:
        try:
            found = read(self.folder / name)
        except (OSError, ValueError, HomeAssistantError) as err:
            raise UnreadableError(
                self.finding(name, f"it cannot be read ({type(err).__name__})", "Write it")
            ) from err
        if not isinstance(found, dict):
            raise UnreadableError(self.finding(name, "it holds no object", "Write keys and values"))
        return found


type Check = Callable[[Repository], Iterator[Finding]]


def found(check: Check, repository: Repository) -> list[Finding]:
    """Run one check; a file that it cannot read is what it found."""
    try:
        return [*check(repository)]
    except UnreadableError as err:
        return [err.finding]
