"""The one way to change what the house speaks with: stage, commit in one assignment, free the old.

Knows no files and no models: a scope stages what was asked of it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
import logging
from typing import Any, Protocol, TypeVar

from indextts_daemon.errors import Problem, QueueFullError, SpeechError, place_of
from indextts_daemon.metrics import Metrics

from .events import EventBus
from .generation import Generation, Generations
from .operations import Operation, Operations, Result, Running

LOGGER = logging.getLogger(__name__)
T = TypeVar("T")

MISTAKE = Problem(message="The daemon made a mistake; its log says where. Nothing was changed.")
MOST_WISHES = 16  # of one scope that may wait


async def _nothing() -> None:
    """There is nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a scope has made ready: the rest cannot fail."""

    apply: Callable[[Generation], Generation]  # gets the current one, whatever changed meanwhile
    after: Callable[[], Awaitable[None]] = _nothing  # once it is committed: let the old go
    give_up: Callable[[], Awaitable[None]] = _nothing  # if it is not committed after all


class Scope(Protocol):
    """One kind of thing that can be reloaded."""

    @property
    def name(self) -> str:
        """What it is called in the API: config, voices, moods, lexicon, models, token."""

    async def stage(self, wish: object, running: Running) -> Change | None:
        """Read, check and make ready what is wished, or what is on the disk where that is None.

        None says that nothing differs. Raises SpeechError, and has then changed nothing.
        """


class Reloader:
    """Runs one operation at a time in each scope; calls for the same reload become one."""

    def __init__(
        self,
        generations: Generations,
        operations: Operations,
        events: EventBus,
        metrics: Metrics | None = None,
    ) -> None:
        self.operations = operations
        self._metrics = metrics
        self._generations = generations
        self._events = events
        self._scopes: dict[str, Scope] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._then: dict[str, Callable[[], None]] = {}
        self._follow_up: dict[str, asyncio.Task[Operation]] = {}  # has not begun yet
        self._wishes: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()

    def add(
        self,
        scope: Scope,
        *,
        turn: asyncio.Lock | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Take up a scope; those that share a turn never run at the same time.

        `then` is called whenever one of its operations has ended.
        """
        self._scopes[scope.name] = scope
        self._then[scope.name] = then
        self._turns[scope.name] = turn or asyncio.Lock()

    @property
    def scopes(self) -> tuple[str, ...]:
        """The names of all scopes."""
        return tuple(self._scopes)

    async def reload(
        self,
        scope: str,
        *,
        who: str,
        wish: object = None,
        action: str = "reload",
        subject: str = "",
    ) -> Operation:
        """Do it, and return how that went; who gives up waiting does not stop it.

        Without a wish, calls that come while one has not begun share what comes of it.
        """
        if wish is None and (task := self._follow_up.get(scope)) is not None:
            return await asyncio.shield(task)
        if wish is not None:
            self._require_room(scope)
        _, task = self._begin(scope, wish, who=who, action=action, subject=subject)
        if wish is None:
            self._follow_up[scope] = task
        return await asyncio.shield(task)

    def start(  # noqa: PLR0913 each is told of the operation
        self,
        scope: str,
        *,
        who: str,
        wish: object,
        action: str,
        subject: str = "",
        urgent: bool = False,
    ) -> Operation:
        """Begin it, and return it at once; what is urgent is never too much."""
        if not urgent:
            self._require_room(scope)
        return self._begin(scope, wish, who=who, action=action, subject=subject)[0]

    def _require_room(self, scope: str) -> None:
        if self._wishes[scope] >= MOST_WISHES:
            raise QueueFullError(
                f"{MOST_WISHES} changes of this kind are waiting already. Try again shortly.",
                retry_after_s=5.0,
            )

    def _begin(
        self, scope: str, wish: object, *, who: str, action: str, subject: str
    ) -> tuple[Operation, asyncio.Task[Operation]]:
        running = self.operations.begin(scope, action, who=who, subject=subject)
        self._wishes[scope] += wish is not None
        return running.now, self._hold(self._in_turn(scope, wish, running))

    def _hold(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def follow(self, scope: str, *, who: str) -> None:
        """Have what is on the disk read, some time soon; calls for the same become one."""
        self._hold(self.reload(scope, who=who))

    async def settled(self, scope: str) -> None:
        """Wait until what is under way in a scope, or waits for its turn there, has ended."""
        async with self._turns[scope]:
            pass

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _in_turn(self, scope: str, wish: object, running: Running) -> Operation:
        try:
            async with self._turns[scope]:
                if wish is None:
                    self._follow_up.pop(scope, None)
                done = await self._do(self._scopes[scope], wish, running)
            self._then[scope]()
            return done
        finally:
            self._wishes[scope] -= wish is not None

    async def _do(self, scope: Scope, wish: object, running: Running) -> Operation:
        try:
            change = await scope.stage(wish, running)
        except SpeechError as err:
            problems = getattr(err, "problems", ()) or (Problem(message=err.message),)
            return self._refuse(running, err.error_code, problems)
        except Exception as err:  # noqa: BLE001 a fault of ours must not end reloading
            LOGGER.error("a reload of %s failed: %s", scope.name, place_of(err))  # noqa: TRY400
            return self._refuse(running, "internal", (MISTAKE,))
        if change is None:
            return running.end(Result.unchanged, generation=self._generations.current.number)
        before = self._generations.current
        try:
            generation = self._generations.commit(change.apply)
        except Exception as err:  # noqa: BLE001 a fault of ours must not leave half of it behind
            LOGGER.error("a commit of %s failed: %s", scope.name, place_of(err))  # noqa: TRY400
            await self._settled(scope.name, change.give_up)
            return self._refuse(running, "internal", (MISTAKE,))
        if self._metrics is not None:
            swapped = dict(generation.models) != dict(before.models)
            self._metrics.generation_is(generation.number, models=swapped)
        self._events.publish("generation", generation=generation.number, scope=scope.name)
        done = running.end(Result.applied, generation=generation.number)
        LOGGER.info("generation %d: %s %s", generation.number, scope.name, done.action)
        for problem in done.errors:
            LOGGER.error("beside a reload of %s: %s", scope.name, problem.message)
        self._hold(self._settled(scope.name, change.after))
        return done

    async def _settled(self, scope: str, settle: Callable[[], Awaitable[None]]) -> None:
        try:
            await settle()
        except Exception as err:  # noqa: BLE001 what is left over must not end reloading
            LOGGER.error("after a reload of %s: %s", scope, place_of(err))  # noqa: TRY400

    def _refuse(self, running: Running, code: str, errors: Iterable[Problem]) -> Operation:
        operation = running.end(
            Result.rejected,
            generation=self._generations.current.number,
            code=code,
            errors=tuple(errors),
        )
        for problem in operation.errors:
            LOGGER.error("%s %s rejected: %s", operation.scope, operation.action, problem.message)
        return operation
