"""Nothing leaves the house, and nothing is kept that nobody asked for."""

import asyncio
from contextlib import suppress
import os
from pathlib import Path
import subprocess
import sys

import aiohttp

from tests.daemon.running import RunningDaemon


def test_no_library_reports_on_the_household(tmp_path: Path) -> None:
    """The telemetry of onnxruntime keeps an id and a queue of reports in the user's home."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    speak = "from indextts_daemon import engines; from indextts_daemon.engines import registry; "
    run = f"{speak}registry.create('embedded', {{}}).close()"
    subprocess.run(
        [sys.executable, "-c", run], env=kept | {"HOME": str(home)}, check=True, timeout=120
    )
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_of_what_is_spoken_nothing_is_written_down(tmp_path: Path) -> None:
    """Neither by the one door nor by the other, be it spoken, cut short or refused."""
    word = "xylophone"
    with RunningDaemon(tmp_path) as daemon:
        asyncio.run(_speak_in_vain(daemon, word))
        daemon.stop()
        assert word not in daemon.log
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or word.encode() not in path.read_bytes()


async def _speak_in_vain(daemon: RunningDaemon, word: str) -> None:
    """Say the word in every way, and fail if it comes back."""
    fails = f"The {word}. {{{{fail sudden}}}}"
    endings: list[list[dict[str, str]]] = [
        [{"type": "input.done"}],
        [{"type": "input.cancel"}],
        [{"type": "input.text", "text": fails}, {"type": "input.done"}],
        [{"type": word}],
        [],
    ]
    async with daemon.session() as client:
        for text in (f"The {word}.", fails, word * 900):
            async with client.post("/v1/audio/speech", json={"input": text}) as response:
                with suppress(aiohttp.ClientPayloadError):
                    assert word.encode() not in await response.read()
        for ending in endings:
            async with client.ws_connect("/v1/audio/speech/stream") as socket:
                await socket.send_json({"type": "session.config"})
                await socket.send_json({"type": "input.text", "text": f"The {word}. Of "})
                for message in ending:
                    await socket.send_json(message)
                if ending:
                    async for answer in socket:
                        assert word not in str(answer.data)


def test_the_worker_is_told_so(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path) as daemon:
        environment = Path(f"/proc/{daemon.worker_pid()}/environ").read_bytes()
    assert b"ORT_DISABLE_TELEMETRY=1" in environment.split(b"\0")
