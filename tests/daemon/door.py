"""A daemon in this process, with its real worker process behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from indextts_daemon.api.keys import Services
from indextts_daemon.compose import build
from indextts_daemon.config import Source, settings_history
from indextts_daemon.doorless import first_words
from indextts_daemon.identity import Identity, Pairing
from indextts_daemon.serve import listen
from indextts_daemon.service.settings_file import SettingsFile

TOKEN = "a-token-for-tests"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The daemon's HTTP door, and what is behind it."""

    url: str
    services: Services
    session: aiohttp.ClientSession

    async def speak(self, text: str, **fields: Any) -> bytes:
        """Return spoken audio; anything but 200 is a failure."""
        async with self.session.post(
            "/v1/audio/speech", json={"input": text, "response_format": "wav"} | fields
        ) as response:
            assert response.status == 200, await response.text()
            return await response.read()

    async def steps(self) -> int:
        """Return how many steps the default model's engine has taken."""
        worker = self.services.pool.default.worker
        assert worker is not None
        return (await worker.stats())["steps"]


async def until(condition: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    """Wait for what the daemon does in its own time."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 nothing tells us
            await asyncio.sleep(0.01)


Opener = Callable[..., Any]


@pytest.fixture
def open_door(tmp_path: Path) -> Opener:
    """Return a context manager that runs a daemon; flags are as in the settings reference.

    A flag that is None leaves what it is about to the file.
    """

    @asynccontextmanager
    async def opened(**flags: Any) -> AsyncIterator[Door]:
        usual = {"engine": "fake", "server.host": ["127.0.0.1"], "server.port": 0}
        flags = {key: value for key, value in (usual | flags).items() if value is not None}
        source = Source(file=tmp_path / "settings.yaml", flags=flags)
        file = SettingsFile(source, settings_history(tmp_path))
        settings = source.load()
        identity = Identity(instance_id="0" * 32, token=TOKEN)
        async with AsyncExitStack() as stack:
            services = build(
                settings, identity, Pairing(tmp_path), data_dir=tmp_path, settings_file=file
            )
            stack.callback(services.encoders.shutdown)
            stack.push_async_callback(services.pool.close)
            stack.push_async_callback(services.sharing.close)
            stack.push_async_callback(services.reloader.close)
            (url,) = (await listen(services, settings, stack)).urls
            services.health.spoke = await first_words(services)
            headers = {"Authorization": f"Bearer {TOKEN}"}
            session = aiohttp.ClientSession(url, headers=headers)
            yield Door(url=url, services=services, session=await stack.enter_async_context(session))

    return opened


@pytest.fixture
async def door(open_door: Opener) -> AsyncIterator[Door]:
    """Run a daemon with the fake engine."""
    async with open_door() as door:
        await until(lambda: door.services.pool.revision() is not None)  # all its voices are known
        yield door
