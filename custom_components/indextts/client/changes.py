"""What a daemon says of its changes: what was asked for, what came of it, what is in the way."""

from dataclasses import dataclass
from typing import Any, Self

from .reading import field, number, optional


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """Why the graphics card is left to other work, at whose word, and until when."""

    reason: str
    who: str
    until: float | None  # Unix; None: until it is ended

    @classmethod
    def read(cls, data: Any) -> Self:
        """Read what stands under `paused`."""
        return cls(
            reason=field(data, "reason", str),
            who=field(data, "who", str),
            until=number(data, "until"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A version of a model that was not taken, because it failed its test lines."""

    failed: str  # how, in a sentence
    model: str
    version: str

    @classmethod
    def read(cls, data: Any) -> Self | None:
        """Read what stands under `canary`; None where nothing failed."""
        if not optional(data, "failed", str):
            return None
        return cls(
            failed=field(data, "failed", str),
            model=field(data, "model", str),
            version=field(data, "version", str),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """How the last reload of one kind of thing, or of all, went."""

    result: str
    problems: tuple[str, ...] = ()  # of what was left out; whole sentences with file and line

    @classmethod
    def read(cls, data: Any) -> Self:
        """Read the answer of /v1/reload, or what stands under one scope of `last_reload`."""
        return cls(
            result=field(data, "result", str),
            problems=tuple(field(item, "message", str) for item in field(data, "errors", list)),
        )

    @property
    def rejected(self) -> bool:
        """Whether something was not taken; of a reload of all, what was good was."""
        return self.result == "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change as it was asked for, and what has become of it, but for its sentences."""

    id: str
    scope: str
    action: str
    who: str
    subject: str  # the id of what it is about
    result: str
    code: str  # of the error that ended it
    started_at: float | None  # Unix, as is ended_at
    ended_at: float | None
    generation: int | None  # that came of it

    @classmethod
    def read(cls, data: Any) -> Self:
        """Read one operation."""
        return cls(
            id=field(data, "id", str),
            scope=field(data, "scope", str),
            action=field(data, "action", str),
            who=field(data, "who", str),
            subject=field(data, "subject", str),
            result=field(data, "result", str),
            code=field(data, "code", str),
            started_at=number(data, "started_at"),
            ended_at=number(data, "ended_at"),
            generation=optional(data, "generation", int),
        )

    @classmethod
    def read_one(cls, data: Any) -> Self:
        """Read the answer of what begins an operation."""
        return cls.read(field(data, "operation", dict))

    @classmethod
    def read_all(cls, data: Any) -> tuple[Self, ...]:
        """Read the answer of /v1/operations."""
        return tuple(cls.read(item) for item in field(data, "operations", list))
