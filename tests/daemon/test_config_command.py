"""`indextts-daemon config` and `reload`: what they print and change, with a daemon and without."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
import io
from pathlib import Path
import re
import socket

from aiohttp.test_utils import TestServer
import pytest
import yaml

from indextts_daemon import cli
from indextts_daemon.config import settings_history
from indextts_daemon.errors import SpeechError
from tests.daemon.test_api_config import TOKEN, Moods, settings_app
from tests.daemon.test_service_config_scope import GOOD, OTHER, House

BAD = "language: [\nengine: fake\n"


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Runs commands as a person would, on the machine of a daemon."""

    folder: Path
    port: int
    capture: pytest.CaptureFixture[str]

    async def run(self, *arguments: str) -> Said:
        where = ["--data-dir", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port)]
        self.capture.readouterr()
        code = await asyncio.to_thread(cli.main, [*arguments, *where])
        return Said(code, *self.capture.readouterr())

    def write(self, text: str, name: str = "new.yaml") -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    @property
    def written(self) -> str:
        return (self.folder / "settings.yaml").read_text()


@pytest.fixture
def alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """Offer a shell where no daemon runs."""
    monkeypatch.delenv("INDEXTTS_TOKEN", raising=False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Shell(tmp_path, probe.getsockname()[1], capsys)


@pytest.fixture
async def house(alone: Shell) -> AsyncIterator[House]:
    """Run the part of a daemon that has the settings."""
    alone.write(GOOD, "settings.yaml")
    alone.write(TOKEN, "token")
    house = House(alone.folder, state=settings_history(alone.folder))
    house.reloader.add(Moods())
    async with TestServer(settings_app(house), host="127.0.0.1") as server:
        assert server.port is not None
        alone.port = server.port
        yield house


@pytest.fixture
def shell(alone: Shell, house: House) -> Shell:
    """Offer a shell where a daemon runs."""
    return alone


async def test_show_prints_every_setting_as_the_daemon_has_it(shell: Shell, house: House) -> None:
    shell.write(OTHER, "settings.yaml")
    said = await shell.run("config", "show")
    assert (said.code, said.err) == (0, "")
    assert yaml.safe_load(said.out)["language"] == "de"
    await shell.run("reload")
    assert yaml.safe_load((await shell.run("config", "show")).out)["language"] == "fr"


async def test_show_without_a_daemon_prints_what_one_would_start_with(alone: Shell) -> None:
    alone.write(GOOD, "settings.yaml")
    said = await alone.run("config", "show")
    assert said.code == 0
    assert yaml.safe_load(said.out)["language"] == "de"
    assert yaml.safe_load(said.out)["server"]["port"] == alone.port
    assert said.err == "No daemon runs; this is what one would start with.\n"


async def test_check_tells_what_would_change_and_changes_nothing(
    shell: Shell, house: House
) -> None:
    said = await shell.run("config", "check", shell.write(OTHER))
    assert said == Said(0, "Good. It would change language, server.port.\n", "")
    assert (shell.written, house.settings.language) == (GOOD, "de")
    assert (await shell.run("config", "check")).out == "Good. Nothing changes.\n"


async def test_check_without_a_daemon_looks_at_the_document_alone(alone: Shell) -> None:
    alone.write(GOOD, "settings.yaml")
    said = await alone.run("config", "check")
    assert (said.code, said.out) == (0, "Good.\n")
    bad = await alone.run("config", "check", alone.write("port: 1\nzork: 2\n"))
    assert (bad.code, bad.out) == (1, "")
    assert bad.err.splitlines() == [
        "settings.yaml, line 1, port: there is no such setting.",
        "settings.yaml, line 2, zork: there is no such setting.",
    ]


async def test_check_tells_what_a_flag_overrides(alone: Shell) -> None:
    said = await alone.run("config", "check", alone.write("server: {port: 1}\n"))
    assert said == Said(0, "Good.\n", "The environment or a flag overrides: server.port.\n")


async def test_check_reads_the_input_where_a_dash_stands_for_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(OTHER.encode())))
    said = await shell.run("config", "check", "-")
    assert said.out == "Good. It would change language, server.port.\n"


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), (b"\xff", "is not UTF-8")]
)
async def test_what_cannot_be_read_is_not_sent(
    shell: Shell, content: bytes | None, words: str
) -> None:
    file = shell.folder / "new.yaml"
    if content is not None:
        file.write_bytes(content)
    said = await shell.run("config", "set", str(file))
    assert (said.code, said.out) == (1, "")
    assert words in said.err
    assert shell.written == GOOD


