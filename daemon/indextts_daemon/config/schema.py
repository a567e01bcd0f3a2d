"""Every setting with its default, its bounds and its description: the one place that lists them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import voluptuous as vol

from .checks import addresses, gib, models, numbered_voices, seconds, whole
from .sections import (
    DiscoverySettings,
    FakeSettings,
    IndexTTSSettings,
    ModelsSettings,
    QueueSettings,
    ServerSettings,
    Settings,
    SharingSettings,
    WorkerSettings,
)

ENVIRONMENT_PREFIX = "INDEXTTS_"

_SERVER = {
    vol.Optional(
        "host",
        default=("0.0.0.0", "::"),  # noqa: S104 a voice for the whole LAN
        description="IP addresses to listen on.",
    ): addresses,
    vol.Optional("port", default=8818, description="TCP port; 0 picks a free one."): whole(
        0, 65535
    ),
    vol.Optional("auth", default=True, description="Whether clients need the token."): bool,
    vol.Optional(
        "drain_timeout_s",
        default=30.0,
        description="How long a stop waits for what is being spoken.",
    ): seconds(0, 600),
    vol.Optional(
        "idle_client_timeout_s",
        default=30.0,
        description="After how long a client that reads nothing is given up.",
    ): seconds(0.1, 600),
}
_QUEUE = {
    vol.Optional(
        "capacity",
        default=64,
        description="Requests that may wait per model; one more place is kept for critical ones.",
    ): whole(1, 10_000),
}
_WORKER = {
    vol.Optional(
        "load_timeout_s", default=300.0, description="How long loading a model may take."
    ): seconds(1, 3600),
    vol.Optional(
        "step_timeout_s",
        default=60.0,
        description="After how long in one step a model counts as hung and is replaced.",
    ): seconds(0.5, 3600),
}
_MODELS = {
    vol.Optional(
        "keep_alive_s",
        default=0.0,
        description="After how long without work a model leaves the memory; 0 keeps it loaded.",
    ): seconds(0, 604_800),
    vol.Optional(
        "pinned", default=(), description="Ids of models that never leave the memory by themselves."
    ): models,
    vol.Optional(
        "memory_budget_gib",
        default=None,
        description="GPU memory for all loaded models together; absent, what is free.",
    ): vol.Maybe(gib(0.1, 1024), msg="expected a number of GiB from 0.1 to 1024"),
    vol.Optional(
        "max_hold_s",
        default=60.0,
        description="How long requests wait at most while one model takes the place of another.",
    ): seconds(0, 600),
    vol.Optional(
        "drain_timeout_s",
        default=60.0,
        description="How long a replaced model may finish what it speaks.",
    ): seconds(0, 600),
    vol.Optional(
        "probation_s",
        default=600.0,
        description="How long a new version must do well before the one before it is let go.",
    ): seconds(0, 86_400),
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
    ): gib(0, 1024),
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
    ): seconds(0, 60),
    vol.Optional(
        "voices",
        default=(),
        description="The fake model's voices: ids, each with the number that marks its samples; "
        "empty for sixteen.",
    ): numbered_voices,
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
SECTIONS: dict[str, tuple[dict[vol.Optional, Any], type[Any]]] = {
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
    _TOP | {vol.Optional(name, default=dict): fields for name, (fields, _) in SECTIONS.items()}
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
    tables = {"": _TOP} | {f"{name}.": fields for name, (fields, _) in SECTIONS.items()}
    for prefix, fields in tables.items():
        for marker, check in fields.items():
            yield SettingDoc(
                key=f"{prefix}{marker.schema}",
                default=marker.default(),
                description=marker.description,
                check=vol.Schema(check),
            )


def tree(settings: Settings) -> dict[str, Any]:
    """Return the settings as the file would hold them: plain JSON, nested."""
    made: dict[str, Any] = {}
    for doc in reference():
        section, _, name = doc.key.rpartition(".")
        holder = getattr(settings, section) if section else settings
        below = made.setdefault(section, {}) if section else made
        below[name] = _plain(getattr(holder, name))
    return made


def _plain(value: object) -> object:
    if not isinstance(value, tuple):
        return value
    pairs = value and all(isinstance(one, tuple) for one in value)
    return dict(value) if pairs else list(value)


def changes(old: Settings, new: Settings) -> frozenset[str]:
    """Return the dotted keys of what differs."""
    return frozenset(doc.key for doc in reference() if _found(old, doc.key) != _found(new, doc.key))


def _found(settings: Settings, key: str) -> object:
    value: object = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value
