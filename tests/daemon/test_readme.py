"""What the README tells a person to type works when it is typed."""

import os
from pathlib import Path
import re
import shlex
import subprocess
import sys

import av
import numpy as np
import pytest
import yaml

from tests.daemon.recognition import at_recognition_rate, heard_by_pocketsphinx, word_error_rate
from tests.daemon.running import RunningDaemon

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def block(language: str, word: str) -> str:
    """Return the fenced block that holds the word."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (found,) = [text for text in blocks if word in text]
    return str(found)


def test_the_curl_line_gives_words_that_are_understood(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path / "data", "--engine", "embedded") as daemon:
        token = f"{shlex.quote(sys.executable)} -m indextts_daemon token --data-dir data"
        line = block("sh", "curl").replace("http://127.0.0.1:8818", daemon.url)
        line = line.replace(".venv/bin/indextts-daemon token", token)
        subprocess.run(["bash", "-euc", line], cwd=tmp_path, check=True)  # noqa: S607
    with av.open(tmp_path / "dinner.mp3") as file:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
        audio = at_recognition_rate(samples, file.streams.audio[0].rate)
    said = re.search(r'"input": "(.*?)"', line)
    assert said is not None
    assert word_error_rate([said[1]], [heard_by_pocketsphinx(audio)]) <= 0.2


def test_the_start_after_a_reboot_is_noted_once_and_runs(tmp_path: Path) -> None:
    clone, table = tmp_path / "my house/indextts", tmp_path / "table"
    (clone / "scripts").mkdir(parents=True)
    serve, crontab = clone / "scripts/serve", tmp_path / "crontab"
    serve.write_text("#!/bin/sh\necho started\n")
    crontab.write_text(
        f'#!/bin/sh\ncase $1 in -l) cat "{table}" ;; -) cat >"{table}.new" ;; esac\n'
    )
    for program in (serve, crontab):
        program.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for before in (None, "0 4 * * * backup indextts\n"):
        if before is not None:
            table.write_text(before)
        for _ in range(2):
            line = block("sh", "crontab")
            subprocess.run(["bash", "-uc", line], cwd=clone, env=path, check=True)  # noqa: S607
            table.with_suffix(".new").rename(table)
        *others, reboot = table.read_text().splitlines(keepends=True)
        assert "".join(others) == (before or "")
        command = ["sh", "-c", reboot.removeprefix("@reboot ")]
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"started\n"


def test_the_automation_is_one(tmp_path: Path) -> None:
    automation = yaml.safe_load(block("yaml", "tts.speak"))
    (action,) = automation["actions"]
    assert action["action"] == "tts.speak"
    assert set(action["data"]) == {"media_player_entity_id", "message"}


@pytest.mark.parametrize("command", ["serve", "check", "say", "pair", "token", "bench"])
def test_every_command_of_the_operators_page_exists(command: str) -> None:
    page = (ROOT / "daemon/README.md").read_text("utf-8")
    assert f"`indextts-daemon {command}" in page
    run = [sys.executable, "-m", "indextts_daemon", command, "--help"]
    assert subprocess.run(run, capture_output=True, check=True).returncode == 0