async def test_set_has_the_daemon_take_it(shell: Shell, house: House) -> None:
    said = await shell.run("config", "set", shell.write(OTHER))
    assert said == Said(0, "config: applied (language, server.port)\n", "")
    assert (shell.written, house.settings.language) == (OTHER, "fr")
    (operation, *_) = house.reloader.operations.listed()
    assert (operation.action, operation.who) == ("put", "cli")
    assert (await shell.run("config", "set", shell.write(OTHER))).out == "config: unchanged\n"


@pytest.mark.parametrize("command", ["check", "set"])
async def test_a_bad_document_ends_in_words_and_changes_nothing(
    shell: Shell, house: House, command: str
) -> None:
    said = await shell.run("config", command, shell.write("port: 1\nzork: 2\n"))
    assert said.code == 1
    assert said.err.splitlines() == [
        "settings.yaml, line 1, port: there is no such setting.",
        "settings.yaml, line 2, zork: there is no such setting.",
    ]
    assert (shell.written, house.settings.language) == (GOOD, "de")


async def test_versions_are_listed_and_rolled_back_to(shell: Shell, house: House) -> None:
    for language in ("fr", "it"):
        await shell.run("config", "set", shell.write(f"language: {language}\n"))
    listed = (await shell.run("config", "versions")).out.splitlines()
    assert [line.split()[0] for line in listed] == ["3", "2", "1"]
    assert re.fullmatch(r" +3  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  as it is now", listed[0])
    assert re.fullmatch(r" +2  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", listed[1])
    assert (await shell.run("config", "rollback")).out == "config: applied (language)\n"
    assert house.settings.language == "fr"
    await shell.run("config", "rollback", "1")
    assert (house.settings.language, shell.written) == ("de", GOOD)
    gone = await shell.run("config", "rollback", "99")
    assert (gone.code, gone.err) == (1, "indextts-daemon: There is no version 99.\n")


async def test_a_bad_file_on_the_disk_is_told_and_the_daemon_still_found(
    shell: Shell, house: House
) -> None:
    shell.write(BAD, "settings.yaml")
    said = await shell.run("reload", "config")
    assert (said.code, said.out) == (1, "config: rejected\n")
    assert said.err.splitlines()[0].endswith("The last good settings are used.")
    assert said.err.splitlines()[1].startswith("settings.yaml, line 2: ")
    assert (await shell.run("config", "rollback")).code == 0
    assert shell.written == GOOD


async def test_reload_tells_of_each_scope(shell: Shell, house: House) -> None:
    shell.write(OTHER, "settings.yaml")
    said = await shell.run("reload")
    assert said == Said(0, "config: applied (language, server.port)\nmoods: unchanged\n", "")
    assert (await shell.run("reload", "moods")).out == "moods: unchanged\n"


async def test_of_a_reload_that_finds_no_room_each_scope_is_told_too(
    shell: Shell, house: House
) -> None:
    house.stage.refusal = SpeechError("It needs 9 GiB.", code="insufficient_memory")
    house.path.write_text(OTHER)
    said = await shell.run("reload")
    told = "config: rejected (language, server.port)\nmoods: unchanged\n"
    assert said == Said(1, told, "It needs 9 GiB.\n")


@pytest.mark.parametrize(
    "command",
    [("config", "set", "-"), ("config", "versions"), ("config", "rollback"), ("reload",)],
)
async def test_what_only_a_daemon_can_do_says_that_none_runs(
    alone: Shell, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    said = await alone.run(*command)
    assert (said.code, said.out) == (1, "")
    assert said.err == f"indextts-daemon: No daemon answers at http://127.0.0.1:{alone.port}.\n"


async def test_a_wrong_token_is_told_in_words(shell: Shell) -> None:
    shell.write("another-token-of-somebody", "token")
    said = await shell.run("config", "versions")
    assert said.code == 1
    assert "needs the daemon's token" in said.err
