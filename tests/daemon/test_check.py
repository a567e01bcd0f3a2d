"""`indextts-daemon check`: each thing that can be wrong fails its own line, and the command."""

from collections.abc import Iterator
from dataclasses import dataclass
import logging
import os
from pathlib import Path
import re
import shutil
import socket
from types import SimpleNamespace

import pytest
from zeroconf.asyncio import AsyncZeroconf

from indextts_daemon import check, choice, cli, doorless, gpu, planning
from indextts_daemon.config import load_settings, settings_history
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.gpu import Gpu
from indextts_daemon.identity import open_identity
from indextts_daemon.remote import Remote
from indextts_daemon.service import health, routing
from indextts_daemon.service.models import Model
from tests.daemon.running import RunningDaemon

ROW = re.compile(
    r"(ok|note|FAIL) +(settings|data folder|disk|port|voice|zeroconf|moods|lexicon|GPU) +(\S.*)"
)
NAMES = ["settings", "data folder", "disk", "port", "voice", "zeroconf", "moods", "lexicon", "GPU"]
SLOWLY = "IndexTTS runs on the processor, a sentence takes minutes"
NO_CARD = Gpu(words="no NVIDIA GPU", trouble="There is no NVIDIA GPU.", there=False)


@dataclass(frozen=True)
class Table:
    """What was printed: verdict and message by check, the last line, and the exit code."""

    rows: dict[str, tuple[str, str]]
    verdict: str
    code: int

    def failed(self) -> list[str]:
        return [name for name, (verdict, _) in self.rows.items() if verdict == "FAIL"]


