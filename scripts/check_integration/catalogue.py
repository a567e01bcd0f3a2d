"""Checks of what the catalogues (HACS, the Marketplace) read at the root of the repository."""

from collections.abc import Iterator
import re
from typing import Any, Final

from homeassistant.const import MAJOR_VERSION, MINOR_VERSION
import probatio

from .repository import CUSTOM_COMPONENTS, Finding, Repository

_LICENCES: Final = ("Apache License", "MIT License", "GNU GENERAL PUBLIC LICENSE")


def _version(value: Any) -> str:
    match = re.fullmatch(r"(\d{4})\.(\d{1,2})\.\d+", str(value))
    if not match:
        raise probatio.Invalid("this is no version of Home Assistant")
    if (int(match[1]), int(match[2])) != (MAJOR_VERSION, MINOR_VERSION):
        raise probatio.Invalid(f"the tests run on {MAJOR_VERSION}.{MINOR_VERSION}, not on this")
    return str(value)


_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required("name"): str,
        probatio.Required("homeassistant"): _version,
        probatio.Optional("content_in_root"): False,
        probatio.Optional("country"): [probatio.Match(r"^[A-Z]{2}$")],
        probatio.Inclusive("filename", "release"): probatio.Match(r"^[\w-]+\.zip$"),
        probatio.Optional("hacs"): str,
        probatio.Optional("hide_default_branch"): bool,
        probatio.Optional("persistent_directory"): str,
        probatio.Optional("render_readme"): bool,
        probatio.Inclusive("zip_release", "release"): True,
    }
)


def catalogue_entry_fits(repository: Repository) -> Iterator[Finding]:
    """Want known keys in hacs.json, and the oldest Home Assistant promised to be the one tested."""
    try:
        _SCHEMA(repository.json("../../hacs.json"))
    except probatio.MultipleInvalid as err:
        for error in err.errors:
            key = ".".join(str(part) for part in error.path)
            yield repository.finding("../../hacs.json", f"{key}: {error.msg}", "Correct this key")


def one_integration_lies_here(repository: Repository) -> Iterator[Finding]:
    """Want one folder, for the catalogues install the one that they find."""
    for path in sorted((repository.root / CUSTOM_COMPONENTS).iterdir()):
        if path.is_dir() and path != repository.folder and not path.name.startswith("__"):
            yield repository.finding(f"../{path.name}", "a second folder", "Move it elsewhere")


def readme_introduces_it(repository: Repository) -> Iterator[Finding]:
    """Want who finds it in a catalogue to read how to install it, and from which version on."""
    readme = repository.root / "README.md"
    text = readme.read_text("utf-8") if readme.is_file() else ""
    floor = f"{MAJOR_VERSION}.{MINOR_VERSION}"
    for word in ("HACS", "Marketplace", f"Home Assistant {floor}", "docs/home-assistant.md"):
        if word not in text:
            yield repository.finding("../../README.md", f"it does not name {word}", "Say it")


def licence_is_open(repository: Repository) -> Iterator[Finding]:
    """Want a licence that the catalogues recognise."""
    path = repository.root / "LICENSE"
    head = path.read_text("utf-8")[:200] if path.is_file() else ""
    if not any(name in head for name in _LICENCES):
        yield repository.finding("../../LICENSE", "it is no known open licence", "Add its text")
