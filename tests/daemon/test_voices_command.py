"""`indextts-daemon voices`: what it prints, what it has the daemon do, and how it exits."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
import re

import pytest

from indextts_daemon import cli
from tests.daemon.door import TOKEN, Door, Opener
from tests.daemon.recordings import MADE, RATE, encoded, heart


@dataclass
class Shell:
    """Runs commands as a person would, over a data folder."""

    data: Path
    capture: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, list[str]]:
        self.capture.readouterr()
        code = cli.main(["voices", *arguments])
        return code, self.capture.readouterr().out.splitlines()

    def list(self) -> tuple[int, list[str]]:
        return self.run("list", "--data-dir", str(self.data))

    def put(self, name: str, made: str) -> str:
        file = self.data / "voices" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(MADE[made]())
        return str(file)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def test_without_recordings_there_is_the_built_in_voice(shell: Shell) -> None:
    code, (head, heart) = shell.list()
    assert code == 0
    assert head.split() == ["VOICE", "NAME", "LANGUAGES", "MOODS", "CONSENT", "REVISION", "QUALITY"]
    assert heart.split() == ["heart", "Heart", "all", "built", "in"]


def test_each_recording_is_listed_with_how_good_it_is(shell: Shell) -> None:
    shell.put("anna.wav", "one sentence")
    shell.put("bob.wav", "silence")
    (shell.data / "voices/anna.yaml").write_text("name: Anna\nlanguages: [en, zh]\n")
    (shell.data / "voices/carl.wav").write_text("no sound")
    code, (_, _, anna, bob, carl) = shell.list()
    assert code == 0
    assert anna.startswith("anna   Anna   en, zh     ")
    assert anna.endswith("  usable, but too short")
    assert bob.endswith("  unusable: no speech")
    assert carl.endswith("  unusable: The file is not a wav, flac, ogg or mp3 recording.")


def test_what_the_household_says_of_a_voice_is_listed(shell: Shell) -> None:
    for voice in ("anna", "anna-sad", "bob"):
        shell.put(f"{voice}.wav", "one sentence")
    said = "Said yes on 3 May, for announcements in our house and nothing else."
    sidecars = {
        "anna": f"consent: {said}\nmoods: {{sad: anna-sad}}\n",
        "anna-sad": "consent: true\n",
        "bob": "consent: false\nlanguages: [xx]\n",
    }
    for voice, sidecar in sidecars.items():
        (shell.data / f"voices/{voice}.yaml").write_text(sidecar)
    _, (_, _, sad, anna, bob) = shell.list()
    assert re.search(r" all +sad +Said yes on 3 May, for announcements …  \w+", anna)
    assert re.search(r" all +yes  +\w+", sad)
    assert re.search(r" xx +no  +\w+ +unusable: no model speaks its languages$", bob)


def test_what_is_wrong_in_the_folder_is_listed_below(shell: Shell) -> None:
    shell.put("Anna.wav", "silence")
    _, lines = shell.list()
    assert lines[-1].startswith("Anna.wav is left out: ")


def test_a_good_recording_has_its_figures_and_nothing_else(shell: Shell) -> None:
    file = shell.put("anna.flac", "clean flac, stereo")
    code, (verdict, figures) = shell.run("check", file)
    assert code == 0
    assert verdict == f"{file}: good"
    assert figures.startswith("  11.3 s; used is ")
    assert "of it speech; -28 dB" in figures


def test_a_warning_says_what_to_do_and_fails_nothing(shell: Shell) -> None:
    file = shell.put("anna.wav", "a fan behind it")
    code, lines = shell.run("check", file)
    assert code == 0
    assert lines[0] == f"{file}: usable, but too noisy"
    assert lines[2].startswith("  warn    too_noisy: The voice is only 10 dB louder ")


def test_one_that_is_unusable_fails_the_command(shell: Shell) -> None:
    files = [shell.put("a.wav", "one sentence"), shell.put("b.wav", "silence")]
    code, lines = shell.run("check", *files)
    assert code == 1
    assert f"{files[1]}: unusable: no speech" in lines
    assert lines[-1].startswith("  refuse  no_speech: Nobody is heard speaking.")


def test_a_file_of_any_size_is_only_read_as_far_as_a_recording_goes(shell: Shell) -> None:
    file = shell.data / "large.wav"
    with file.open("wb") as content:
        content.truncate(1 << 40)
    code, lines = shell.run("check", str(file))
    assert (code, lines[0]) == (1, f"{file}: unusable")
    assert lines[1].startswith("  refuse  too_large: The file is larger than 20 MB.")


def test_what_is_no_recording_fails_the_command_in_words(shell: Shell) -> None:
    text = shell.data / "text.wav"
    text.write_text("no sound")
    missing = shell.data / "missing.wav"
    assert shell.run("check", str(text), str(missing)) == (
        1,
        [
            f"{text}: unusable",
            "  refuse  not_audio: The file is not a wav, flac, ogg or mp3 recording.",
            f"{missing}: cannot be read (No such file or directory)",
        ],
    )


@pytest.fixture
async def door(open_door: Opener, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    monkeypatch.setenv("INDEXTTS_TOKEN", TOKEN)
    async with open_door() as door:
        yield door


async def ask(shell: Shell, door: Door, *arguments: str) -> tuple[int, str, str]:
    """Run a command on the machine of the daemon; return its code and what it printed."""
    port = door.url.rpartition(":")[2].strip("/")
    where = ("--data-dir", str(shell.data), "--host", "127.0.0.1", "--port", port)
    shell.capture.readouterr()
    code = await asyncio.to_thread(cli.main, ["voices", *arguments, *where])
    return code, *shell.capture.readouterr()


SAID = ("--id", "anna", "--consent", "Anna said yes.")


def recorded(shell: Shell, name: str, content: bytes) -> str:
    file = shell.data / name
    file.write_bytes(content)
    return str(file)


async def test_a_recording_becomes_a_voice_of_the_running_daemon(shell: Shell, door: Door) -> None:
    file = recorded(shell, "new.wav", MADE["one sentence"]())
    code, out, err = await ask(shell, door, "add", file, *SAID, "--name", "Anna")
    assert code == 0
    verdict, finding = out.splitlines()
    assert verdict == "anna is a voice now: usable, but too short"
    assert finding.startswith("  warn    too_short: There are only ")
    assert err == "The daemon listens to new.wav; that may take a minute …\n"
    assert door.services.pool.voices()["anna"].name == "Anna"
    assert door.services.operations.listed()[0].who == "cli"


async def test_a_recording_that_nobody_can_speak_with_yet_is_said_to_be_kept(
    shell: Shell, open_door: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDEXTTS_TOKEN", TOKEN)
    file = recorded(shell, "new.wav", MADE["clean"]())
    async with open_door(engine="embedded") as door:
        code, out, _ = await ask(shell, door, "add", file, *SAID)
    assert (code, out.splitlines()) == (
        0,
        [
            "anna is kept: good",
            "  No model that is loaded can use recordings; it speaks once IndexTTS runs.",
        ],
    )


async def test_a_recording_that_is_refused_is_said_so(shell: Shell, door: Door) -> None:
    file = recorded(shell, "new.wav", MADE["silence"]())
    code, out, err = await ask(shell, door, "add", file, *SAID)
    assert (code, out) == (1, "")
    assert "Nobody is heard speaking. Check the microphone and record again." in err


async def test_a_voice_is_recorded_anew_and_keeps_its_name(shell: Shell, door: Door) -> None:
    await ask(
        shell, door, "add", recorded(shell, "a.wav", MADE["clean"]()), *SAID, "--name", "Anna"
    )
    before = door.services.pool.voices()["anna"]
    file = recorded(shell, "b.mp3", MADE["clean mp3"]())
    code, out, _ = await ask(shell, door, "replace", file, *SAID, "--languages", "de")
    assert (code, out) == (0, "anna sounds otherwise now: good\n")
    anna = door.services.pool.voices()["anna"]
    assert (anna.name, anna.languages) == ("Anna", ("de",))
    assert anna.revision != before.revision


async def test_a_voice_is_deleted_only_when_that_is_confirmed(shell: Shell, door: Door) -> None:
    await ask(shell, door, "add", recorded(shell, "a.wav", encoded(heart()[: 5 * RATE])), *SAID)
    code, _, err = await ask(shell, door, "delete", "anna")
    assert (code, "--yes deletes without asking" in err) == (1, True)
    assert "anna" in door.services.pool.voices()
    code, out, _ = await ask(shell, door, "delete", "anna", "--yes")
    assert (code, out) == (0, "anna is deleted, with all that was made of the recording.\n")
    assert "anna" not in door.services.pool.voices()
    code, _, err = await ask(shell, door, "delete", "anna", "--yes")
    assert (code, "There is no such voice." in err) == (1, True)


async def test_what_cannot_be_sent_is_said_before_it_is_sent(shell: Shell, door: Door) -> None:
    large = shell.data / "large.wav"
    with large.open("wb") as content:
        content.truncate(1 << 30)
    for file, words in (
        (large, "is larger than 20 MB"),
        (shell.data / "none.wav", "cannot be read"),
    ):
        code, _, err = await ask(shell, door, "add", str(file), *SAID)
        assert (code, words in err) == (1, True)
    assert not [one for one in door.services.operations.listed() if one.who == "cli"]


def test_without_a_daemon_there_is_nobody_to_take_a_voice_up(shell: Shell) -> None:
    file = recorded(shell, "new.wav", MADE["one sentence"]())
    where = ("--data-dir", str(shell.data), "--host", "127.0.0.1", "--port", "9")
    assert cli.main(["voices", "add", file, *SAID, *where]) == 1
    assert "No daemon answers" in shell.capture.readouterr().err
