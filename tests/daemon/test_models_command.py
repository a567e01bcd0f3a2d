"""`indextts-daemon models`: what is said, what lies on the disk then, and what a hub was asked."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
import hashlib
import io
import json
import os
from pathlib import Path
import pty
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from indextts_daemon import cli
from indextts_daemon.checkpoints.catalogue import (
    FEELINGS,
    FEELINGS_BYTES,
    FEELINGS_FILES,
    INDEXTTS_2,
    INDEXTTS_2_5,
    PUBLISHED,
    Published,
)
from indextts_daemon.checkpoints.licence import ACCEPTED, SUMMARY, Acceptance
from indextts_daemon.cli.parser import make_parser
from indextts_daemon.errors import SpeechError
from indextts_daemon.models_command import list_models
from indextts_daemon.models_command.display import Display
from indextts_daemon.remote import Remote
from tests.daemon.door import TOKEN, Door
from tests.daemon.hub_server import COMMIT, LICENSE, WEIGHTS, HubServer, repositories

MODEL, OTHER = INDEXTTS_2_5.id, INDEXTTS_2.id
CONVERT, VERIFY = (f"indextts_daemon.engines.indextts.{name}" for name in ("convert", "verify"))
TIMEOUT_S = 60
PAGE = (Path(__file__).parents[2] / "docs/models.md").read_text("utf-8")
NO_TORCH = """
import sys
sys.modules["torch"] = None
from indextts_daemon.cli import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


