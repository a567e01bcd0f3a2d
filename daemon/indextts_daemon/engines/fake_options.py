"""How the fake engine acts: options given, and those in the file of a folder that plays a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
import stat
from typing import Any

import voluptuous as vol
import yaml

from indextts_daemon.errors import EngineUnavailableError

FILE = "fake.yaml"
LARGEST_FILE = 1 << 16  # bytes
LOADS = ("", "slow", "fail", "crash", "hang", "oom")
SOUNDS = ("", "silent", "clipped", "endless", "nan")
_INT16 = (-(1 << 15), (1 << 15) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeOptions:
    """How slow, long and broken it acts."""

    id: str = "fake"
    name: str = "Fake"
    generation: int = 0
    languages: tuple[str, ...] = ("en", "de", "zh")  # the voices' in turn
    voices: Mapping[str, int] = field(default_factory=dict)  # tags by id; sixteen if empty
    seconds_per_character: float = 0.06
    chunk_s: float = 0.1  # audio of a step
    step_sleep_s: float = 0.0
    max_jobs: int = 16
    load: str = ""  # one of LOADS
    load_s: float = 1.0  # what "slow" takes
    memory_mib: int = 0  # really held
    sound: str = ""  # one of SOUNDS: what is wrong with all it says, once it has spoken first
    dies_after: int | None = None  # jobs after its first one


def opened(given: Mapping[str, object]) -> FakeOptions:
    """Take the options given, and for the rest those of the folder `model` if there is one.

    Raises EngineUnavailableError.
    """
    told = dict(given)
    folder = told.pop("model", None)
    read = {} if folder is None else _read(Path(str(folder)))
    checked = _checked("An option of the fake engine", {**read, **told})
    languages = {"languages": tuple(checked["languages"])} if "languages" in checked else {}
    return FakeOptions(**{**checked, **languages})


def _read(folder: Path) -> dict[str, Any]:
    try:
        if not stat.S_ISREG((folder / FILE).stat().st_mode):  # a pipe would keep us waiting
            raise _unusable(f"{FILE} cannot be read: it is not a file.")
        with (folder / FILE).open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as err:
        message = f"The model's folder has no {FILE}."
        raise EngineUnavailableError(message, code="checkpoint_missing") from err
    except OSError as err:
        raise _unusable(f"{FILE} cannot be read ({err.strerror}).") from err
    if len(text) > LARGEST_FILE:
        raise _unusable(f"{FILE} is far too large for options.")
    try:
        tree = yaml.safe_load(text.decode("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        raise _unusable(f"{FILE} is damaged: it is no YAML.") from err
    if not isinstance(tree, dict):
        raise _unusable(f"{FILE} has no options, such as `generation: 2`.")
    return _checked(f"What {FILE} says", tree)


def _checked(what: str, options: Mapping[str, object]) -> dict[str, Any]:
    try:
        checked: dict[str, Any] = _SCHEMA(dict(options))
    except vol.MultipleInvalid as err:
        [first, *_] = err.errors
        raise _unusable(f"{what} cannot be used: {_named(first)}.") from err
    return checked


def _named(fault: vol.Invalid) -> str:
    """Say where something is wrong, and what."""
    return f"{'.'.join(map(str, fault.path))}: {fault.error_message}"


def _unusable(message: str) -> EngineUnavailableError:
    return EngineUnavailableError(message, code="checkpoint_invalid")


def _number(least: float, most: float, *kinds: type) -> Callable[[object], object]:
    def check(value: object) -> object:
        if type(value) in kinds and least <= value <= most:  # type: ignore[operator]
            return value
        raise vol.Invalid(f"expected a number from {least:g} to {most:g}")

    return check


def _seconds(most: float) -> Callable[[object], object]:
    return _number(0, most, int, float)


def _count(least: int, most: int) -> Callable[[object], object]:
    return _number(least, most, int)


_TEXT = vol.All(str, vol.Length(min=1, max=64))
_SCHEMA = vol.Schema(
    {
        "id": vol.Match(r"[a-z0-9][a-z0-9_-]{0,63}\Z"),
        "name": _TEXT,
        "generation": _count(*_INT16),
        "languages": vol.All([_TEXT], vol.Length(min=1)),
        "voices": {_TEXT: _count(*_INT16)},
        "seconds_per_character": _seconds(60),
        "chunk_s": _seconds(60),
        "step_sleep_s": _seconds(600),
        "max_jobs": _count(1, 1024),
        "load": vol.In(LOADS),
        "load_s": _seconds(600),
        "memory_mib": _count(0, 1 << 20),
        "sound": vol.In(SOUNDS),
        "dies_after": vol.Maybe(_count(0, 1 << 30)),
    }
)
