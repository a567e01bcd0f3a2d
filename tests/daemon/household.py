"""A house with a real daemon, and people who speak without pause and check all that they hear."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
import random
import socket
import time
from typing import Any

import aiohttp
import numpy as np

from indextts_daemon.engines.fake import FRAME
from indextts_daemon.service.versions import FAKE_FILE
from tests.daemon.ledger import Facts, Ledger, Operation
from tests.daemon.running import RunningDaemon
from tests.daemon.spoken import MOOD, WORD, Answer, Line

THINKING_S = 0.4  # of who writes, after a sentence
ANSWER_S = 60.0  # after which an answer counts as lost


class Lost(Exception):  # noqa: N818 what it says is that
    """Somebody asked, and was not spoken to as one should be."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class House(RunningDaemon):
    """A daemon that has nothing but its settings file, so that each of them can change."""

    def __init__(self, data_dir: Path, settings: Mapping[str, Any] | None = None) -> None:
        server = {"host": ["127.0.0.1"], "port": free_port()}
        quiet = {"engine": "fake", "server": server, "discovery": {"enabled": False}}
        self.settings: dict[str, Any] = {**quiet, **(settings or {})}
        super().__init__(data_dir, "--engine", "fake", settings=self.settings)
        command = self._command
        self._command = [*command[: command.index("--host")]]

    def version(self, name: str, options: str) -> Path:
        """Put a version of the fake model there, whole from the first moment."""
        folder = self.data_dir / "models" / ("fake" if name == "main" else f"fake.{name}")
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{FAKE_FILE}"
        temporary.write_text(options)
        return temporary.rename(folder / FAKE_FILE)