class House:
    """A data folder, and a person in front of it."""

    def __init__(self, data_dir: Path, hub: HubServer, capture: pytest.CaptureFixture[str]) -> None:
        self.data_dir, self.hub, self._capture = data_dir, hub, capture
        self.folder = data_dir / "models" / MODEL
        self.gpt = self.folder / "official/gpt.pth"

    def run(self, action: str, *arguments: str) -> Said:
        """Run a command without a terminal."""
        self._capture.readouterr()
        code = cli.main(["models", action, *arguments, "--data-dir", str(self.data_dir)])
        return Said(code, *self._capture.readouterr())

    def start(
        self, *arguments: str, program: Sequence[str] = ("-m", "indextts_daemon"), **extra: Any
    ) -> subprocess.Popen[str]:
        """Run a command as a process of its own."""
        where = ["--data-dir", str(self.data_dir)]
        return subprocess.Popen(
            [sys.executable, *program, "models", *arguments, *where],
            **{"stdin": subprocess.DEVNULL, **extra},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def process(self, *arguments: str, **extra: Any) -> Said:
        """Run a command as a process of its own to its end."""
        return end(self.start(*arguments, **extra))

    def answer(self, typed: str, *arguments: str) -> Said:
        """Run a command in a terminal at which somebody types."""
        keyboard, terminal = pty.openpty()
        try:
            process = self.start(*arguments, stdin=terminal)
            os.write(keyboard, f"{typed}\n".encode())
            return end(process)
        finally:
            os.close(keyboard)
            os.close(terminal)

    def parts(self) -> list[Path]:
        return sorted(self.folder.rglob(".*.part"))

    def gpt_parts(self) -> list[Path]:
        return [path for path in self.parts() if path.name.startswith(".gpt.pth.")]


def holds_something(path: Path) -> bool:
    """Whether the file has begun; it may be whole and gone by now."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def end(process: subprocess.Popen[str]) -> Said:
    out, err = process.communicate(timeout=TIMEOUT_S)
    return Said(process.returncode, out, err)


def error(said: Said) -> str:
    """Return the one sentence that a failed command left."""
    assert said.code == 1
    (line,) = said.err.splitlines()
    assert line.startswith("indextts-daemon: ")
    return line


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer(repositories(INDEXTTS_2) | repositories(INDEXTTS_2_5)) as server:
        yield server


@pytest.fixture
def house(
    tmp_path: Path,
    hub: HubServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> House:
    """Offer a house with an empty data folder and the hub on loopback."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.url)
    monkeypatch.setenv("INDEXTTS_SERVER__PORT", "9")  # where no daemon is
    for name in ("HF_TOKEN", "INDEXTTS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    return House(tmp_path / "data", hub, capsys)


def listed(house: House, model: str = MODEL) -> dict[str, Any]:
    entries = json.loads(house.run("list", "--json").out)["models"]
    (entry,) = [one for one in entries if one["id"] == model]
    return dict(entry)


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.id)
@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_model_comes_from_either_hub_and_goes_again(
    house: House, model: Published, source: str
) -> None:
    said = house.run("download", model.id, "--accept-license", "--from", source)
    assert (said.code, said.err) == (0, "")
    assert f"models convert {model.id}" in said.out
    entry = listed(house, model.id)
    assert (entry["official"], entry["converted"], entry["problem"]) == (True, False, "")
    assert house.run("remove", model.id, "--yes").code == 0
    assert listed(house, model.id)["bytes"] == 0


def test_without_a_terminal_nothing_but_the_license_is_fetched(house: House) -> None:
    said = house.process("download", MODEL)
    assert "in a terminal or with --accept-license" in error(said)
    assert LICENSE.strip() in said.out
    assert "does not call itself the bilibili Model Use License" in said.out
    assert [one.path.rpartition("/")[2] for one in house.hub.files()] == ["LICENSE"]
    assert not house.data_dir.exists()


def test_another_answer_than_yes_declines(house: House) -> None:
    said = house.answer("no", "download", MODEL)
    assert "the license was not accepted" in error(said)
    assert [one.path.rpartition("/")[2] for one in house.hub.files()] == ["LICENSE"]
    assert not house.data_dir.exists()


def test_yes_accepts_and_is_written_down(house: House) -> None:
    assert house.answer("yes", "download", MODEL).code == 0
    kept = Acceptance.read(house.folder)
    assert kept is not None
    assert asdict(kept) | {"accepted": ""} == {
        "model": MODEL,
        "repository": "IndexTeam/IndexTTS-2.5",
        "revision": COMMIT,
        "file": "LICENSE",
        "sha256": hashlib.sha256(LICENSE.encode()).hexdigest(),
        "accepted": "",
        "by": "typed",
    }
    assert kept.accepted.startswith(time.strftime("%Y-", time.gmtime()))
    assert (house.folder / "official/LICENSE").read_text() == LICENSE


def test_a_license_is_asked_for_once_and_again_when_it_changes(house: House) -> None:
    house.run("download", MODEL, "--accept-license")
    again = house.run("download", MODEL)
    assert (again.code, LICENSE in again.out) == (0, False)
    assert "was accepted on 20" in again.out
    house.hub.holds = {
        name: {**files, "LICENSE": b"Thou shalt pay."} for name, files in house.hub.holds.items()
    }
    changed = house.run("download", MODEL)
    assert "Thou shalt pay." in changed.out
    error(changed)


def test_what_judges_feelings_comes_when_it_is_asked_for(house: House) -> None:
    folder = house.folder / "official/qwen0.6bemo4-merge"
    assert "Qwen" not in house.run("download", MODEL).out  # not accepted
    assert house.run("download", MODEL, "--accept-license").code == 0
    assert not folder.exists()
    said = house.run("download", OTHER, "--accept-license", "--with-emotion")
    for words in ("made from Qwen3-0.6B, which is under Apache-2.0", "for non-commercial use"):
        assert words in said.out
    assert house.run("download", MODEL, "--with-emotion").code == 0
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }


def test_what_others_ask_is_said_before_the_answer(house: House) -> None:
    assert "MaskGCT" not in house.run("download", MODEL).out
    assert "for non-commercial use" in house.run("download", OTHER).out


def test_a_repository_without_a_license_is_not_fetched(house: House) -> None:
    house.hub.holds = {
        name: {path: content for path, content in files.items() if "LICENSE" not in path}
        for name, files in house.hub.holds.items()
    }
    assert "holds no license" in error(house.run("download", MODEL, "--accept-license"))
    assert not house.hub.files()


