"""The command line: what it prints and writes, and how it fails, with and without a daemon."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
import errno
import os
from pathlib import Path
import shutil
import socket
import subprocess
import sys
from typing import Any

import aiohttp
import numpy as np
import pytest

from indextts_daemon import __version__, cli, remote
from indextts_daemon.cli import running
from indextts_daemon.cli.asked import remote_of
from indextts_daemon.cli.parser import make_parser
from indextts_daemon.cli.running import SUFFIXES
from indextts_daemon.config import load_settings
from tests.daemon.door import TOKEN, Door
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.rooms import shut

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Runs commands as a person would, against a port and with a data folder."""

    data_dir: Path
    capture: pytest.CaptureFixture[str]
    port: int = 0

    async def run(self, *arguments: str) -> Said:
        where = ["--data-dir", str(self.data_dir)]
        if arguments[0] != "token":
            where += ["--host", "127.0.0.1", "--port", str(self.port)]
        self.capture.readouterr()
        code = await asyncio.to_thread(cli.main, [*arguments, *where])
        return Said(code, *self.capture.readouterr())


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INDEXTTS_TOKEN", raising=False)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Offer a shell at a port where nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Shell(tmp_path, capsys, probe.getsockname()[1])


@pytest.fixture
async def at_the_door(shell: Shell, door: Door) -> Shell:
    """Offer a shell on the machine of a running daemon."""
    shell.port = int(door.url.rpartition(":")[2])
    (shell.data_dir / "token").write_text(TOKEN)
    return shell


