"""`models versions|load|unload|activate|rollback` and `operations`: what a person is told."""

from pathlib import Path

import pytest

from indextts_daemon.models_command import following
from indextts_daemon.service.versions import FAKE_FILE
from tests.daemon.door import TOKEN, Door
from tests.daemon.test_cli import Said, Shell, shell

__all__ = ["shell"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INDEXTTS_TOKEN", raising=False)
    monkeypatch.setattr(following, "POLL_S", 0.005)


def version(data_dir: Path, name: str, options: str) -> None:
    folder = data_dir / "models" / name
    folder.mkdir(parents=True)
    (folder / FAKE_FILE).write_text(options)


@pytest.fixture
def versions(tmp_path: Path) -> None:
    """Put a good version, another, and a silent one into the data folder."""
    version(tmp_path, "fake", "generation: 1")
    version(tmp_path, "fake.b", "generation: 2")
    version(tmp_path, "fake.mute", "{generation: 3, sound: silent}")


@pytest.fixture
async def person(versions: None, shell: Shell, door: Door) -> Shell:
    """Offer a shell on the machine of a daemon that has versions to choose from."""
    shell.port = int(door.url.rpartition(":")[2])
    (shell.data_dir / "token").write_text(TOKEN)
    return shell


async def test_a_version_is_activated_under_the_eyes_of_who_asked(person: Shell) -> None:
    said = await person.run("models", "activate", "fake", "b")
    assert said.code == 0
    assert said.err == ""
    *progress, last = said.out.splitlines()
    assert last.startswith("Applied (generation ")
    assert len(progress) == len(set(progress))
    assert any("speaks to nobody" in line for line in progress)
    listed = await person.run("models", "versions", "fake")
    assert listed == Said(0, "main  previous\nb     active\nmute  candidate\n", "")
    assert (await person.run("models", "rollback", "fake")).code == 0
    assert "main  active" in (await person.run("models", "versions", "fake")).out


async def test_a_version_that_is_refused_says_why_and_fails(person: Shell) -> None:
    said = await person.run("models", "activate", "fake", "mute")
    assert said.code == 1
    assert "is silent" in said.err
    assert "Applied" not in said.out
    assert "mute  failed: " in (await person.run("models", "versions", "fake")).out


async def test_a_model_is_unloaded_and_loaded(person: Shell, door: Door) -> None:
    assert (await person.run("models", "unload", "fake")).code == 0
    assert door.services.pool.default.worker is None
    assert (await person.run("models", "load", "fake")).code == 0
    assert door.services.pool.default.worker is not None


async def test_what_was_changed_is_listed_with_who_and_why_not(person: Shell) -> None:
    await person.run("models", "unload", "fake")
    await person.run("models", "activate", "fake", "zork")
    said = await person.run("operations")
    assert said.code == 0
    newest, reason, before = said.out.splitlines()[:3]
    assert newest.endswith("models activate fake: rejected (by cli)")
    assert reason.startswith("  There is no version zork")
    assert before.endswith("models unload fake: applied (by cli)")


async def test_an_unknown_model_is_refused_in_words(person: Shell) -> None:
    for action in ("versions", "load", "activate"):
        said = await person.run("models", action, "../zork")
        assert said.code == 1
        assert said.err.startswith("indextts-daemon: ")


async def test_without_a_daemon_nothing_can_be_changed(shell: Shell) -> None:
    for words in (["models", "activate", "fake"], ["models", "versions", "fake"], ["operations"]):
        said = await shell.run(*words)
        assert (said.code, said.out) == (1, "")
        assert "No daemon answers" in said.err
