"""Settings: defaults, then the YAML file, then the environment, then flags; read once, frozen."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
import json
from pathlib import Path
import re
from typing import Any

import voluptuous as vol
import yaml

from .errors import SettingsError

ENVIRONMENT_PREFIX = "INDEXTTS_"
VOICE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NOT_SETTINGS = frozenset({"INDEXTTS_TOKEN", "INDEXTTS_PARITY"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the daemon listens and whom it admits."""

    host: tuple[str, ...]
    port: int
    auth: bool
    drain_timeout_s: float
    idle_client_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """How much may wait."""

    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How long a model process may take."""

    load_timeout_s: float
    step_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsSettings:
    """Which models stay in memory, and how one takes the place of another."""

    keep_alive_s: float
    pinned: tuple[str, ...]
    memory_budget_gib: float | None
    max_hold_s: float
    drain_timeout_s: float
    probation_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingSettings:
    """How the GPU is shared with other programs."""

    game_mode: bool
    while_away: str
    free_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverySettings:
    """How the daemon announces itself."""

    enabled: bool
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTTSSettings:
    """Which model the `indextts` engine loads, and how well it speaks."""

    model: str | None
    quality: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSettings:
    """Behaviour of the `fake` engine, for trying clients."""

    load: str
    step_s: float
    voices: tuple[tuple[str, int], ...]  # id and tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set."""

    engine: str
    language: str
    log_level: str
    server: ServerSettings
    queue: QueueSettings
    worker: WorkerSettings
    models: ModelsSettings
    sharing: SharingSettings
    discovery: DiscoverySettings
    indextts: IndexTTSSettings
    fake: FakeSettings


def _whole(low: int, high: int) -> Callable[[Any], int]:
    """Accept a whole number; YAML's true is none."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise vol.Invalid(f"expected a whole number from {low} to {high}")
        return value

    return check


def _seconds(low: float, high: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise vol.Invalid(f"expected a number of seconds from {low:g} to {high:g}")
        return float(value)

    return check


def _gib(low: float, high: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise vol.Invalid(f"expected a number of GiB from {low:g} to {high:g}")
        return float(value)

    return check


def _models(value: Any) -> tuple[str, ...]:
    """Accept the id of one model or a list of them."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(map(_is_id, found)):
        raise vol.Invalid("expected ids of models such as indextts-2")
    return tuple(found)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and VOICE_ID.fullmatch(value) is not None


def _addresses(value: Any) -> tuple[str, ...]:
    """Accept one IP address or a list of them."""
    found = [value] if isinstance(value, str) else value
    try:
        if not found or not isinstance(found, list | tuple):
            raise ValueError  # noqa: TRY301 one message for whatever is none
        for address in found:
            ip_address(address if isinstance(address, str) else "")
    except ValueError as err:
        raise vol.Invalid("expected IP addresses such as 0.0.0.0 or ::1") from err
    return tuple(found)


def _numbered_voices(value: Any) -> tuple[tuple[str, int], ...]:
    """Accept a mapping of voice ids to numbers that an int16 sample can be."""
    if value in ((), []):
        return ()
    if not isinstance(value, dict) or not all(map(_is_numbered_voice, value, value.values())):
        raise vol.Invalid("expected voice ids, each with a number from 1 to 32767")
    return tuple(value.items())


def _is_numbered_voice(voice: object, number: object) -> bool:
    return _is_id(voice) and type(number) is int and 0 < number < 1 << 15


