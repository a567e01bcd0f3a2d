"""What each generation of a house sounds like: told by its operations, and by who changed what."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Operation = Mapping[str, Any]
Fetch = Callable[[], Awaitable[Sequence[Operation]]]  # of the last operations
PATIENCE_S = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that can be told apart in the samples of the fake engine."""

    lexicon: int = 0  # editions, by number
    mood: int = 0
    model: int = 1  # the number in the version's file
    tags: Mapping[str, frozenset[int]] = field(default_factory=dict)  # of recordings: one of these


Change = Callable[[Facts], Facts]


class Ledger:
    """Knows the facts of every generation; each scope is changed by one who waits for the end.

    While a recording is being changed, whatever else is reloaded may bring it along.
    """

    def __init__(self, first: Facts, fetch: Fetch) -> None:
        self.ended: dict[str, Operation] = {}  # by id
        self._facts = {1: first}
        self._fetch = fetch
        self._expected: dict[str, Change] = {}  # by scope
        self._coming: dict[str, int] = {}  # tags by voice
        self._turn = asyncio.Lock()

    @property
    def last(self) -> int:
        """The newest generation that is known."""
        return max(self._facts)

    @property
    def now(self) -> Facts:
        return self._facts[self.last]

    def expect(self, scope: str, change: Change) -> None:
        """Say what the next operation of a scope that is applied changes."""
        assert scope not in self._expected
        self._expected[scope] = change

    async def settled(self, scope: str) -> None:
        """Wait until what was expected of a scope has come."""
        await self._until(lambda: scope not in self._expected, f"the {scope} are not followed")

    def coming(self, voice: str, tag: int) -> None:
        """Say that a recording is about to be put where they lie."""
        self._coming[voice] = tag

    def came(self, voice: str, generation: int) -> None:
        """Say from which generation on it is the one."""
        only = frozenset({self._coming.pop(voice)})
        for number in self._facts:
            if number >= generation:
                facts = self._facts[number]
                self._facts[number] = replace(facts, tags={**facts.tags, voice: only})

    async def looked(self, scope: str, *, since: float, action: str = "") -> int:
        """Wait for an operation of a scope that began after that time; return its generation."""

        def done() -> list[int]:
            return [
                one["generation"]
                for one in self.ended.values()
                if one["scope"] == scope
                and one["started_at"] > since
                and action in {"", one["action"]}
            ]

        await self._until(lambda: bool(done()), f"nobody looks at the {scope}")
        return min(done())

    async def of(self, generation: int) -> Facts:
        """Return the facts of a generation, once it is known."""
        await self._until(lambda: generation in self._facts, f"{generation} is no generation")
        return self._facts[generation]

    async def look(self) -> None:
        """Take in which operations have ended."""
        async with self._turn:
            done = [one for one in await self._fetch() if one["ended_at"] is not None]
        self.ended |= {one["id"]: one for one in done}
        applied = (one for one in done if one["result"] == "applied")
        for one in sorted(applied, key=lambda one: int(one["generation"])):
            if one["generation"] > self.last:
                assert one["generation"] == self.last + 1, "an operation was missed"
                self._take(one)

    def _take(self, operation: Operation) -> None:
        change = self._expected.pop(operation["scope"], None)
        facts = self.now if change is None else change(self.now)
        none = frozenset[int]()
        perhaps = {v: facts.tags.get(v, none) | {tag} for v, tag in self._coming.items()}
        self._facts[operation["generation"]] = replace(facts, tags={**facts.tags, **perhaps})

    async def _until(self, condition: Callable[[], bool], trouble: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    await self.look()
                    await asyncio.sleep(0.03)
        except TimeoutError:
            wrong = [one for one in self.ended.values() if one["result"] == "rejected"]
            raise AssertionError(f"{trouble}; rejected: {wrong[-3:]}") from None