def test_a_disk_too_small_is_said_before_anything_is_downloaded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000_000))
    house.hub.sizes["gpt.pth"] = 3_259_599_833
    sentence = error(house.run("download", MODEL, "--accept-license"))
    for words in (
        "The disk is too small: IndexTTS-2.5 needs 9.3 GB",
        "(3.3 GB to download and 6.0 GB to convert it)",
        "2.0 GB are free",
    ):
        assert words in sentence
    assert [one.path.rpartition("/")[2] for one in house.hub.files()] == ["LICENSE"]


def test_a_converted_model_needs_no_room_for_converting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (house.folder / "converted").mkdir(parents=True)
    (house.folder / "converted/manifest.json").write_text("{}")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000_000))
    assert house.run("download", MODEL, "--accept-license").code == 0


def test_an_interrupted_download_goes_on_where_it_was(house: House) -> None:
    house.hub.chunk, house.hub.pause_s = 5000, 1.0  # a minute for the first large file
    process = house.start("download", MODEL, "--accept-license")
    while process.poll() is None and not any(map(holds_something, house.gpt_parts())):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stopped = end(process)
    assert (stopped.code, stopped.err) == (130, "")
    assert "The same command goes on from here." in stopped.out
    (part,) = house.parts()
    left = part.stat().st_size
    assert 0 < left < WEIGHTS
    house.hub.pause_s = 0
    again = house.process("download", MODEL)
    assert again.code == 0
    assert f"gpt.pth: going on after {left / 1000:.1f} kB" in again.out
    second = house.hub.files("gpt.pth")[1]
    assert (second.start, second.start + second.sent) == (left, house.gpt.stat().st_size)
    assert len(house.hub.files("config.yaml")) == 1
    assert house.gpt.read_bytes() == house.hub.holds["IndexTeam/IndexTTS-2.5"]["gpt.pth"]


def test_a_wrong_file_stops_the_download_by_name_and_only_it_comes_anew(house: House) -> None:
    house.hub.wrong["s2mel.pth"] = house.hub.holds["IndexTeam/IndexTTS-2.5"]["gpt.pth"][:20_253]
    sentence = error(house.process("download", MODEL, "--accept-license"))
    assert "IndexTeam/IndexTTS-2.5/s2mel.pth is not what the hub says it is" in sentence
    assert "was deleted" in sentence
    assert house.gpt.exists()
    assert not list(house.folder.rglob("*s2mel*"))
    assert listed(house)["official"] is False
    house.hub.wrong.clear()
    assert house.run("download", MODEL).code == 0
    assert [len(house.hub.files(name)) for name in ("gpt.pth", "s2mel.pth")] == [1, 2]


def test_a_damaged_file_is_fetched_anew(house: House) -> None:
    house.run("download", MODEL, "--accept-license")
    whole = house.gpt.read_bytes()
    house.gpt.write_bytes(whole[:-1] + b"?")
    assert house.run("download", MODEL).code == 0
    assert house.gpt.read_bytes() == whole
    assert len(house.hub.files("s2mel.pth")) == 1


def test_what_cannot_be_done_is_said_in_a_sentence(house: House) -> None:
    assert "There is no model heart to fetch" in error(house.run("download", "heart"))
    for action in ("convert", "verify"):
        assert "lacks gpt.pth" in error(house.run(action, MODEL))
    house.data_dir.mkdir()
    (house.data_dir / "models").write_text("a file")
    assert "cannot be written" in error(house.run("download", MODEL, "--accept-license"))
    house.hub.__exit__()
    assert "cannot be fetched now" in error(house.run("download", MODEL))
    house.hub.__enter__()


