"""Who asks for speech and who gives it, with a stopwatch: for measuring."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import secrets
from shutil import which
from tempfile import TemporaryDirectory
import time
from typing import Any

import aiohttp

from tests.e2e.daemon_process import DaemonProcess, running_daemon
from tests.e2e.hass_process import NEWEST, OLDEST, running_hass
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import pair_by_hand

AUDIO_FROM = 256  # bytes: what comes before is a header
ANSWER_S = 60
ALONE = "daemon, WebSocket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who plays, and what it asks for."""

    name: str
    format: str
    sample_rate: int | None = None

    @property
    def wishes(self) -> dict[str, Any]:
        """What Home Assistant is told; mp3 is what nobody needs to ask for."""
        wishes: dict[str, Any] = {}
        if self.format != "mp3":
            wishes["preferred_format"] = self.format
        if self.sample_rate:
            wishes["preferred_sample_rate"] = self.sample_rate
            wishes |= {"preferred_sample_channels": 1, "preferred_sample_bytes": 2}
        return wishes

    @property
    def order(self) -> dict[str, object]:
        """What the daemon is told for the same sound."""
        order: dict[str, object] = {"language": "en"}
        order["response_format"] = "opus" if self.format == "ogg" else self.format
        return order | ({"sample_rate": self.sample_rate} if self.sample_rate else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One sentence, counted from the question."""

    first_s: float
    whole_s: float
    conversions: int  # starts of ffmpeg


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Whoever is asked, and the file that grows with each start of its ffmpeg."""

    name: str
    say: Callable[[Asker, str], AsyncGenerator[bytes]]
    conversions: Path | None = None

    async def trial(self, asker: Asker, text: str) -> Trial:
        """Have a text spoken, and take the times."""
        before = self._num_conversions()
        begun = time.perf_counter()
        first_s, size = 0.0, 0
        async with asyncio.timeout(ANSWER_S), aclosing(self.say(asker, text)) as sounds:
            async for sound in sounds:
                size += len(sound)
                if not first_s and size > AUDIO_FROM:
                    first_s = time.perf_counter() - begun
        whole_s = time.perf_counter() - begun
        assert first_s, f"{self.name} said nothing to the {asker.name}"
        conversions = self._num_conversions() - before
        return Trial(first_s=first_s, whole_s=whole_s, conversions=conversions)

    def _num_conversions(self) -> int:
        return self.conversions.stat().st_size if self.conversions else 0


@asynccontextmanager
async def speakers() -> AsyncIterator[list[Speaker]]:
    """Run a daemon and two Home Assistants that speak through it."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        daemon = await stack.enter_async_context(
            running_daemon(folder, name="Measured", host="127.0.0.1", engine="embedded")
        )
        session = await stack.enter_async_context(
            aiohttp.ClientSession(daemon.url, headers=daemon.credentials)
        )
        houses = [
            await stack.enter_async_context(_house(program, folder / program.parts[-3], daemon))
            for program in (OLDEST, NEWEST)
        ]
        yield [
            Speaker(name="daemon, POST", say=lambda *asked: _by_post(session, *asked)),
            Speaker(name=ALONE, say=lambda *asked: _by_websocket(session, *asked)),
            *houses,
        ]


@asynccontextmanager
async def _house(program: Path, folder: Path, daemon: DaemonProcess) -> AsyncIterator[Speaker]:
    starts = folder / "ffmpeg-starts"
    path = {"PATH": f"{_counting_ffmpeg(folder / 'bin', starts)}:{os.environ['PATH']}"}
    password = secrets.token_urlsafe()
    async with running_hass(program, folder, password=password, environment=path) as hass:
        entity_id = (await pair_by_hand(hass, daemon)).entity_id
        version = (await hass.request("GET", "api/config"))["version"]
        yield Speaker(
            name=f"Home Assistant {version}",
            say=lambda *asked: _by_player(hass, entity_id, *asked),
            conversions=starts,
        )


def _counting_ffmpeg(folder: Path, starts: Path) -> Path:
    """Make a folder with an ffmpeg that adds a byte to `starts` each time."""
    folder.mkdir(parents=True)
    starts.touch()
    shim = folder / "ffmpeg"
    shim.write_text(f'#!/bin/sh\nprintf . >>"{starts}"\nexec {which("ffmpeg")} "$@"\n')
    shim.chmod(0o755)
    return folder


async def _by_player(
    hass: HomeAssistant, entity_id: str, asker: Asker, text: str
) -> AsyncGenerator[bytes]:
    place = await hass.place(entity_id, text, **asker.wishes)
    async with aclosing(hass.listen(place)) as arrivals:
        async for arrival in arrivals:
            yield arrival.sound


async def _by_post(
    session: aiohttp.ClientSession, asker: Asker, text: str
) -> AsyncGenerator[bytes]:
    body = asker.order | {"input": text}
    async with session.post("/v1/audio/speech", json=body, raise_for_status=True) as response:
        async for sound in response.content.iter_any():
            yield sound


async def _by_websocket(
    session: aiohttp.ClientSession, asker: Asker, text: str
) -> AsyncGenerator[bytes]:
    said: list[dict[str, Any]] = []
    async with session.ws_connect("/v1/audio/speech/stream") as socket:
        await socket.send_json({"type": "session.config"} | asker.order)
        await socket.send_json({"type": "input.text", "text": text})
        await socket.send_json({"type": "input.done"})
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                yield message.data
            else:
                said.append(message.json())
    assert said[-1]["type"] == "session.done", said