@asynccontextmanager
async def somebody_else(shell: Shell, answer: Answer) -> AsyncIterator[None]:
    """Have something that is no daemon listen at the shell's port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(65536)
            await answer(reader, writer)
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    shell.port = server.sockets[0].getsockname()[1]
    async with server:
        yield


def http(status: str, kind: str, body: str) -> Answer:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())

    return answer


async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def banner(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")


def pcm_of(file: Path) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.frombuffer(file.read_bytes()[44:], np.int16)


async def test_say_lets_the_running_daemon_speak(at_the_door: Shell, door: Door) -> None:
    file = at_the_door.data_dir / "out.wav"
    said = await at_the_door.run(
        *("say", "Guten Tag.", "-o", str(file), "--voice", "fake-02"),
        *("--language", "de", "--seed", "7", "--speed", "2"),
    )
    assert said == Said(
        0, f"{file}: {file.stat().st_size} bytes, spoken by the running daemon\n", ""
    )
    samples = pcm_of(file)
    assert_spoken_by_fake(samples, ["Guten Tag."], tag=2, seed=7)
    assert samples.size == round(10 * 0.06 / 2 * 24000)
    assert door.services.metrics.input_characters._value.get() == len("Guten Tag.")


async def test_say_speaks_by_itself_where_no_daemon_runs(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDEXTTS_ENGINE", "fake")
    file = shell.data_dir / "out.wav"
    said = await shell.run("say", "Nobody is here.", "-o", str(file))
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("bytes, spoken by this command (no daemon runs)\n")
    assert_spoken_by_fake(pcm_of(file), ["Nobody is here."], tag=1)
    assert not (shell.data_dir / "token").exists()


@pytest.mark.parametrize("ending", SUFFIXES)
async def test_the_ending_names_the_format(at_the_door: Shell, ending: str) -> None:
    file = at_the_door.data_dir / f"out{ending.upper()}"
    assert (await at_the_door.run("say", "Hello.", "-o", str(file))).code == 0
    magic = {".wav": b"RIFF", ".opus": b"OggS", ".ogg": b"OggS", ".flac": b"fLaC"}
    assert file.read_bytes().startswith(magic.get(ending, b""))
    if ending == ".mp3":
        assert file.read_bytes()[:2] in {b"\xff\xf3", b"\xff\xfb", b"\xff\xf2", b"ID"}


@pytest.mark.parametrize("name", ["out", "out.aac", "out.wav.txt"])
async def test_another_ending_is_refused_with_those_there_are(shell: Shell, name: str) -> None:
    said = await shell.run("say", "Hello.", "-o", str(shell.data_dir / name))
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "indextts-daemon: The output's ending names the format: "
        "one of .wav .pcm .mp3 .opus .ogg .flac.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["😀"], "There is no word to speak"),
        (["Hello.", "--voice", "nobody"], "There is no such voice"),
        (["Hello.", "--speed", "9"], "`speed` must be from 0.5 to 2.0"),
        (["{{fail zork}}"], "The text asked for a failure."),
    ],
)
async def test_what_the_daemon_refuses_is_said_and_nothing_is_written(
    at_the_door: Shell, arguments: list[str], message: str
) -> None:
    file = at_the_door.data_dir / "out.wav"
    said = await at_the_door.run("say", *arguments, "-o", str(file))
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"indextts-daemon: {message}")
    assert not file.exists()


async def test_a_refusal_without_a_daemon_reads_the_same(shell: Shell) -> None:
    file = shell.data_dir / "out.wav"
    said = await shell.run("say", "Hello.", "--speed", "9", "-o", str(file))
    assert said.code == 1
    assert said.err.startswith("indextts-daemon: `speed` must be from 0.5 to 2.0")


async def test_speech_that_breaks_off_leaves_no_file(at_the_door: Shell) -> None:
    file = at_the_door.data_dir / "out.wav"
    said = await at_the_door.run("say", "Hello there. {{crash}} Bye.", "-o", str(file))
    assert said.code == 1
    assert said.err.startswith("indextts-daemon: ")
    assert not file.exists()


async def test_a_file_that_cannot_be_written_is_named(at_the_door: Shell) -> None:
    file = at_the_door.data_dir / "absent/out.wav"
    said = await at_the_door.run("say", "Hello.", "-o", str(file))
    assert said == Said(1, "", f"indextts-daemon: There is no folder {file.parent}.\n")


async def test_a_wrong_token_is_told_how_to_find_the_right_one(at_the_door: Shell) -> None:
    (at_the_door.data_dir / "token").write_text("a-wrong-token-of-somebody")
    said = await at_the_door.run("pair")
    assert said.code == 1
    assert "`indextts-daemon token` prints it" in said.err
    assert "wrong" not in said.err


async def test_pair_shows_a_code_that_pairs(at_the_door: Shell, door: Door) -> None:
    said = await at_the_door.run("pair")
    assert (said.code, said.err) == (0, "")
    code = said.out.removeprefix("Pairing code: ").removesuffix(" (for 10 minutes)\n")
    body = {"code": code, "name": "test"}
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.post(f"{door.url}/v1/pair", json=body) as response,
    ):
        assert (await response.json())["token"] == TOKEN


async def test_pair_needs_a_daemon(shell: Shell) -> None:
    said = await shell.run("pair")
    assert said == Said(
        1, "", f"indextts-daemon: No daemon answers at http://127.0.0.1:{shell.port}.\n"
    )


async def test_token_prints_the_token_and_makes_none(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await shell.run("token")
    assert said.code == 1
    assert "There is no token" in said.err
    assert not list(shell.data_dir.iterdir())
    (shell.data_dir / "token").write_text(f"{TOKEN}\n")
    assert await shell.run("token") == Said(0, f"{TOKEN}\n", "")
    monkeypatch.setenv("INDEXTTS_TOKEN", "another")
    assert (await shell.run("token")).out == "another\n"


async def test_an_empty_token_is_told_how_to_get_another(shell: Shell) -> None:
    (shell.data_dir / "token").write_text("\n")
    said = await shell.run("token")
    assert (said.code, said.out) == (1, "")
    assert "is empty. `indextts-daemon token --new` makes a new token." in said.err


async def test_say_leaves_the_old_file_when_it_cannot_write(
    at_the_door: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = at_the_door.data_dir / "out.wav"
    file.write_bytes(b"old")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    said = await at_the_door.run("say", "Hello.", "-o", str(file))
    assert (said.code, said.err.endswith("(No space left on device).\n")) == (1, True)
    assert file.read_bytes() == b"old"


async def test_a_new_token_is_made_only_where_a_daemon_has_been(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.data_dir.mkdir(exist_ok=True)
    (shell.data_dir / "token").write_text(TOKEN)
    said = await shell.run("token", "--new")
    assert said.code == 0
    assert said.out == (shell.data_dir / "token").read_text() != f"{TOKEN}\n"
    assert "Home Assistant will ask to pair again" in said.err
    monkeypatch.setenv("INDEXTTS_TOKEN", TOKEN)
    refused = await shell.run("token", "--new")
    assert (refused.code, refused.out) == (1, "")
    assert "INDEXTTS_TOKEN wins" in refused.err
    monkeypatch.delenv("INDEXTTS_TOKEN")
    assert (await shell.run("token")).out == said.out
    shutil.rmtree(shell.data_dir)
    assert "There is no token" in (await shell.run("token", "--new")).err
    assert not shell.data_dir.exists()


async def test_the_token_of_the_environment_opens_the_door(
    at_the_door: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    (at_the_door.data_dir / "token").unlink()
    assert (await at_the_door.run("pair")).code == 1
    monkeypatch.setenv("INDEXTTS_TOKEN", f"{TOKEN}\n")
    assert (await at_the_door.run("pair")).code == 0


@pytest.mark.parametrize("command", [["pair"], ["say", "Hello."]])
@pytest.mark.parametrize(
    "answer",
    [
        http("404 Not Found", "text/html", "<h1>Not found</h1>"),
        http("501 Unsupported", "text/html", "<h1>no</h1>"),
        http("200 OK", "text/html", "<h1>Welcome</h1>"),
        http("200 OK", "application/json", "{}"),
        http("200 OK", "application/json", "["),
        http("200 OK", "application/json", "[]"),
        http("401 Unauthorized", "application/json", '{"error": "who?"}'),
        http("401 Unauthorized", "application/json", "[1]"),
    ],
)
async def test_a_web_server_at_the_port_is_told_from_a_daemon(
    shell: Shell, command: list[str], answer: Answer
) -> None:
    file = shell.data_dir / "out.wav"
    async with somebody_else(shell, answer):
        said = await shell.run(*command, *(["-o", str(file)] if command[0] == "say" else []))
    assert said == Said(
        1, "", f"indextts-daemon: Something else answers at http://127.0.0.1:{shell.port}.\n"
    )
    assert not file.exists()


@pytest.mark.parametrize("answer", [mute, banner])
async def test_what_speaks_no_http_ends_in_a_sentence_and_in_time(
    shell: Shell, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE", aiohttp.ClientTimeout(sock_connect=2, sock_read=0.2))
    async with asyncio.timeout(20), somebody_else(shell, answer):
        said = await shell.run("pair")
    assert said == Said(
        1, "", f"indextts-daemon: The daemon at http://127.0.0.1:{shell.port} broke off.\n"
    )


def test_the_patience_with_a_daemon_has_its_bounds() -> None:
    assert remote.PATIENCE.sock_connect is not None
    assert remote.PATIENCE.sock_read is not None


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (["0.0.0.0", "::"], "http://127.0.0.1:8818"),  # noqa: S104
        (["::"], "http://[::1]:8818"),
        (["fd00::3"], "http://[fd00::3]:8818"),
        (["192.0.2.7", "127.0.0.1"], "http://192.0.2.7:8818"),
    ],
)
def test_a_daemon_is_sought_where_it_listens(hosts: list[str], url: str, tmp_path: Path) -> None:
    asked = make_parser().parse_args(["pair", "--data-dir", str(tmp_path)])
    settings = load_settings(file=None, environment={}, flags={"server.host": hosts})
    assert remote_of(asked, settings).url == url


async def test_settings_come_from_the_data_folder_unless_a_file_is_named(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    usual, other = shell.data_dir / "settings.yaml", shell.data_dir / "other.yaml"
    usual.write_text("zork: 1")
    other.write_text("server: {auth: true}")
    said = await shell.run("pair")
    assert said.err == (f"indextts-daemon: {usual}, line 1, zork: there is no such setting.\n")
    said = await shell.run("pair", "--config", str(other))
    assert "No daemon answers" in said.err


async def test_a_broken_environment_is_told_in_a_sentence(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDEXTTS_QUEUE__CAPACITY", "many")
    said = await shell.run("check")
    assert said.code == 1
    assert said.err.startswith("indextts-daemon: INDEXTTS_QUEUE__CAPACITY: queue.capacity: ")


@pytest.mark.parametrize("command", ["token", "pair"])
def test_a_data_folder_that_is_shut_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with shut(tmp_path):
        code = cli.main([command, "--data-dir", str(tmp_path / "data")])
    assert code == 1
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["zork"], ["say"], ["serve", "--port", "x"]])
def test_what_is_no_command_is_refused_with_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: indextts-daemon" in capsys.readouterr().err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"indextts-daemon {__version__}\n"


def test_an_interrupt_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "read_token", interrupted)
    assert cli.main(["token", "--data-dir", str(tmp_path)]) == 130
    assert capsys.readouterr() == ("", "")


def test_who_has_read_enough_ends_the_command_quietly(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    command = [sys.executable, "-m", "indextts_daemon", "token", "--data-dir", str(tmp_path)]
    reading, writing = os.pipe()
    os.close(reading)
    environment = {name: value for name, value in os.environ.items() if name != "INDEXTTS_TOKEN"}
    try:
        ended = subprocess.run(
            command,
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")
