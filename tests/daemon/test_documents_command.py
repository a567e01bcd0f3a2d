"""`indextts-daemon lexicon` and `moods`: what they print and change, with a daemon and without."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
import io
from pathlib import Path
import socket

from aiohttp.test_utils import TestServer
import pytest

from indextts_daemon import cli
from tests.daemon.test_api_documents import TOKEN, documents_app
from tests.daemon.test_service_document_scope import GOOD_LEXICON, GOOD_MOODS, House


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
        (self.folder / name).write_text(text, "utf-8")
        return str(self.folder / name)

    @property
    def lexicon(self) -> str:
        return (self.folder / "lexicon.yaml").read_text("utf-8")


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
    """Run the part of a daemon that has the documents."""
    alone.write(TOKEN, "token")
    house = House(alone.folder)
    house.start()
    async with TestServer(documents_app(house), host="127.0.0.1") as server:
        assert server.port is not None
        alone.port = server.port
        yield house
    await house.reloader.close()


@pytest.fixture
def shell(alone: Shell, house: House) -> Shell:
    """Offer a shell where a daemon runs."""
    return alone


async def test_set_takes_a_document_and_show_prints_it(shell: Shell, house: House) -> None:
    assert await shell.run("lexicon", "set", shell.write(GOOD_LEXICON)) == Said(
        0, "lexicon: applied\n", ""
    )
    assert (house.says(), shell.lexicon) == ("Seersha", GOOD_LEXICON)
    assert await shell.run("lexicon", "show") == Said(0, GOOD_LEXICON, "")
    assert (await shell.run("moods", "set", shell.write(GOOD_MOODS))).out == "moods: applied\n"
    assert await shell.run("moods", "show") == Said(0, GOOD_MOODS, "")
    assert (await shell.run("moods", "set", shell.write(GOOD_MOODS))).out == "moods: unchanged\n"


async def test_a_document_that_is_refused_is_told_by_line_and_changes_nothing(
    shell: Shell, house: House
) -> None:
    await shell.run("lexicon", "set", shell.write(GOOD_LEXICON))
    bad = shell.write("rules:\n- {from: a}\n- {from: b, say: c, voice: d}\n")
    said = await shell.run("lexicon", "set", bad)
    assert (said.code, said.out) == (1, "lexicon: rejected\n")
    assert said.err.splitlines() == [
        "lexicon.yaml, line 2, rules.0: expected `say` or `phonemes`.",
        "lexicon.yaml, line 3, rules.1.voice: there is no such setting.",
    ]
    assert (house.says(), shell.lexicon) == ("Seersha", GOOD_LEXICON)


async def test_a_dash_stands_for_the_input(
    shell: Shell, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(GOOD_LEXICON.encode())))
    assert (await shell.run("lexicon", "set", "-")).code == 0
    assert house.says() == "Seersha"


async def test_say_it_like_adds_a_rule_and_keeps_what_is_written(
    shell: Shell, house: House
) -> None:
    await shell.run("lexicon", "set", shell.write(GOOD_LEXICON))
    said = await shell.run("lexicon", "say-it-like", "Niamh", "Neev", "--language", "en")
    assert (said.code, said.out) == (0, "lexicon: applied\n")
    assert shell.lexicon == f"{GOOD_LEXICON}- {{from: Niamh, say: Neev, languages: [en]}}\n"
    assert house.says("Niamh and Saoirse") == "Neev and Seersha"


async def test_say_it_like_said_again_changes_the_rule(shell: Shell, house: House) -> None:
    for sound in ("Seersha", "Sorcha"):
        await shell.run("lexicon", "say-it-like", "Saoirse", sound)
    assert shell.lexicon == "rules:\n- {from: Saoirse, say: Sorcha}\n"
    assert house.says() == "Sorcha"


async def test_say_it_like_takes_phonemes_and_names_of_voices(shell: Shell, house: House) -> None:
    await shell.run(
        *("lexicon", "say-it-like", "live", "L AY1 V", "--notation", "cmu"),
        *("--voice", "lena", "--voice", "heart"),
    )
    [rule] = house.now.lexicon.rules
    assert (rule.phonemes, rule.voices) == ((("cmu", "L AY1 V"),), ("lena", "heart"))
    said = await shell.run("lexicon", "say-it-like", "live", "lyve", "--notation", "cmu")
    assert (said.code, said.out) == (1, "")
    assert "lyve is no phone of CMU" in said.err


async def test_a_preview_prints_sentences_and_what_was_found(shell: Shell, house: House) -> None:
    await shell.run("lexicon", "say-it-like", "Saoirse", "Seersha", "--voice", "lena")
    said = await shell.run("lexicon", "preview", "Saoirse! It is 6:45.", "--voice", "lena")
    assert said == Said(0, "Seersha!\nIt is six forty five.\n", "Found: Saoirse\n")
    said = await shell.run("lexicon", "preview", "Saoirse!", "--language", "de")
    assert said == Said(0, "Saoirse!\n", "")


async def test_without_a_daemon_what_is_written_is_shown_and_previewed(alone: Shell) -> None:
    said = await alone.run("lexicon", "show")
    assert said == Said(0, "", "Nothing is written in lexicon.yaml yet.\n")
    alone.write(GOOD_LEXICON, "lexicon.yaml")
    alone.write(GOOD_MOODS.rstrip(), "moods.yaml")
    assert (await alone.run("lexicon", "show")).out == GOOD_LEXICON
    assert (await alone.run("moods", "show")).out == GOOD_MOODS
    said = await alone.run("lexicon", "preview", "Saoirse is at 6:45.")
    assert said == Said(0, "Seersha is at six forty five.\n", "Found: Saoirse\n")


async def test_without_a_daemon_nothing_is_changed(alone: Shell) -> None:
    alone.write(GOOD_LEXICON, "lexicon.yaml")
    for command in (["set", alone.write("")], ["say-it-like", "a", "b"]):
        said = await alone.run("lexicon", *command)
        assert said.code == 1
        assert "No daemon answers" in said.err
    assert alone.lexicon == GOOD_LEXICON


async def test_what_is_written_and_does_not_count_is_shown_with_a_word(alone: Shell) -> None:
    bad = {"moods": "party: 5\n", "lexicon": "rules:\n- {from: a}\n"}
    for name, text in bad.items():
        alone.write(text, f"{name}.yaml")
        said = await alone.run(name, "show")
        assert (said.code, said.out) == (0, text)
        assert f"{name}.yaml, line " in said.err
        assert "This does not count" in said.err


async def test_an_empty_sound_is_refused_with_what_to_do(shell: Shell, house: House) -> None:
    said = await shell.run("lexicon", "say-it-like", "Saoirse", " ")
    assert (said.code, said.out) == (1, "")
    assert "SOUND is empty" in said.err
    assert "Spell it as it sounds" in said.err
    assert house.says() == "Saoirse"


async def test_a_file_that_is_not_there_is_named(shell: Shell) -> None:
    said = await shell.run("moods", "set", str(shell.folder / "none.yaml"))
    assert said.code == 1
    assert "none.yaml cannot be read (No such file or directory)" in said.err
