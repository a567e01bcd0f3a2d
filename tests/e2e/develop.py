"""A Home Assistant to work on the integration with, a daemon beside it, paired and ready to speak.

What they know stays in a folder between the runs.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import secrets
import signal
import socket
import sys

from tests.e2e.daemon_process import DaemonProcess, running_daemon
from tests.e2e.hass_process import NEWEST, OWNER, ROOT, running_hass
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import DOMAIN, pair_by_hand

HOST = "127.0.0.1"


def main() -> None:
    """Run until Ctrl-C."""
    asked = _parser().parse_args()
    try:
        asyncio.run(develop(asked))
    except (AssertionError, OSError) as err:
        sys.exit(f"scripts/develop: {err}")
    except asyncio.CancelledError:
        _say("", "Ended before it was ready")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/develop", description=__doc__)
    parser.add_argument("--engine", choices=["auto", "embedded", "fake"], default="embedded")
    parser.add_argument("--port", type=int, default=8123, help="of Home Assistant")
    parser.add_argument("--daemon-port", type=int, default=8818)
    parser.add_argument("--folder", type=Path, default=ROOT / ".develop", help="what is kept")
    return parser


async def develop(asked: argparse.Namespace) -> None:
    """Start both, say where they are, and end both at a signal."""
    ended = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    async with _both(asked) as (hass, daemon, password):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        _say(
            "",
            f"Home Assistant  {hass.url}  user {OWNER}, password {password}",
            f"its log         {hass.output}",
            f"daemon          {daemon.url}",
            f"its log         {daemon.output}",
            "",
            "Ready. Try it under Media, Text-to-speech. Ctrl-C ends both; what they know is kept.",
        )
        watching = asyncio.create_task(_watch(daemon))
        await ended.wait()
        watching.cancel()
        _say("", "Ending both")


async def _watch(daemon: DaemonProcess) -> None:
    status = await daemon.wait()
    _say("", f"The daemon has ended with {status}; its log says why. Ctrl-C, and start again.")


@asynccontextmanager
async def _both(
    asked: argparse.Namespace,
) -> AsyncIterator[tuple[HomeAssistant, DaemonProcess, str]]:
    for port in (asked.port, asked.daemon_port):
        _insist_on_a_free(port)
    folder = asked.folder.absolute()
    for room in ("daemon", "hass"):
        (folder / room).mkdir(parents=True, exist_ok=True)
    password = _kept_password(folder / "password")
    _say("Starting the daemon")
    async with running_daemon(
        folder / "daemon",
        name="Develop",
        host=HOST,
        engine=asked.engine,
        port=asked.daemon_port,
    ) as daemon:
        _say("Starting Home Assistant (the first time takes longest)")
        async with running_hass(
            NEWEST, folder / "hass", password=password, port=asked.port
        ) as hass:
            await _pair(hass, daemon)
            yield hass, daemon, password


async def _pair(hass: HomeAssistant, daemon: DaemonProcess) -> None:
    """Pair them, unless they are already."""
    for entry in await hass.entries(DOMAIN):
        connection = await hass.connection(entry["entry_id"]) or {}
        if (connection.get("host"), connection.get("port")) == (daemon.host, daemon.port):
            return
        await hass.remove(entry["entry_id"])
    _say("Pairing them")
    await pair_by_hand(hass, daemon)


def _insist_on_a_free(port: int) -> None:
    try:
        socket.create_server((HOST, port)).close()
    except OSError as err:
        raise OSError(f"port {port} is taken: see --port and --daemon-port") from err


def _kept_password(file: Path) -> str:
    """Home Assistant listens on the network: the password is nobody's guess."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(9))
    return file.read_text()


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