class Machine:
    """Runs the check with settings that pass wherever the test does not break something."""

    def __init__(self, data_dir: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.data_dir = data_dir
        self.host, self.port = "127.0.0.1", 0
        self.settings = ["discovery: {enabled: false}"]
        self._config = data_dir.parent / "check.yaml"
        self._capture = capture

    def check(self) -> Table:
        self._config.write_text("\n".join(self.settings))
        arguments = ["--config", self._config, "--data-dir", self.data_dir, "--host", self.host]
        arguments += ["--port", self.port, "--engine", "fake"]
        code = cli.main(["check", *map(str, arguments)])
        printed = self._capture.readouterr()
        assert printed.err == ""
        *lines, blank, verdict = printed.out.splitlines()
        assert blank == ""
        matches = [ROW.fullmatch(line) for line in lines]
        assert all(matches), lines
        rows = {match[2]: (match[1], match[3]) for match in matches if match}
        assert list(rows) == NAMES
        return Table(rows, verdict, code)


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = set(children.read_text().split())
    yield
    assert set(children.read_text().split()) <= before


def fall_back_on(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (doorless, health, planning, routing):
        monkeypatch.setattr(room, "FALLBACK", engine)


@pytest.fixture
def machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Machine:
    """Offer a machine on which everything is well, and nothing takes the place of the fake."""
    fall_back_on("fake", monkeypatch)
    return Machine(tmp_path / "data", capsys)


def assert_only(table: Table, name: str, message: str) -> None:
    assert table.failed() == [name]
    assert re.search(message, table.rows[name][1]), table.rows[name]
    assert (table.code, table.verdict) == (1, f"Not ready: see {name}.")


def test_a_machine_where_all_is_well_passes_and_is_left_as_it_was(machine: Machine) -> None:
    table = machine.check()
    assert table.failed() == []
    assert (table.code, table.verdict) == (0, "The daemon can run here.")
    assert [verdict for verdict, _ in table.rows.values()][:5] == ["ok"] * 5
    assert re.fullmatch(
        r"the model fake, loaded for this check, spoke after \d+\.\d s", table.rows["voice"][1]
    )
    assert list(machine.data_dir.iterdir()) == []


def test_a_data_folder_that_cannot_be_written_fails(machine: Machine) -> None:
    machine.data_dir.write_bytes(b"a file in its place")
    assert_only(machine.check(), "data folder", "cannot be written .+name another: --data-dir")
    machine.data_dir /= "below"
    assert_only(machine.check(), "data folder", "cannot be written")


def test_a_disk_that_is_nearly_full_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, failed in ((199_999_999, ["disk"]), (200_000_000, [])):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        table = machine.check()
        assert table.failed() == failed
        assert table.rows["disk"][1] == "0.2 GB free for the data folder"


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_a_port_that_is_taken_fails(machine: Machine, family: int, host: str) -> None:
    with socket.socket(family) as taken:
        taken.bind((host, 0))
        taken.listen()
        machine.host, machine.port = host, taken.getsockname()[1]
        assert_only(machine.check(), "port", f"^{machine.port} on {host} is taken by something")


def test_the_daemon_that_runs_here_is_no_trouble(machine: Machine, tmp_path: Path) -> None:
    with RunningDaemon(machine.data_dir) as daemon:
        machine.port = int(daemon.url.rpartition(":")[2])
        table = machine.check()
        assert table.failed() == []
        assert table.rows["port"] == ("ok", f"the daemon runs on {machine.port} and is ready")
    with RunningDaemon(tmp_path / "another") as daemon:
        machine.port = int(daemon.url.rpartition(":")[2])
        assert_only(machine.check(), "port", "is taken by another daemon")


@pytest.mark.parametrize(
    ("state", "verdict", "words"),
    [
        ("paused", "note", "is paused; `indextts-daemon resume` ends that"),
        ("asleep", "ok", "is asleep: it wakes with the next request"),
        ("loading", "FAIL", "is loading"),
    ],
)
async def test_a_daemon_that_only_rests_is_no_trouble(
    state: str, verdict: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def look(_: Remote) -> tuple[str, str]:
        return open_identity(tmp_path).instance_id, state

    monkeypatch.setattr(Remote, "look", look)
    found = await check._who_has("127.0.0.1", 8818, tmp_path)
    assert found == (verdict, f"the daemon runs on 8818 and {words}")


def test_settings_that_are_no_good_fail_and_the_last_good_ones_are_tried(machine: Machine) -> None:
    settings_history(machine.data_dir).add("discovery: {enabled: false}")
    machine.settings[:] = ["language: ["]
    table = machine.check()
    assert_only(table, "settings", r"check\.yaml, line \d.*The last good ones are used\.$")
    assert "switched off" in table.rows["zeroconf"][1]


def test_an_address_of_another_machine_fails(machine: Machine) -> None:
    machine.host, machine.port = "203.0.113.5", 8818
    assert_only(machine.check(), "port", r"cannot be opened \(Cannot assign requested address\)")


def test_without_ipv6_its_wildcard_alone_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "AF_INET6", 9999)
    machine.host = "::"
    assert_only(machine.check(), "port", "^this machine has no IPv6; choose another address")
    machine.host = "::1"
    assert_only(machine.check(), "port", "cannot be opened")


def test_a_model_that_does_not_load_fails_with_its_reason(machine: Machine) -> None:
    machine.settings.append("fake: {load: fail}")
    assert_only(machine.check(), "voice", "settings ask the fake engine to fail")


def test_a_model_that_makes_silence_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorless, "SILENCE", 2.0)
    assert_only(machine.check(), "voice", r"^The model made silence\.$")


def test_where_only_the_fallback_speaks_that_is_said(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_back_on("embedded", monkeypatch)
    machine.settings.append("fake: {load: fail}")
    table = machine.check()
    assert table.rows["voice"] == (
        "note",
        "only the embedded voices speak: The settings ask the fake engine to fail.",
    )
    assert table.code == 0


def test_a_model_that_is_not_there_in_time_has_not_spoken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def out_of_patience(model: Model, *, timeout_s: float) -> None:
        assert timeout_s > 0
        model.queue.close(lambda: EngineUnavailableError("It takes too long."), hold=False)

    monkeypatch.setattr(check, "loaded", out_of_patience)
    fall_back_on("embedded", monkeypatch)
    machine.settings.append("fake: {load: hang}")
    table = machine.check()
    assert table.rows["voice"] == (
        "note",
        "only the embedded voices speak: It is still loading.",
    )
    assert table.code == 0


def test_a_language_that_nobody_speaks_is_noted(machine: Machine) -> None:
    machine.settings.append("language: nl")
    table = machine.check()
    verdict, said = table.rows["voice"]
    assert (verdict, table.code) == ("note", 0)
    assert said.startswith("No voice speaks the household's language, Dutch.")


def test_zeroconf_is_tried_on_the_lan(machine: Machine) -> None:
    machine.settings.clear()
    machine.host = "0.0.0.0"  # noqa: S104
    table = machine.check()
    assert table.failed() == []
    assert re.fullmatch(r"announcements on .+ are heard", table.rows["zeroconf"][1])


def test_an_announcement_that_does_not_come_back_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(*_: object, **__: object) -> None:
        return None

    machine.settings.clear()
    machine.host = "0.0.0.0"  # noqa: S104
    monkeypatch.setattr(AsyncZeroconf, "async_get_service_info", deaf)
    assert_only(machine.check(), "zeroconf", "does not come back; open UDP port 5353")


@pytest.mark.parametrize("error", [OSError, RuntimeError])
@pytest.mark.parametrize(
    ("room", "name"), [(AsyncZeroconf, "async_register_service"), (check, "announced_addresses")]
)
def test_an_announcement_that_cannot_be_made_fails(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    room: object,
    name: str,
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error("Network is unreachable")

    machine.settings.clear()
    machine.host = "0.0.0.0"  # noqa: S104
    monkeypatch.setattr(room, name, refused)
    assert_only(machine.check(), "zeroconf", "cannot announce .+unreachable.+ is multicast blocked")


@pytest.mark.parametrize(
    ("settings", "message"),
    [("discovery: {enabled: false}", "switched off"), ("", "no address that the LAN can reach")],
)
def test_without_zeroconf_the_address_is_to_be_typed(
    machine: Machine, settings: str, message: str
) -> None:
    machine.settings[:] = [settings]
    verdict, said = machine.check().rows["zeroconf"]
    assert verdict == "note"
    assert said.startswith(message)
    assert said.endswith("clients need the address typed in")


def test_all_that_fails_is_named_at_the_end(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.data_dir.write_bytes(b"")
    machine.host = "203.0.113.5"
    table = machine.check()
    assert table.failed() == ["data folder", "port"]
    assert (table.code, table.verdict) == (1, "Not ready: see data folder, port.")


def test_moods_that_cannot_be_read_fail_by_their_line(machine: Machine) -> None:
    machine.data_dir.mkdir(exist_ok=True)
    (machine.data_dir / "moods.yaml").write_text("calm:\n  sped: 2\nparty: 5\n")
    verdict, said = machine.check().rows["moods"]
    assert verdict == "FAIL"
    assert "moods.yaml, line 2, calm.sped" in said
    assert "moods.yaml, line 3, party" in said
    (machine.data_dir / "moods.yaml").write_text("calm: {}\ncalm: {}\n")
    verdict, said = machine.check().rows["moods"]
    assert verdict == "FAIL"
    assert "line 2, calm" in said


def test_what_is_in_the_table_is_not_logged_beside_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])  # as in a process of its own
    machine.data_dir.mkdir(exist_ok=True)
    (machine.data_dir / "moods.yaml").write_text("party: 5\n")
    assert_only(machine.check(), "moods", "moods.yaml, line 1, party")


def test_a_lexicon_is_counted_and_one_that_is_no_good_fails_by_its_line(machine: Machine) -> None:
    assert machine.check().rows["lexicon"] == ("ok", "no rules")
    (machine.data_dir / "lexicon.yaml").write_text("rules:\n- {from: a, say: b}\n")
    assert machine.check().rows["lexicon"] == ("ok", "1 rule")
    (machine.data_dir / "lexicon.yaml").write_text("rules:\n- {from: a, say: b}\n- {from: c}\n")
    verdict, said = machine.check().rows["lexicon"]
    assert verdict == "FAIL"
    assert "lexicon.yaml, line 3, rules.1: " in said


@pytest.mark.parametrize(
    ("found", "verdict", "message"),
    [
        (NO_CARD, "note", "no NVIDIA GPU; the embedded voices need none"),
        (
            Gpu(words="GTX 1080", trouble="The card is too old."),
            "note",
            "GTX 1080: The card is too old.",
        ),
        (
            Gpu(words="RTX 5090"),
            "note",
            (
                "RTX 5090; IndexTTS is not used: no model is downloaded; "
                "`indextts-daemon models download` does that."
            ),
        ),
    ],
)
async def test_the_gpu_is_described_and_never_fails_the_check(
    found: Gpu, verdict: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu, "look", lambda: found)
    monkeypatch.setattr(choice, "look", lambda: found)
    monkeypatch.setattr(choice, "not_installed", lambda: "")
    settings = load_settings(file=None, environment={}, flags={})
    assert await check._gpu(settings, tmp_path) == (verdict, message)


@pytest.mark.parametrize(
    ("found", "settings", "said"),
    [
        (Gpu(words="RTX 5090"), {}, ("ok", "RTX 5090")),
        (Gpu(words="RTX 5090"), {"indextts.device": "cpu"}, ("note", "RTX 5090; " + SLOWLY)),
        (NO_CARD, {"indextts.device": "cpu"}, ("note", "no NVIDIA GPU; " + SLOWLY)),
        (NO_CARD, {"engine": "indextts"}, ("note", "no NVIDIA GPU; " + SLOWLY)),
        (NO_CARD, {}, ("note", "no NVIDIA GPU; the embedded voices need none")),
    ],
)
async def test_what_indextts_runs_on_is_said_where_it_speaks(
    found: Gpu,
    settings: dict[str, object],
    said: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(gpu, "look", lambda: found)
    monkeypatch.setattr(choice, "look", lambda: found)
    monkeypatch.setattr(choice, "not_installed", lambda: "")
    monkeypatch.setattr(choice, "find", lambda folder: SimpleNamespace(version="2.5", warning=""))
    read = load_settings(file=None, environment={}, flags=settings)
    assert await check._gpu(read, tmp_path) == said
