"""A real daemon process, in its own Python, for the real client."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import subprocess
from threading import Timer

import aiohttp
from homeassistant.core import HomeAssistant
import pytest
from yarl import URL

import custom_components.indextts  # noqa: F401 - or Home Assistant's loader looks elsewhere
from custom_components.indextts.client import IndexTTSClient

ROOT = Path(__file__).parent.parent.parent
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0

type Connect = Callable[..., IndexTTSClient]


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A daemon, and what it has said until it was lent to a test."""

    said: str
    token: str
    process: subprocess.Popen[str]

    @property
    def url(self) -> URL:
        return URL(self.said.partition("Listening on ")[2].split()[0])

    @property
    def pairing_code(self) -> str:
        return self.said.partition("Pairing code for Home Assistant: ")[2].split()[0]


@contextmanager
def running(
    data_dir: Path, *, port: int = 0, until: str = "Pairing code", **settings: str
) -> Generator[Daemon]:
    """Start a daemon with the fake engine, wait until it has said `until`, and end it."""
    python = os.environ.get("INDEXTTS_DAEMON_PYTHON", str(ROOT / ".venv/bin/python"))
    arguments = f"serve --engine fake --host 127.0.0.1 --port {port} --no-zeroconf --data-dir"
    own = {name: value for name, value in os.environ.items() if not name.startswith("INDEXTTS_")}
    process = subprocess.Popen(
        [python, "-m", "indextts_daemon", *arguments.split(), str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT / "daemon",
        env=own | {f"INDEXTTS_{setting}": value for setting, value in settings.items()},
    )
    deadline = Timer(START_TIMEOUT_S, process.kill)
    deadline.start()
    assert process.stdout is not None
    try:
        said = ""
        while until not in said:
            line = process.stdout.readline()
            assert line, f"The daemon went away after saying: {said!r}"
            said += line
        deadline.cancel()
        token = (data_dir / "token").read_text().strip()
        yield Daemon(said=said, token=token, process=process)
    finally:
        deadline.cancel()
        process.terminate()
        process.wait(STOP_TIMEOUT_S)
        process.stdout.close()


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Generator[Daemon]:
    """Share a daemon among the tests that leave it as they found it."""
    with running(tmp_path_factory.mktemp("daemon")) as daemon:
        yield daemon


@pytest.fixture
def own_daemon(tmp_path: Path) -> Generator[Daemon]:
    """Give a test a daemon that it may hurt."""
    with running(tmp_path / "daemon") as daemon:
        yield daemon


@pytest.fixture
async def connect(socket_enabled: None) -> AsyncGenerator[Connect]:
    """Return a function that makes the real client of a daemon, with its token or another."""
    async with aiohttp.ClientSession() as session:

        def connect(daemon: Daemon, token: str | None = None) -> IndexTTSClient:
            assert daemon.url.host is not None
            assert daemon.url.port is not None
            return IndexTTSClient(session, daemon.url.host, daemon.url.port, token or daemon.token)

        yield connect


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Keep the cache of spoken audio out of the installed packages."""
    return hass_tmp_config_dir


@pytest.fixture
def custom_integrations(hass: HomeAssistant, enable_custom_integrations: None) -> None:
    """Let Home Assistant load what lies in custom_components."""
