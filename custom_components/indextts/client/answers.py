"""What a daemon says, frozen; JSON of another shape than the contract's is a ValueError."""

from collections.abc import Mapping
from dataclasses import dataclass, field as having
from typing import Any, Self

from .changes import Canary, Paused, Reload
from .reading import field, number, optional, strings


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """Who the daemon is."""

    instance_id: str
    name: str
    version: str
    engine: str
    model_name: str
    auth: bool  # a token is asked for
    revision: str | None  # changes when the same words would sound different; None while loading

    @classmethod
    def read(cls, data: Any) -> Self:
        """Read the answer of /v1/info."""
        return cls(
            instance_id=field(data, "instance_id", str),
            name=field(data, "name", str),
            version=field(data, "version", str),
            engine=field(field(data, "engine", dict), "id", str),
            model_name=field(data, "model_name", str),
            auth=field(data, "auth", bool),
            revision=field(data, "revision", str) if data.get("revision") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the daemon would speak now, and its own word for its state."""

    ready: bool
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How it goes: what waits, and how fast the last speech was (None: there was none yet)."""

    state: str
    model: str  # the id of what speaks unless a call names another
    model_name: str
    waiting: int
    in_flight: int
    first_audio_p95_s: float | None
    real_time_factor: float | None
    generation: int | None = None  # None: a daemon from before anything could be reloaded
    paused: Paused | None = None
    canary: Canary | None = None  # that failed, and nothing has been taken since
    last_reload: Mapping[str, Reload] = having(default_factory=dict)  # by scope

    @classmethod
    def read(cls, data: Any) -> Self:
        """Read the answer of /v1/status."""
        queue, recent = field(data, "queue", dict), field(data, "recent", dict)
        paused, canary = optional(data, "paused", dict), optional(data, "canary", dict)
        reloads = optional(data, "last_reload", dict) or {}
        return cls(
            state=field(data, "state", str),
            model=field(data, "model", str),
            model_name=field(data, "model_name", str),
            waiting=field(queue, "waiting", int),
            in_flight=field(queue, "in_flight", int),
            first_audio_p95_s=number(recent, "first_audio_p95_s"),
            real_time_factor=number(recent, "real_time_factor"),
            generation=optional(data, "generation", int),
            paused=Paused.read(paused) if paused is not None else None,
            canary=Canary.read(canary) if canary is not None else None,
            last_reload={scope: Reload.read(item) for scope, item in reloads.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language that can be spoken, and the ids of its voices, its default first."""

    code: str
    name: str
    voices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Languages:
    """All that can be spoken, and what is spoken unless something else is asked for."""

    default: str
    languages: tuple[Language, ...]

    @classmethod
    def read(cls, data: Any) -> Self:
        """Read the answer of /v1/languages."""
        return cls(
            default=field(data, "default", str),
            languages=tuple(
                Language(
                    code=field(item, "code", str),
                    name=field(item, "name", str),
                    voices=strings(item, "voices"),
                )
                for item in field(data, "languages", list)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice that the daemon can speak with."""

    id: str
    name: str
    languages: tuple[str, ...]
    moods: tuple[str, ...] = ()  # none where the model that speaks with it has no feelings

    @classmethod
    def read_all(cls, data: Any) -> tuple[Self, ...]:
        """Read the answer of /v1/voices."""
        return tuple(
            cls(
                id=field(item, "id", str),
                name=field(item, "name", str),
                languages=strings(item, "languages"),
                moods=strings(item, "moods") if "moods" in item else (),
            )
            for item in field(data, "voices", list)
        )

    def speaks(self, language: str) -> bool:
        """Say whether the daemon takes it for a language: a voice for en speaks en-US, too."""
        parts = language.split("-")
        tags = {"-".join(parts[:length]) for length in range(1, len(parts) + 1)}
        return not tags.isdisjoint(self.languages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Something that the daemon can speak with, loaded or not."""

    id: str
    state: str
    version: str | None = None

    @classmethod
    def read_all(cls, data: Any) -> tuple[Self, ...]:
        """Read the answer of /v1/models."""
        return tuple(
            cls(
                id=field(item, "id", str),
                state=field(item, "state", str),
                version=optional(item, "version", str),
            )
            for item in field(data, "data", list)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What a pairing code was exchanged for."""

    token: str

    @classmethod
    def read(cls, data: Any) -> Self:
        """Read the answer of /v1/pair."""
        return cls(token=field(data, "token", str))


def read_moods(data: Any) -> tuple[str, ...]:
    """Read the answer of /v1/moods: their ids."""
    return tuple(field(item, "id", str) for item in field(data, "moods", list))
