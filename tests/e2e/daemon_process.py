"""A daemon as a household runs it: a process of its own, met by its command line and its port."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
import os
from pathlib import Path
import re
import signal
import socket
import sys
from typing import Any

import aiohttp

from tests.e2e.waiting import ended, eventually

COMMAND = Path(sys.executable).with_name("indextts-daemon")
START_S = 60
STOP_S = 20


def free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


def lan_address() -> str:
    """Return the address from which multicast leaves this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("224.0.0.251", 5353))
            address = str(probe.getsockname()[0])
        except OSError:
            address = "127.0.0.1"
    assert not address.startswith("127."), (
        "Zeroconf needs a network interface besides loopback, with a route for multicast: "
        "this machine has none, so discovery cannot be shown here."
    )
    return address


def _running(module: str, parent: int) -> Iterator[int]:
    """Find a process's children that run a module."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(FileNotFoundError):  # it has ended
            if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                yield int(child)


class DaemonProcess:
    """Keeps one data folder, and its port unless told otherwise, through any number of starts.

    It is announced, unless nobody else could reach it.
    """

    def __init__(self, folder: Path, *, name: str, host: str, engine: str, port: int = 0) -> None:
        self.name = name
        self.host = host
        self.port = port or free_port(host)
        self.output = folder / "daemon.log"
        self.data = folder / "data"
        self._engine = engine
        self._announced = not host.startswith("127.")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *, until: str = "") -> None:
        """Run it until it says that it speaks, and is announced; or a line that matches `until`."""
        with self.output.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                COMMAND,
                "serve",
                *(f"--engine={self._engine}", f"--data-dir={self.data}"),
                *(f"--host={self.host}", f"--port={self.port}"),
                *([] if self._announced else ["--no-zeroconf"]),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the Ctrl-C of a terminal is for whoever runs this
            )
        announced = re.escape(f"Announced by zeroconf on {self.host}")
        last_line = until or (announced if self._announced else "ready")
        await eventually(
            lambda: self._has_said(last_line), what=f"the line {last_line!r}", within_s=START_S
        )

    async def stop(self) -> None:
        """End it as systemd would; harmless when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        status = await ended(process, within_s=STOP_S)
        assert status == 0, f"the daemon ended with {status}:\n{self.output.read_text()}"

    async def kill(self) -> None:
        """End it as a power cut would."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        await process.wait()

    async def wait(self) -> int:
        """Wait until it has ended by itself, and return its status."""
        assert self._process is not None
        return await self._process.wait()

    def move(self) -> None:
        """Take another port at the next start."""
        self.port = free_port(self.host)

    def settle(self, settings: str) -> None:
        """Replace the settings, in YAML, that the next start reads."""
        self.data.mkdir(exist_ok=True)
        (self.data / "settings.yaml").write_text(settings)

    def forget(self) -> None:
        """Know none of those that it was paired with, from the next start on."""
        (self.data / "token").unlink()

    async def tells(self, path: str) -> dict[str, Any]:
        """Return what it tells anybody at a path."""
        async with aiohttp.ClientSession(self.url) as session, session.get(path) as response:
            return dict(await response.json())

    @asynccontextmanager
    async def held_up(self, module: str) -> AsyncIterator[None]:
        """Keep the process that it starts for a module from going on, as if that took hours."""
        pid = await eventually(lambda: self._started(module), what=module, within_s=START_S)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def pairing_code(self) -> str:
        """Ask for a code as its owner does."""
        output = await self.commanded("pair")
        shown = re.search(r"Pairing code: (\d{6})\b", output)
        assert shown, output
        return shown[1]

    async def commanded(self, *words: str | Path) -> str:
        """Give a command on its computer that succeeds, and return what is printed."""
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            *words,
            *(f"--data-dir={self.data}", f"--host={self.host}", f"--port={self.port}"),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(process.communicate(), START_S)
        assert process.returncode == 0, output
        return output.decode()

    async def requests(self) -> int:
        """Return how often it was asked to speak since it was started, whatever came of it."""
        async with (
            aiohttp.ClientSession(self.url, headers=self.credentials) as session,
            session.get("/metrics", raise_for_status=True) as response,
        ):
            counted = re.findall(
                r"^indextts_requests_total\{.*\} (\S+)$", await response.text(), re.MULTILINE
            )
        assert counted
        return sum(int(float(count)) for count in counted)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {(self.data / 'token').read_text().strip()}"}

    @property
    def _environment(self) -> dict[str, str]:
        """What it inherits: not the settings that a developer may have."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("INDEXTTS_")}
        return own | {"INDEXTTS_DISCOVERY__NAME": self.name}

    async def _started(self, module: str) -> int | None:
        assert self._process is not None
        return next(_running(module, self._process.pid), None)

    async def _has_said(self, line: str) -> bool | None:
        said = self.output.read_text()
        assert self._process is not None
        if self._process.returncode is not None:
            self._process = None
            raise AssertionError(f"the daemon ended at its start:\n{said}")
        return any(re.fullmatch(line, one) for one in said.splitlines()) or None


@asynccontextmanager
async def running_daemon(
    folder: Path, *, name: str, host: str, engine: str, port: int = 0
) -> AsyncIterator[DaemonProcess]:
    """Run a daemon on what is kept in a folder; end it whatever comes."""
    process = DaemonProcess(folder, name=name, host=host, engine=engine, port=port)
    try:
        await process.start()
        yield process
    finally:
        await process.stop()
