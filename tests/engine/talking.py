"""People who speak to a real daemon without pause, and hold each answer against what it must be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import time
from typing import Any

import aiohttp

PATIENCE_S = 300.0  # the machine may be shared by many
WORD = "Saoirse"  # for the lexicon
MOOD = "cosy"  # for the moods file
LINES: tuple[Mapping[str, Any], ...] = (
    {"voice": "lena", "input": "Good morning."},
    {"voice": "otto", "input": f"{WORD} is at the door.", "seed": 3},
    {"voice": "lena", "input": "The light is on.", "mood": MOOD, "seed": 3},
)


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110 what is waited for tells nobody
            await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One answer: its bytes, and the generation that it says it is of."""

    line: int
    generation: int
    content: bytes
    at: float  # when it had come, on the monotonic clock


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What each line sounds like where nobody else speaks, and nothing changes."""

    generation: int
    sounds: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Talk:
    """A client of a daemon, on the model that it has by default."""

    session: aiohttp.ClientSession
    model: str

    async def ask(self, method: str, path: str, status: int = 200, **request: Any) -> Any:
        """Return what the API answers."""
        async with self.session.request(method, path, **request) as response:
            answer = await response.json()
            assert response.status == status, answer
            return answer

    async def say(self, line: int, **fields: Any) -> Heard:
        """Hear a line, by the very model and with nothing left out."""
        body = {"response_format": "pcm", "language": "en", **LINES[line], **fields}
        async with asyncio.timeout(PATIENCE_S):
            async with self.session.post("/v1/audio/speech", json=body) as response:
                content = await response.read()
                assert response.status == 200, content
                assert "X-IndexTTS-Degraded" not in response.headers, "a substitute spoke"
                assert response.headers["X-IndexTTS-Model"] == self.model
                generation = int(response.headers["X-IndexTTS-Generation"])
        return Heard(line=line, generation=generation, content=content, at=time.monotonic())

    async def alone(self) -> State:
        """Hear every line while nothing else happens."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                heard = [await self.say(line) for line in range(len(LINES))]
                if len(numbers := {one.generation for one in heard}) == 1:
                    (number,) = numbers
                    return State(generation=number, sounds=tuple(one.content for one in heard))

    @asynccontextmanager
    async def crowd(self, people: int = 2, *, pause_s: float = 0.0) -> AsyncIterator["Crowd"]:
        """Let people speak while inside, without pause unless one is given."""
        crowd = Crowd(talk=self)
        tasks = [asyncio.create_task(crowd.speak(place, pause_s)) for place in range(people)]
        try:
            yield crowd
            crowd.enough = True
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(kw_only=True)
class Crowd:
    """What those who speak have heard; the first who is not spoken to ends it."""

    talk: Talk
    heard: list[Heard] = field(default_factory=list)
    enough: bool = False
    _failures: list[BaseException] = field(default_factory=list)

    async def speak(self, place: int, pause_s: float) -> None:
        """Say the lines in turn."""
        while not self.enough:
            try:
                self.heard.append(await self.talk.say(place % len(LINES)))
            except BaseException as err:
                self._failures.append(err)
                raise
            place += 1
            await asyncio.sleep(pause_s)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for what is to be heard."""

        async def holds() -> object:
            if self._failures:
                raise self._failures[0]
            return condition()

        await eventually(holds)

    async def several(self, more: int) -> None:
        """Wait until so many more answers have come."""
        now = len(self.heard)
        await self.until(lambda: len(self.heard) >= now + more)

    def require(self, *states: State) -> None:
        """Fail unless each answer is that of one state, and of the one that its number says."""
        assert self.heard
        for one in self.heard:
            fitting = [state for state in states if one.content == state.sounds[one.line]]
            assert fitting, f"line {one.line} of generation {one.generation} is like none"
            for state in states:
                assert one.generation != state.generation or state in fitting
            if one.generation <= states[0].generation:
                assert states[0] in fitting
            if one.generation >= states[-1].generation:
                assert states[-1] in fitting


async def heard_while(talk: Talk, edit: Callable[[], Awaitable[None]]) -> tuple[float, set[int]]:
    """Edit while people speak; return the seconds until it was heard, and the lines it changed.

    Each answer must be, byte by byte, what a generation says alone, before or after.
    """
    before = await talk.alone()

    def is_new(heard: Heard) -> bool:
        return heard.content != before.sounds[heard.line]

    async with talk.crowd() as crowd:
        await crowd.several(2)
        began = time.monotonic()
        await edit()
        await crowd.until(lambda: any(map(is_new, crowd.heard)))
        took_s = next(filter(is_new, crowd.heard)).at - began
        await crowd.several(2)
    after = await talk.alone()
    crowd.require(before, after)
    changed = {line for line in range(len(LINES)) if before.sounds[line] != after.sounds[line]}
    return took_s, changed