@dataclass(kw_only=True)
class Household:
    """Who lives there, what they have heard, and how they find the house after it has moved."""

    house: House
    session: aiohttp.ClientSession
    url: str = ""
    token: str = ""
    ledger: Ledger = field(init=False)
    lost: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    answers: int = 0
    first_audio: list[tuple[float, float]] = field(default_factory=list)  # when asked, and seconds
    retried: Counter[str] = field(default_factory=Counter)
    guests: set[str] = field(default_factory=set)  # voices of recordings that may be used now
    asking: Counter[str] = field(default_factory=Counter)  # for a voice, and not yet answered
    enough: bool = False
    _tags: dict[tuple[int, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger(Facts(), self._operations)

    def move_in(self) -> None:
        """Learn where the house is, once it is up."""
        self.url, self.token = self.house.url, self.house.token

    async def ask(self, method: str, path: str, status: int = 200, **request: Any) -> Any:
        """Return what the API answers, as the household's own administrator."""
        headers = request.pop("headers", {})

        async def once() -> Any:
            known = {"Authorization": f"Bearer {self.token}"}
            async with self.session.request(
                method, self.url + path, headers={**known, **headers}, **request
            ) as answer:
                answered = await answer.json()
                if answer.status == 401:
                    raise PermissionError
                assert answer.status == status, answered
                return answered

        return await self.found(once)

    async def found(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask; where the house has just moved or changed its token, once more as it is now.

        That is what a client does which has been told: nothing of the first try was answered.
        """
        token, url = self.token, self.url
        try:
            return await ask()
        except PermissionError:
            self.retried["token"] += 1
            await self._new(lambda: self.house.token != token, trouble="401 for the only token")
            self.token = self.house.token
        except aiohttp.ClientConnectorError as err:
            self.retried["address"] += 1
            await self._new(lambda: self.url != url, trouble=f"{url} is gone: {err}")
        try:
            return await ask()
        except PermissionError:
            raise Lost("401 for the new token too") from None

    async def speak(self, line: Line) -> Answer:
        """Say a line. Raises Lost."""
        how = self._written if line.in_pieces else self._whole
        self.asking[line.voice] += 1
        asking = [line.voice]

        def answered() -> None:
            if asking:
                self.asking[asking.pop()] -= 1

        try:
            async with asyncio.timeout(ANSWER_S):
                answer: Answer = await self.found(lambda: how(line, answered))
        except TimeoutError:
            raise Lost(f"nothing within {ANSWER_S:.0f} s") from None
        except aiohttp.ClientError as err:
            raise Lost(f"{type(err).__name__}: {err}") from err
        finally:
            answered()
        return answer

    async def converse(self, seat: int, chance: random.Random, *, in_pieces: bool = False) -> None:
        """Speak without pause, and note all that is not as it should be."""
        number = 0
        while not self.enough:
            number += 1
            recorded = (
                chance.choice(sorted(self.guests)) if self.guests and number % 3 == 0 else None
            )
            line = Line(
                sentences=(
                    f"Person {seat} calls {WORD}.",
                    f"This is call {number} of {WORD} today.",
                ),
                seat=seat,
                recorded=recorded,
                mood=MOOD if chance.random() < 0.3 else None,
                seed=chance.randrange(1000),
                in_pieces=in_pieces,
            )
            try:
                answer = await self.speak(line)
            except Lost as err:
                self.lost.append(f"{line}: {err}")
                continue
            self.answers += 1
            if not in_pieces:  # that waits for who writes
                self.first_audio.append((answer.asked_at, answer.first_s))
            await self._judge(line, answer)

    @asynccontextmanager
    async def talking(self, people: int, *, seed: int) -> AsyncIterator[None]:
        """Have people speak while inside, one in four over the WebSocket."""
        tasks = [
            asyncio.create_task(
                self.converse(seat, random.Random(seed + seat), in_pieces=seat % 4 == 3)  # noqa: S311
            )
            for seat in range(people)
        ]
        try:
            yield
        finally:
            self.enough = True
            await asyncio.gather(*tasks)

    async def _judge(self, line: Line, answer: Answer) -> None:
        facts = await self.ledger.of(answer.generation)
        try:
            tag = line.check(answer, facts)
            known = self._tags.setdefault((answer.generation, line.voice), tag)
            assert tag == known
        except AssertionError:
            frames = answer.samples[: answer.samples.size // FRAME * FRAME].reshape(-1, FRAME)
            heard = [sorted(set(frames[:, column].tolist())) for column in range(3)]
            what = (
                f"{line} of generation {answer.generation}, {facts}: {heard}, {len(frames)} frames"
            )
            self.mixed.append(what)

    async def _whole(self, line: Line, answered: Callable[[], None]) -> Answer:
        asked_at, since = time.time(), time.monotonic()
        async with self.session.post(
            f"{self.url}/v1/audio/speech",
            json={"input": " ".join(line.sentences), **line.body},
            headers={"Authorization": f"Bearer {self.token}"},
        ) as response:
            if response.status == 401:
                raise PermissionError
            if response.status != 200:
                raise Lost(f"{response.status}: {await response.text()}")
            answered()
            parts, first_s = bytearray(), 0.0
            async for part in response.content.iter_any():
                first_s = first_s or time.monotonic() - since
                parts += part
            if "X-IndexTTS-Degraded" in response.headers:
                raise Lost(f"without {response.headers['X-IndexTTS-Degraded']}")
            generation = int(response.headers["X-IndexTTS-Generation"])
        samples = np.frombuffer(bytes(parts), np.int16)
        return Answer(generation=generation, samples=samples, asked_at=asked_at, first_s=first_s)

    async def _written(self, line: Line, answered: Callable[[], None]) -> Answer:
        """Say it as a language model writes it."""
        asked_at, since, first_s = time.time(), time.monotonic(), 0.0
        start: dict[str, Any] = {}
        parts, ended = bytearray(), []
        try:
            opened = await self.session.ws_connect(
                f"{self.url}/v1/audio/speech/stream",
                headers={"Authorization": f"Bearer {self.token}"},
            )
        except aiohttp.WSServerHandshakeError as err:
            raise PermissionError if err.status == 401 else Lost(f"{err.status}") from err
        async with opened:
            writing = asyncio.create_task(_write(opened, line))
            async for message in opened:
                if message.type is aiohttp.WSMsgType.BINARY:
                    first_s = first_s or time.monotonic() - since
                    parts += message.data
                    continue
                told = message.json()
                ended.append(told["type"])
                if told["type"] == "audio.start":
                    start = told
                    answered()
                if told["type"] == "error":
                    writing.cancel()
                    raise Lost(f"error: {told['error']}")
            await writing
        if ended[-2:] != ["audio.done", "session.done"] or start.get("degraded"):
            raise Lost(f"it was told {ended}, {start}")
        samples = np.frombuffer(bytes(parts), np.int16)
        return Answer(
            generation=start["generation"], samples=samples, asked_at=asked_at, first_s=first_s
        )

    async def _operations(self) -> Sequence[Operation]:
        listed: Sequence[Operation] = (await self.ask("GET", "/v1/operations"))["operations"]
        return listed

    async def _new(self, known: Callable[[], bool], *, trouble: str) -> None:
        try:
            async with asyncio.timeout(10):
                while not known():  # noqa: ASYNC110 nothing tells us
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise Lost(trouble) from None


async def _write(opened: aiohttp.ClientWebSocketResponse, line: Line) -> None:
    await opened.send_json({"type": "session.config", **line.body})
    for sentence in line.sentences:
        for start in range(0, len(sentence), 9):
            await opened.send_json({"type": "input.text", "text": sentence[start : start + 9]})
            await asyncio.sleep(0.01)
        await opened.send_json({"type": "input.text", "text": " "})
        await asyncio.sleep(THINKING_S)  # a reload may come now
    await opened.send_json({"type": "input.done"})


@asynccontextmanager
async def living_in(house: House) -> AsyncIterator[Household]:
    """Live in a house that is up."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Household(house=house, session=session)
