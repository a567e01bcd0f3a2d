"""Where settings come from: defaults, then the YAML file, then the environment, then flags."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

import voluptuous as vol

from indextts_daemon.errors import SettingsError

from .document import Document, Origin, parse, problems, read_text, refused
from .schema import ENVIRONMENT_PREFIX, SCHEMA, SECTIONS, SettingDoc, reference
from .sections import Settings

NOT_SETTINGS = frozenset({"INDEXTTS_TOKEN", "INDEXTTS_PARITY"})
USUAL_NAME = "settings.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, and the keys of the document that the environment or a flag overrides."""

    settings: Settings
    shadowed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The layers that settings are made of; `flags` are keyed as in the reference, "server.port".

    A `required` file must be there; another stands for an empty one while it is not.
    """

    file: Path | None = None
    required: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the document is called in words."""
        return self.file.name if self.file is not None else USUAL_NAME

    def document(self, *, name: str | None = None) -> str:
        """Return what the file says, "" where there is none. Raises SettingsError."""
        if self.file is None:
            return ""
        try:
            return read_text(self.file, name=name or self.name)
        except SettingsError as err:
            if self.required or not isinstance(
                err.__cause__, FileNotFoundError | NotADirectoryError
            ):
                raise
            return ""

    def read(self, text: str, *, name: str | None = None) -> Loaded:
        """Return the settings as they are with this text for the file's.

        Raises SettingsError naming document, line and key, or the variable or flag, that is wrong.
        """
        document = parse(text, name=name or self.name)
        written = frozenset(document.origins)
        for key, value in document.tree.items():  # all below it may be commented out
            document.tree[key] = {} if value is None and key in SECTIONS else value
        above = self._put_layers(document)
        try:
            merged = SCHEMA(document.tree)
        except vol.MultipleInvalid as err:
            raise refused(problems(err, document.origins)) from err
        sections = {name: made(**merged.pop(name)) for name, (_, made) in SECTIONS.items()}
        shadowed = tuple(doc.key for doc in reference() if doc.key in above & written)
        return Loaded(settings=Settings(**merged, **sections), shadowed=shadowed)

    def load(self) -> Settings:
        """Return the settings; the words name the file by its path, for who has to find it.

        Raises SettingsError.
        """
        name = self.name if self.file is None else str(self.file)
        return self.read(self.document(name=name), name=name).settings

    def _put_layers(self, document: Document) -> frozenset[str]:
        """Lay environment and flags over the document; return their keys. Raises SettingsError."""
        docs = {doc.environment: doc for doc in reference()}
        above = set(self.flags)
        for variable in sorted(self.environment):
            if not variable.startswith(ENVIRONMENT_PREFIX) or variable in NOT_SETTINGS:
                continue
            if variable not in docs:
                raise SettingsError(f"{variable} in the environment is not a setting.")
            doc = docs[variable]
            _put(document, doc.key, _from_text(self.environment[variable], doc), f"{variable}: ")
            above.add(doc.key)
        for key, value in self.flags.items():
            _put(document, key, value, "flag: ")
        return frozenset(above)


def load_settings(
    *, file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]
) -> Settings:
    """Merge the layers; a file that is named must be there, and is called by its path.

    Raises SettingsError naming file, line and key, or the variable or flag, that is wrong.
    """
    return Source(file=file, required=True, environment=environment, flags=flags).load()


def _from_text(text: str, doc: SettingDoc) -> object:
    """Read an environment value as YAML would, but keep text where text is expected."""
    if isinstance(doc.default, str) or (doc.default is None and _takes(doc.check, text)):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if doc.default is True or doc.default is False:
            return {"true": True, "false": False}.get(text.lower(), text)
        return [part.strip() for part in text.split(",")] if "," in text else text


def _takes(check: Callable[[Any], object], value: object) -> bool:
    try:
        check(value)
    except vol.Invalid:
        return False
    return True


def _put(document: Document, key: str, value: object, origin: str) -> None:
    tree = document.tree
    *sections, last = key.split(".")
    for section in sections:
        below = tree.setdefault(section, {})
        if not isinstance(below, dict):
            return  # the schema reports the broken section itself
        tree = below
    tree[last] = value
    document.origins[key] = Origin(words=origin)
