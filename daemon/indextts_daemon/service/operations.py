"""What was changed while the house was talking: the last fifty operations, and how each went."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
import secrets
import time

from indextts_daemon.errors import Problem

from .events import EventBus

KEPT = 50


class Result(StrEnum):
    """How an operation ended, or that it has not."""

    running = "running"
    applied = "applied"
    unchanged = "unchanged"
    rejected = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change as it was asked for, and what has become of it so far."""

    id: str
    scope: str
    action: str
    who: str
    subject: str = ""  # the model, voice or version that it is about
    result: Result = Result.running
    started_at: float  # Unix, as is ended_at
    ended_at: float | None = None
    generation: int | None = None  # that came of it
    progress: str = ""  # the last sentence about how far it has come
    code: str = ""  # of the error that ended it
    errors: tuple[Problem, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)  # plain JSON

    def shape(self) -> dict[str, object]:
        """Return it as plain JSON."""
        return asdict(self) | {"details": dict(self.details), "result": str(self.result)}


class Running:
    """An operation's own view of itself, while it runs."""

    def __init__(self, operation: Operation, keep: Callable[[Operation], None]) -> None:
        self._operation = operation
        self._keep = keep

    @property
    def now(self) -> Operation:
        """What is known of it now."""
        return self._operation

    def say(self, sentence: str) -> None:
        """Tell how far it has come."""
        self._change(progress=sentence)

    def detail(self, **details: object) -> None:
        """Add plain JSON that belongs to the outcome."""
        self._change(details={**self._operation.details, **details})

    def end(
        self,
        result: Result,
        *,
        generation: int | None = None,
        code: str = "",
        errors: Sequence[Problem] = (),
    ) -> Operation:
        """Note how it ended."""
        self._change(
            result=result,
            generation=generation,
            code=code,
            errors=tuple(errors),
            ended_at=time.time(),
        )
        return self._operation

    def _change(self, **fields: object) -> None:
        self._operation = replace(self._operation, **fields)  # type: ignore[arg-type]
        self._keep(self._operation)


class Operations:
    """Keeps the last fifty, and tells subscribers of every change of one."""

    def __init__(self, events: EventBus) -> None:
        self._events = events
        self._kept: OrderedDict[str, Operation] = OrderedDict()

    def begin(self, scope: str, action: str, *, who: str, subject: str = "") -> Running:
        """Open an operation."""
        operation = Operation(
            id=secrets.token_hex(6),
            scope=scope,
            action=action,
            who=who,
            subject=subject,
            started_at=time.time(),
        )
        self._keep(operation)
        return Running(operation, self._keep)

    def get(self, operation: str) -> Operation | None:
        """Return the operation of that id, None if it is not kept any more."""
        return self._kept.get(operation)

    def listed(self) -> tuple[Operation, ...]:
        """Return what is kept, the newest first."""
        return tuple(reversed(self._kept.values()))

    def _keep(self, operation: Operation) -> None:
        self._kept[operation.id] = operation
        while len(self._kept) > KEPT:
            done = next((one.id for one in self._kept.values() if one.ended_at is not None), None)
            if done is None:
                break
            del self._kept[done]
        self._events.publish("operation", **operation.shape())