def test_the_list_tells_what_is_here_and_what_the_daemon_does(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.run("download", MODEL, "--accept-license")

    class Serving(Remote):
        async def models(self) -> dict[str, dict[str, Any]]:
            return {MODEL: {"id": MODEL, "state": "ready", "default": True}}

    remote = Serving(url="", token=None)
    assert list_models(house.folder.parent, remote, as_json=False) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    head, *rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert head == ["MODEL", "HERE", "ON DISK", "DAEMON"]
    assert rows[0] == [MODEL, "official", rows[0][2], "ready, the default"]
    assert rows[1] == [OTHER, "no, 7.7 GB to download", "not served"]


def test_the_list_says_what_an_incomplete_or_strange_model_lacks(house: House) -> None:
    house.run("download", MODEL, "--accept-license")
    shutil.copytree(house.folder, house.folder.with_name(OTHER))
    house.gpt.unlink()
    said = house.run("list").out
    assert f"{MODEL}: The model's folder lacks gpt.pth." in said
    assert f"{OTHER}: The folder holds IndexTTS-2.5." in said
    assert "What is served is not known: No daemon answers" in said
    assert listed(house)["served"] is None


async def test_the_running_daemon_says_what_it_serves(door: Door) -> None:
    served = await Remote(url=door.url, token=TOKEN).models()
    assert served["fake"]["default"] is True


def test_removing_asks_first(house: House) -> None:
    house.run("download", MODEL, "--accept-license")
    assert "--yes deletes without asking" in error(house.run("remove", MODEL))
    assert "Nothing was deleted" in error(house.answer("n", "remove", MODEL))
    assert house.gpt.exists()
    said = house.answer("yes", "remove", MODEL)
    assert said.code == 0
    assert "14 files" in said.out
    assert not house.folder.exists()
    assert "is not here" in error(house.run("remove", MODEL, "--yes"))


def test_removing_follows_no_link_out_of_the_folder(house: House, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("kept")
    house.folder.mkdir(parents=True)
    (house.folder / "official").symlink_to(elsewhere)
    (house.folder / "gpt.pth").symlink_to(elsewhere / "precious")
    assert house.run("remove", MODEL, "--yes").code == 0
    assert not house.folder.exists()
    house.folder.symlink_to(elsewhere)
    said = house.run("remove", MODEL, "--yes")
    assert (said.code, "only the link goes" in said.out) == (0, True)
    assert not house.folder.is_symlink()
    assert (elsewhere / "precious").read_text() == "kept"


def test_converting_writes_beside_the_official_files(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Any, Path]] = []

    def write(found: Any, target: Path, progress: Any) -> Any:
        given.append((found, target))
        progress("gpt", 1, 2)
        return SimpleNamespace(files={"gpt": SimpleNamespace(bytes=5)}, feelings={})

    monkeypatch.setitem(sys.modules, CONVERT, SimpleNamespace(convert=write))  # type: ignore[misc]
    house.run("download", MODEL, "--accept-license")
    said = house.run("convert", MODEL)
    assert (said.code, "1 files, 5 bytes" in said.out) == (0, True)
    assert "damaged" not in said.out
    ((found, target),) = given
    assert (found.files["gpt"], target) == (house.gpt, house.folder / "converted")


@pytest.mark.parametrize("faults", [[], ["gpt.pth was changed or damaged: fetch it again."]])
def test_verifying_tells_each_fault(
    house: House, monkeypatch: pytest.MonkeyPatch, faults: list[str]
) -> None:
    def read(folder: Path, progress: Any) -> list[Any]:
        progress("gpt", 1, 2)
        assert folder == house.folder
        return [SimpleNamespace(message=fault, where="gpt") for fault in faults]

    monkeypatch.setitem(sys.modules, VERIFY, SimpleNamespace(verify=read))  # type: ignore[misc]
    house.run("download", MODEL, "--accept-license")
    said = house.run("verify", MODEL)
    assert said.code == len(faults)
    *told, verdict = said.out.splitlines()
    assert told == faults
    assert verdict.endswith("1 faults." if faults else "as they should be.")


def test_every_file_is_compared_to_what_the_hub_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any) -> list[Any]:
        return [SimpleNamespace(message="said twice", where="campplus_cn_common.bin")]

    monkeypatch.setitem(sys.modules, VERIFY, SimpleNamespace(verify=read))  # type: ignore[misc]
    house.run("download", MODEL, "--accept-license")
    official = house.folder / "official"
    for name in ("hf_cache/campplus_cn_common.bin", "multilingual.tiktoken"):
        content = bytearray((official / name).read_bytes())
        content[-1] ^= 1
        (official / name).write_bytes(content)
    said = house.run("verify", MODEL)
    assert said.code == 1
    *told, verdict = said.out.splitlines()
    assert sorted(told) == [
        "official/hf_cache/campplus_cn_common.bin was changed or damaged: fetch it again.",
        "official/multilingual.tiktoken was changed or damaged: fetch it again.",
    ]
    assert verdict.endswith("2 faults.")
    assert house.run("download", MODEL).code == 0
    (official / "checksums.json").write_text("[]")
    assert house.run("verify", MODEL).out.splitlines()[0] == "said twice"


