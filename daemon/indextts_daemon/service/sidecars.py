"""What the household says of a recording, in a file of its own beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self, TypeVar

import voluptuous as vol
import yaml

from indextts_daemon.config import VOICE_ID, explained, read_tree
from indextts_daemon.errors import InvalidRequestError, SettingsError

from .folders import LeftOutError, require_plain

SIDECAR = ".yaml"
SIDECAR_BYTES = 1 << 16
NAME_LENGTH = 80
CONSENT_LENGTH = 1000
MOST_LANGUAGES = 32

T = TypeVar("T")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_LENGTH or not value.isprintable():
        raise vol.Invalid(f"expected 1 to {NAME_LENGTH} characters on one line")
    return value


def _languages(value: Any) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    tag = vol.Match(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")
    try:
        return tuple(tag(one) for one in vol.Schema(vol.All([str], _FEW))(found))
    except vol.Invalid as err:
        raise vol.Invalid("expected languages such as [en, zh]") from err


_FEW = vol.Length(max=MOST_LANGUAGES)


def _consent(value: Any) -> str | bool:
    return value if isinstance(value, bool) else str(vol.Schema(str)(value))


_ID = vol.Match(rf"{VOICE_ID.pattern}\Z", msg="expected a name like good-night")
_SCHEMA = vol.Schema(
    {
        vol.Optional("name"): _text,
        vol.Optional("languages"): _languages,
        vol.Optional("consent"): _consent,
        vol.Optional("moods"): vol.Maybe({_ID: _ID}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What somebody says of a recording when giving it."""

    consent: str
    name: str | None = None
    languages: tuple[str, ...] | None = None

    @classmethod
    def of(cls, *, consent: str, name: str | None, languages: str | None) -> Self:
        """Take it as it is sent: languages with commas. Raises InvalidRequestError."""
        if not consent.strip() or len(consent) > CONSENT_LENGTH:
            raise InvalidRequestError(
                "Say in `consent` who agreed to the use of this voice, and when: at most "
                f"{CONSENT_LENGTH} characters.",
                param="consent",
            )
        tags = [tag.strip() for tag in (languages or "").split(",")]
        return cls(
            consent=consent.strip(),
            name=None if name is None else _valid(_text, name, "name"),
            languages=None
            if languages is None
            else _valid(_languages, tags if any(tags) else [], "languages"),
        )


def said(file: Path, folder: Path, *, known: set[str]) -> tuple[dict[str, Any], list[str]]:
    """Return what a sidecar says, and what in it is not so. Raises SettingsError."""
    try:
        require_plain(file, folder, most_bytes=SIDECAR_BYTES)
        tree, origins = read_tree(file)
        found = _SCHEMA(tree)
    except LeftOutError as err:
        raise SettingsError(f"{file.name} is not read: {err}") from err
    except SettingsError as err:
        raise SettingsError(err.message.replace(str(file), file.name)) from err
    except vol.MultipleInvalid as err:
        raise SettingsError(explained(err, origins).replace(str(file), file.name)) from err
    moods = (found.pop("moods", None) or {}).items()
    wrong = [
        f"{origins[f'moods.{mood}'].replace(str(file), file.name)}{mood}: there is no voice "
        f"{lender}. This mood is left out."
        for mood, lender in moods
        if lender not in known
    ]
    found["moods"] = tuple((mood, lender) for mood, lender in moods if lender in known)
    return found, wrong


def written(folder: Path, voice: str, stated: Stated, *, today: date) -> bytes:
    """Write a voice's sidecar anew; what nobody states now stays as it is in the folder.

    Raises SettingsError where that cannot be read.
    """
    file = folder / f"{voice}{SIDECAR}"
    tree: dict[str, Any] = {}
    if file.exists():
        said(file, folder, known=set())
        tree, _ = read_tree(file)
    if stated.name is not None:
        tree["name"] = stated.name
    if stated.languages is not None:
        tree["languages"] = list(stated.languages)
    tree["consent"] = f"{stated.consent} (noted on {today.isoformat()})"
    return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).encode()


def _valid(check: Callable[[Any], T], value: object, param: str) -> T:
    try:
        return check(value)
    except vol.Invalid as err:
        raise InvalidRequestError(f"`{param}`: {err.msg}.", param=param) from err
