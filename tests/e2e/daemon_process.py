"""A daemon as a household runs it: a process of its own, met by its command line and its port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import os
from pathlib import Path
import re
import socket
import sys

from tests.e2e.waiting import eventually

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


class DaemonProcess:
    """Keeps one data folder through any number of starts."""

    def __init__(self, folder: Path, *, name: str, host: str, engine: str, announced: bool) -> None:
        self.name = name
        self.host = host
        self.port = 0
        self._data = folder / "data"
        self._log = folder / "daemon.log"
        self._engine = engine
        self._announced = announced
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Run it on a free port until it says that it speaks, and is announced."""
        self.port = free_port(self.host)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                COMMAND,
                "serve",
                *(f"--engine={self._engine}", f"--data-dir={self._data}"),
                *(f"--host={self.host}", f"--port={self.port}"),
                *([] if self._announced else ["--no-zeroconf"]),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        last_line = f"Announced by zeroconf on {self.host}" if self._announced else "ready"
        await eventually(
            lambda: self._has_said(last_line), what=f"the line {last_line!r}", within_s=START_S
        )

    async def stop(self) -> None:
        """End it as systemd would; harmless when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
        try:
            status = await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert status == 0, f"the daemon ended with {status}:\n{self._log.read_text()}"

    async def pairing_code(self) -> str:
        """Ask for a code as its owner does."""
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            *("pair", f"--data-dir={self._data}", f"--host={self.host}", f"--port={self.port}"),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(process.communicate(), START_S)
        shown = re.search(r"Pairing code: (\d{6})\b", output.decode())
        assert shown, output
        return shown[1]

    @property
    def _environment(self) -> dict[str, str]:
        """What it inherits: not the settings that a developer may have."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("INDEXTTS_")}
        return own | {"INDEXTTS_DISCOVERY__NAME": self.name}

    async def _has_said(self, line: str) -> bool | None:
        said = self._log.read_text()
        assert self._process is not None
        if self._process.returncode is not None:
            self._process = None
            raise AssertionError(f"the daemon ended at its start:\n{said}")
        return line in said.splitlines() or None


@asynccontextmanager
async def running_daemon(
    folder: Path, *, name: str, host: str, engine: str, announced: bool
) -> AsyncIterator[DaemonProcess]:
    """Run a daemon with a fresh data folder; end it whatever comes."""
    process = DaemonProcess(folder, name=name, host=host, engine=engine, announced=announced)
    try:
        await process.start()
        yield process
    finally:
        await process.stop()