def test_a_model_in_the_wrong_folder_is_not_converted(house: House) -> None:
    house.run("download", MODEL, "--accept-license")
    house.folder.rename(house.folder.with_name(OTHER))
    assert "holds IndexTTS-2.5" in error(house.run("convert", OTHER))


@pytest.mark.parametrize("action", ["convert", "verify"])
def test_a_missing_package_is_named_with_its_remedy(house: House, action: str) -> None:
    house.run("download", MODEL, "--accept-license")
    said = house.process(action, MODEL, program=("-c", NO_TORCH))
    assert "pip install 'indextts-daemon[indextts]'" in error(said)


def test_progress_is_a_line_now_and_then_and_one_changing_line_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for out, passing in ((io.StringIO(), 2), (Terminal(), 11)):
        clock = SimpleNamespace(now=0.0)
        shown = Display(out, total=2_000_000_000, clock=lambda at=clock: at.now)
        shown.begin("gpt.pth", 1_500_000_000, 400_000_000)
        for second in range(1, 12):
            clock.now = float(second)
            shown.has(400_000_000 + second * 100_000_000)
        shown.waits(2.0)
        shown.end("checksum right")
        text = out.getvalue()
        assert text.count(", 100.0 MB/s, ") == passing + 1
        assert "gpt.pth: 900.0 MB of 1.5 GB, 100.0 MB/s, 900.0 MB of 2.0 GB in all" in text
        assert "gpt.pth: going on after 400.0 MB\n" in text.replace("\x1b[K", "")
        assert "broke off after 1.5 GB; again in 2 s" in text
        assert ("\r" in text) is isinstance(out, Terminal)


def test_the_page_names_every_size_every_term_and_every_file() -> None:
    for model in PUBLISHED:
        for said in (model.id, f"{model.download_bytes / 1e9:.1f} GB", model.name):
            assert said in PAGE
        for part in model.parts:
            (row,) = [
                line for line in PAGE.splitlines() if line.startswith(f"| `{part.huggingface}`")
            ]
            for name in part.files:
                assert name.lstrip("*") in row
            assert part.modelscope in PAGE
    for name in (FEELINGS, *FEELINGS_FILES, f"{FEELINGS_BYTES / 1e9:.1f} GB more"):
        assert name in PAGE
    for sentence in SUMMARY:
        assert f"- {sentence}\n" in PAGE


def test_a_damaged_note_of_acceptance_is_none(tmp_path: Path) -> None:
    for content in ("", "[]", '{"model": 1}'):
        (tmp_path / ACCEPTED).write_text(content)
        assert Acceptance.read(tmp_path) is None


def test_every_refusal_has_a_code(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {
        ("download", MODEL): "license_not_accepted",
        ("download", "heart"): "model_not_found",
        ("remove", MODEL, "--yes"): "model_not_here",
        ("verify", MODEL): "checkpoint_missing",
    }
    parser = make_parser()
    for arguments, code in codes.items():
        asked = parser.parse_args(["models", *arguments, "--data-dir", str(house.data_dir)])
        with pytest.raises(SpeechError) as caught:
            asked.run(asked)
        assert caught.value.error_code == code