_SERVER = {
    vol.Optional(
        "host",
        default=("0.0.0.0", "::"),  # noqa: S104 a voice for the whole LAN
        description="IP addresses to listen on.",
    ): _addresses,
    vol.Optional("port", default=8818, description="TCP port; 0 picks a free one."): _whole(
        0, 65535
    ),
    vol.Optional("auth", default=True, description="Whether clients need the token."): bool,
    vol.Optional(
        "drain_timeout_s",
        default=30.0,
        description="How long a stop waits for what is being spoken.",
    ): _seconds(0, 600),
    vol.Optional(
        "idle_client_timeout_s",
        default=30.0,
        description="After how long a client that reads nothing is given up.",
    ): _seconds(0.1, 600),
}
_QUEUE = {
    vol.Optional(
        "capacity",
        default=64,
        description="Requests that may wait per model; one more place is kept for critical ones.",
    ): _whole(1, 10_000),
}
_WORKER = {
    vol.Optional(
        "load_timeout_s", default=300.0, description="How long loading a model may take."
    ): _seconds(1, 3600),
    vol.Optional(
        "step_timeout_s",
        default=60.0,
        description="After how long in one step a model counts as hung and is replaced.",
    ): _seconds(0.5, 3600),
}
_MODELS = {
    vol.Optional(
        "keep_alive_s",
        default=0.0,
        description="After how long without work a model leaves the memory; 0 keeps it loaded.",
    ): _seconds(0, 604_800),
    vol.Optional(
        "pinned", default=(), description="Ids of models that never leave the memory by themselves."
    ): _models,
    vol.Optional(
        "memory_budget_gib",
        default=None,
        description="GPU memory for all loaded models together; absent, what is free.",
    ): vol.Maybe(_gib(0.1, 1024), msg="expected a number of GiB from 0.1 to 1024"),
    vol.Optional(
        "max_hold_s",
        default=60.0,
        description="How long requests wait at most while one model takes the place of another.",
    ): _seconds(0, 600),
    vol.Optional(
        "drain_timeout_s",
        default=60.0,
        description="How long a replaced model may finish what it speaks.",
    ): _seconds(0, 600),
    vol.Optional(
        "probation_s",
        default=600.0,
        description="How long a new version must do well before the one before it is let go.",
    ): _seconds(0, 86_400),
}
_SHARING = {
    vol.Optional(
        "game_mode",
        default=True,
        description="Leave the GPU while another program needs it, and come back after.",
    ): bool,
    vol.Optional(
        "while_away",
        default="embedded",
        description="What happens meanwhile: `embedded` speaks with the plain voice, `refuse` says "
        "when to come back.",
    ): vol.In(["embedded", "refuse"]),
    vol.Optional(
        "free_gib",
        default=1.0,
        description="GPU memory that other programs may want; less free than this is pressure.",
    ): _gib(0, 1024),
}
_DISCOVERY = {
    vol.Optional("enabled", default=True, description="Announce the daemon by zeroconf."): bool,
    vol.Optional(
        "name", default=None, description="Name shown in Home Assistant; the host's if absent."
    ): vol.Maybe(vol.All(str, vol.Length(min=1, max=63)), msg="expected 1 to 63 characters"),
}
_INDEXTTS = {
    vol.Optional(
        "model",
        default=None,
        description="Folder of an IndexTTS model; absent, the one in the data folder.",
    ): vol.Maybe(vol.All(str, vol.Length(min=1)), msg="expected a folder"),
    vol.Optional(
        "quality",
        default="balanced",
        description="What is computed: `reference` all that upstream computes, `balanced` without "
        "what is only slow, `fast` with a little less sound.",
    ): vol.In(["reference", "balanced", "fast"]),
    vol.Optional(
        "device", default="auto", description="Where it runs; auto takes the GPU if there is one."
    ): vol.In(["auto", "cuda", "cpu"]),
}
_FAKE = {
    vol.Optional("load", default="", description="How the fake model fails to load."): vol.In(
        ["", "slow", "fail", "crash", "hang"]
    ),
    vol.Optional(
        "step_s", default=0.0, description="Seconds that each step of the fake model takes."
    ): _seconds(0, 60),
    vol.Optional(
        "voices",
        default=(),
        description="The fake model's voices: ids, each with the number that marks its samples; "
        "empty for sixteen.",
    ): _numbered_voices,
}
_TOP = {
    vol.Optional(
        "engine", default="auto", description="What speaks; auto takes the best there is."
    ): vol.In(["auto", "indextts", "embedded", "fake"]),
    vol.Optional(
        "language",
        default="en",
        description="The household's language, assumed where a text does not say otherwise.",
    ): vol.All(
        str, vol.Match(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z", msg="expected a tag like en")
    ),
    vol.Optional("log_level", default="info", description="How much is logged."): vol.In(
        ["debug", "info", "warning", "error"]
    ),
}
_SECTIONS: dict[str, tuple[dict[vol.Optional, Any], type[Any]]] = {
    "server": (_SERVER, ServerSettings),
    "queue": (_QUEUE, QueueSettings),
    "worker": (_WORKER, WorkerSettings),
    "models": (_MODELS, ModelsSettings),
    "sharing": (_SHARING, SharingSettings),
    "discovery": (_DISCOVERY, DiscoverySettings),
    "indextts": (_INDEXTTS, IndexTTSSettings),
    "fake": (_FAKE, FakeSettings),
}
SCHEMA = vol.Schema(
    _TOP | {vol.Optional(name, default=dict): fields for name, (fields, _) in _SECTIONS.items()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingDoc:
    """One row of the settings reference."""

    key: str
    default: object
    description: str
    check: Callable[[Any], object]  # a schema's: raises vol.Invalid

    @property
    def environment(self) -> str:
        """The variable that sets it."""
        return ENVIRONMENT_PREFIX + self.key.replace(".", "__").upper()


def reference() -> Iterator[SettingDoc]:
    """Describe every setting, from the schema itself."""
    tables = {"": _TOP} | {f"{name}.": fields for name, (fields, _) in _SECTIONS.items()}
    for prefix, fields in tables.items():
        for marker, check in fields.items():
            yield SettingDoc(
                key=f"{prefix}{marker.schema}",
                default=marker.default(),
                description=marker.description,
                check=vol.Schema(check),
            )


def load_settings(
    *, file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]
) -> Settings:
    """Merge the layers. `flags` are keyed as in the reference ("server.port").

    Raises SettingsError naming file, line and key, or the variable or flag, that is wrong.
    """
    tree, origins = ({}, {"": ""}) if file is None else read_tree(file)
    known = {doc.environment: doc for doc in reference()}
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in NOT_SETTINGS:
            continue
        if variable not in known:
            raise SettingsError(f"{variable} in the environment is not a setting.")
        doc = known[variable]
        _put(tree, doc.key, _from_text(environment[variable], doc), origins, f"{variable}: ")
    for key, value in flags.items():
        _put(tree, key, value, origins, "flag: ")
    try:
        merged = SCHEMA(tree)
    except vol.MultipleInvalid as err:
        raise SettingsError(explained(err, origins)) from err
    sections = {name: made(**merged.pop(name)) for name, (_, made) in _SECTIONS.items()}
    return Settings(**merged, **sections)


def read_tree(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a YAML file's keys and values, and where each dotted key stands, in words.

    Raises SettingsError.
    """
    try:
        loader = _Loader(file.read_text("utf-8"))
        node = loader.get_single_node()
        tree = None if node is None else loader.construct_document(node)
    except OSError as err:
        raise SettingsError(f"{file} cannot be read ({err.strerror}).") from err
    except UnicodeDecodeError as err:
        raise SettingsError(f"{file} is not UTF-8 text.") from err
    except RecursionError as err:
        raise SettingsError(f"{file} is nested too deeply.") from err
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(err, "problem", None) or "it is not YAML"
        raise SettingsError(f"{file}{where}: {problem}.") from err
    if node is None or tree is None:
        return {}, {"": f"{file}, "}
    if not isinstance(tree, dict):
        raise SettingsError(f"{file}, line 1: expected keys and values, such as `engine: auto`.")
    lines: dict[str, int] = {}
    for path, line in _lines(node):
        if path in lines:
            raise SettingsError(f"{file}, line {line}, {path}: line {lines[path]} sets it too.")
        lines[path] = line
    origins = {path: f"{file}, line {line}, " for path, line in lines.items()} | {"": f"{file}, "}
    return {key: _unless_empty(key, value) for key, value in tree.items()}, origins


def _unless_empty(key: object, value: object) -> object:
    """Take a section below which everything is commented out for an empty one."""
    return {} if value is None and key in _SECTIONS else value


class _Loader(yaml.SafeLoader):
    """Names the line of a value that cannot be read, such as the 99th of a month."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as err:
            raise yaml.constructor.ConstructorError(
                problem="a value that cannot be read", problem_mark=node.start_mark
            ) from err


def _lines(node: yaml.Node, section: str = "") -> Iterator[tuple[str, int]]:
    """Yield the line of each key of the file, and of each in its sections."""
    for key, value in node.value:
        yield f"{section}{key.value}", key.start_mark.line + 1
        if not section and isinstance(value, yaml.MappingNode):
            yield from _lines(value, f"{key.value}.")


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


def _put(
    tree: dict[str, Any], key: str, value: object, origins: dict[str, str], origin: str
) -> None:
    *sections, last = key.split(".")
    for section in sections:
        below = tree.setdefault(section, {})
        if not isinstance(below, dict):
            return  # the schema reports the broken section itself
        tree = below
    tree[last] = value
    origins[key] = origin


_IN_WORDS = {
    "extra keys not allowed": "there is no such setting",
    "expected str": "expected text; put quotes around it",
    "expected bool": "expected true or false",
    "expected int": "expected a whole number",
    "expected float": "expected a number",
    "expected a dictionary": "expected settings below it, each on a line of its own",
}


def explained(refusal: vol.MultipleInvalid, origins: Mapping[str, str]) -> str:
    """Say what a schema has against a tree, and where; `origins` are those of `read_tree`."""
    return " ".join(_explain(error, origins) for error in refusal.errors)


def _explain(error: vol.Invalid, origins: Mapping[str, str]) -> str:
    parts = [str(part) for part in error.path]
    paths = (".".join(parts[:n]) for n in range(len(parts), -1, -1))
    origin = next(origins[path] for path in paths if path in origins)
    key = ".".join(parts)
    return f"{origin}{key}: {_IN_WORDS.get(error.msg, error.msg)}."
