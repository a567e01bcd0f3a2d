"""Where a data folder's daemon listens: the command line finds it, wherever that is."""

from pathlib import Path
import subprocess
import sys

import pytest
import yaml

from indextts_daemon import whereabouts
from indextts_daemon.cli.asked import remote_of
from indextts_daemon.cli.parser import make_parser
from indextts_daemon.config import load_settings
from tests.daemon.house import House, ask, furnish
from tests.daemon.household import free_port


def test_what_is_told_is_known_until_it_is_forgotten(tmp_path: Path) -> None:
    assert whereabouts.known(tmp_path) is None
    (tmp_path / "state").mkdir()
    whereabouts.tell(tmp_path, host="::1", port=8818)
    assert whereabouts.known(tmp_path) == ("::1", 8818)
    whereabouts.forget(tmp_path)
    whereabouts.forget(tmp_path)
    assert whereabouts.known(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": "::1"}', '{"host": "", "port": []}'])
def test_a_damaged_note_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "listening.json").write_text(content)
    assert whereabouts.known(tmp_path) is None


def test_a_disk_that_refuses_is_logged_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file in its place")
    whereabouts.tell(tmp_path, host="::1", port=8818)
    whereabouts.forget(tmp_path)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert str(tmp_path) not in caplog.text


@pytest.mark.parametrize(
    ("named", "url"),
    [
        ([], "http://127.0.0.1:9000"),
        (["--port", "8819"], "http://127.0.0.1:8819"),
        (["--host", "::1"], "http://[::1]:9000"),
    ],
)
def test_what_is_named_of_an_address_wins(tmp_path: Path, named: list[str], url: str) -> None:
    (tmp_path / "state").mkdir()
    whereabouts.tell(tmp_path, host="0.0.0.0", port=9000)  # noqa: S104
    asked = make_parser().parse_args(["pair", "--data-dir", str(tmp_path), *named])
    flags = {"server.host": asked.host or ["0.0.0.0"], "server.port": asked.port}  # noqa: S104
    settings = load_settings(
        file=None, environment={}, flags={k: v for k, v in flags.items() if v is not None}
    )
    assert remote_of(asked, settings).url == url


async def test_the_command_line_finds_a_daemon_that_has_moved_or_was_told_nonsense(
    tmp_path: Path,
) -> None:
    furnish(tmp_path)
    file = tmp_path / "settings.yaml"

    def cli(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "indextts_daemon", *words, "--data-dir", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def listed() -> str:
        done = cli("operations")
        assert done.returncode == 0, done.stderr
        return done.stdout

    with House(tmp_path) as house:  # on any port
        assert listed()
        async with house.session() as session:
            settings = yaml.safe_load(file.read_text())
            settings["server"]["port"] = free_port()
            status, _ = await ask(session, "PUT", "/v1/config", data=yaml.safe_dump(settings))
            assert status == 200
        assert "config" in listed()
        settings["server"] = {"host": ["127.0.0.1"], "port": free_port(), "gate": "open"}
        file.write_text(yaml.safe_dump(settings))
        assert "config" in listed()
        good = (tmp_path / "token").read_text()
        for bad in ("short", ""):
            (tmp_path / "token").write_text(bad)
            assert "config" in listed()
        (tmp_path / "token").write_text(f"another-{good}")
        reloaded = cli("reload", "token")
        assert (reloaded.returncode, reloaded.stdout) == (0, "token: applied\n"), reloaded.stderr
        assert "token" in listed()
        assert house.stop() == 0
    assert whereabouts.known(tmp_path) is None
