"""What was changed while the house was talking: the last fifty operations, and how each went.

They outlive the daemon in a file; one that was running when it died is told as interrupted.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
import json
import logging
from pathlib import Path
import secrets
import time
from typing import Any, Self

from indextts_daemon.errors import Problem, place_of
from indextts_daemon.metrics import SCOPES, Metrics
from indextts_daemon.storage import atomic_write

from .events import EventBus

LOGGER = logging.getLogger(__name__)

KEPT = 50
_SWAPS = {"activate": "promoted", "rollback": "rolled_back"}  # action, and what it counts as
INTERRUPTED = "The daemon ended before this did. Ask for it again."


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
        plain = {"details": dict(self.details), "result": str(self.result)}
        return asdict(self) | plain | {"errors": [asdict(problem) for problem in self.errors]}

    @classmethod
    def of_shape(cls, shape: Mapping[str, Any]) -> Self:
        """Return it again. Raises ValueError, TypeError or LookupError if it is none."""
        values = {one.name: shape[one.name] for one in fields(cls)}
        errors = tuple(Problem(**problem) for problem in values["errors"])
        result, details = Result(values["result"]), dict(values["details"])
        made = cls(**values | {"errors": errors, "result": result, "details": details})
        texts = (made.id, made.scope, made.action, made.who, made.subject, made.progress, made.code)
        times = (made.started_at, made.ended_at or 0.0, made.generation or 0)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError
        if not all(isinstance(number, int | float) for number in times):
            raise TypeError
        return made

    def interrupted(self) -> Self:
        """Return it as whoever comes after its daemon has to see it."""
        if self.result is not Result.running:
            return self
        return replace(
            self,
            result=Result.rejected,
            ended_at=time.time(),
            code="interrupted",
            errors=(Problem(message=INTERRUPTED),),
        )


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

    def warn(self, problems: Sequence[Problem]) -> None:
        """Add what is wrong beside it, whether it is applied or not."""
        self._change(errors=tuple(problems))

    def end(
        self,
        result: Result,
        *,
        generation: int | None = None,
        code: str = "",
        errors: Sequence[Problem] = (),
    ) -> Operation:
        """Note how it ended, and what was wrong, with what it warned of."""
        self._change(
            result=result,
            generation=generation,
            code=code,
            errors=tuple(dict.fromkeys((*errors, *self._operation.errors))),
            ended_at=time.time(),
        )
        return self._operation

    def _change(self, **fields: object) -> None:
        self._operation = replace(self._operation, **fields)  # type: ignore[arg-type]
        self._keep(self._operation)


class Operations:
    """Keeps the last fifty, and tells subscribers and the metrics of every change of one."""

    def __init__(
        self, events: EventBus, *, metrics: Metrics | None = None, file: Path | None = None
    ) -> None:
        """Recall what `file` holds; without one, remember as long as this lives."""
        self._events = events
        self._metrics = metrics
        self._file = file
        self._kept: OrderedDict[str, Operation] = OrderedDict()
        for operation in () if file is None else _recalled(file):
            self._kept[operation.id] = operation.interrupted()
        self._reloads: dict[str, Operation] = {}  # the last of each scope, since the start
        self._saved: tuple[Operation, ...] = ()
        self._refused = False

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

    @property
    def last_reloads(self) -> Mapping[str, Operation]:
        """What says last of each scope whether its files count as they are, by scope."""
        return dict(self._reloads)

    async def save(self) -> None:
        """Write down what is new, beside the event loop; a disk that refuses is logged once."""
        kept = tuple(self._kept.values())
        if self._file is None or kept == self._saved:
            return
        try:
            await asyncio.to_thread(_write, self._file, kept)
        except OSError as err:
            if not self._refused:
                LOGGER.warning("could not remember the operations: %s", err.strerror)
            self._refused = True
        else:
            self._saved, self._refused = kept, False

    def _keep(self, operation: Operation) -> None:
        self._kept[operation.id] = operation
        while len(self._kept) > KEPT:
            done = next((one.id for one in self._kept.values() if one.ended_at is not None), None)
            if done is None:
                break
            del self._kept[done]
        if _tells_of_files(operation):
            self._reloads[operation.scope] = operation
        self._events.publish("operation", **operation.shape())
        if self._metrics is not None and operation.ended_at is not None:
            _measure(self._metrics, operation)


def _tells_of_files(operation: Operation) -> bool:
    """Whether it says how the files of its scope are; a wish that is refused leaves them alone."""
    if operation.ended_at is None or operation.scope not in SCOPES:
        return False
    if operation.action in {"check", "unload"}:
        return False
    return operation.action == "reload" or operation.result is not Result.rejected


def _measure(metrics: Metrics, operation: Operation) -> None:
    """Count a reload that has ended; who was unloaded is counted where that is done."""
    if operation.scope not in SCOPES or operation.action == "check":
        return
    took_s = (operation.ended_at or operation.started_at) - operation.started_at
    metrics.reload_ended(operation.scope, operation.result, max(0.0, took_s))
    if _tells_of_files(operation):
        good = operation.result is not Result.rejected and not operation.errors
        metrics.files_read(operation.scope, good=good)
    applied = operation.result is Result.applied
    if applied and operation.generation is not None:
        metrics.generation_is(operation.generation, models=operation.scope == "models")
    if operation.scope == "models" and operation.action in _SWAPS:
        if operation.result is Result.rejected:
            metrics.swap_ended("rejected")
        elif applied:
            metrics.swap_ended(_SWAPS[operation.action])


def _write(file: Path, kept: Sequence[Operation]) -> None:
    shapes = [operation.shape() for operation in kept]
    atomic_write(file, json.dumps({"operations": shapes}, indent=1).encode())


def _recalled(file: Path) -> tuple[Operation, ...]:
    """Read what was kept, the oldest first; nothing if that cannot be."""
    try:
        shapes = json.loads(file.read_bytes())["operations"]
        return tuple(Operation.of_shape(shape) for shape in shapes[-KEPT:])
    except FileNotFoundError:
        return ()
    except OSError as err:
        LOGGER.warning("could not read the last operations: %s", err.strerror)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as err:
        LOGGER.warning("the last operations cannot be read; starting afresh: %s", place_of(err))
    return ()
