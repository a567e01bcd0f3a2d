"""The settings on the disk: read, marked, written with everything in it, and what was before."""

from pathlib import Path
import stat

import pytest

from indextts_daemon.config import Source
from indextts_daemon.errors import Problem, SettingsError
from indextts_daemon.history import History
from indextts_daemon.service.settings_file import SettingsFile, etag
from tests.daemon.test_storage import BEFORE, FULL, names

TEXT = "# Küche\r\nlanguage: de   # as at home\n"


def made(folder: Path, **source: object) -> SettingsFile:
    layers = Source(**{"file": folder / "settings.yaml"} | source)  # type: ignore[arg-type]
    return SettingsFile(layers, History(folder / "state"))


def test_what_is_written_is_what_was_given_to_the_last_byte(tmp_path: Path) -> None:
    file = made(tmp_path)
    file.write(TEXT)
    assert (tmp_path / "settings.yaml").read_bytes() == TEXT.encode()
    assert file.document() == TEXT
    assert file.etag() == etag(TEXT)


def test_the_mark_changes_with_every_character(tmp_path: Path) -> None:
    file = made(tmp_path)
    marks = {file.etag()}
    for text in ("", TEXT, TEXT + "\n", TEXT.replace("\r", "")):
        file.write(text)
        marks.add(file.etag())
    assert len(marks) == 4  # without a file, and with an empty one, there is nothing written


def test_what_cannot_be_read_has_no_mark_and_overrides_nothing(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_bytes(b"\xff")
    file = made(tmp_path, flags={"language": "fr"})
    assert file.etag() is None
    assert file.shadowed() == ()
    with pytest.raises(SettingsError, match="UTF-8"):
        file.document()


def test_keys_that_something_else_overrides_are_told(tmp_path: Path) -> None:
    file = made(tmp_path, flags={"language": "fr"})
    file.write(TEXT)
    assert file.shadowed() == ("language",)


def test_a_link_stays_a_link_and_the_mode_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real = tmp_path / "dotfiles/indextts.yaml"
    real.write_text("")
    real.chmod(0o640)
    (tmp_path / "settings.yaml").symlink_to("dotfiles/indextts.yaml")
    made(tmp_path).write(TEXT)
    assert (tmp_path / "settings.yaml").is_symlink()
    assert real.read_bytes() == TEXT.encode()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    made(tmp_path).write(TEXT)
    assert stat.S_IMODE((tmp_path / "settings.yaml").stat().st_mode) == 0o600


@pytest.mark.parametrize("step", [step for step, (_, error) in BEFORE.items() if error is FULL])
def test_a_write_that_fails_is_told_in_words_and_leaves_the_old_file(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(tmp_path)
    file.write(TEXT)
    BEFORE[step][0](monkeypatch)
    with pytest.raises(SettingsError) as refused:
        file.write("language: fr\n")
    monkeypatch.undo()
    words = "settings.yaml cannot be written (No space left on device)."
    assert refused.value.message == words
    assert names(tmp_path) == ["settings.yaml"]
    assert file.document() == TEXT


def test_a_daemon_without_a_settings_file_says_so(tmp_path: Path) -> None:
    file = made(tmp_path, file=None)
    assert file.document() == ""
    with pytest.raises(SettingsError, match=r"^This daemon has no settings file\.$"):
        file.write(TEXT)


def test_a_file_that_is_gone_is_no_wish_for_the_usual_settings(tmp_path: Path) -> None:
    file = made(tmp_path)
    file.remember("")
    assert file.reread() == ""
    file.write(TEXT)
    file.remember(TEXT)
    assert file.reread() == TEXT
    (tmp_path / "settings.yaml").unlink()
    with pytest.raises(SettingsError, match=r"^settings\.yaml is gone; "):
        file.reread()
    (tmp_path / "settings.yaml").symlink_to("nowhere")
    with pytest.raises(SettingsError, match="is gone"):
        file.reread()
    (tmp_path / "settings.yaml").unlink()
    (tmp_path / "settings.yaml").touch()
    assert file.reread() == ""


def test_the_version_that_is_written_now_is_marked(tmp_path: Path) -> None:
    file = made(tmp_path)
    for text in ("language: de\n", "language: fr\n"):
        file.write(text)
        file.remember(text)
    assert [(version.number, current) for version, current in file.versions()] == [
        (2, True),
        (1, False),
    ]
    assert file.before().number == 1
    file.write("language: [\n")
    assert [current for _, current in file.versions()] == [False, False]


@pytest.mark.parametrize("content", [b"engine: [", b"\xff", None])
def test_before_a_file_that_is_bad_comes_the_last_good_one(
    tmp_path: Path, content: bytes | None
) -> None:
    file = made(tmp_path)
    for text in ("language: de\n", "language: fr\n"):
        file.remember(text)
    if content is not None:
        (tmp_path / "settings.yaml").write_bytes(content)
    assert file.before().text == "language: fr\n"


def test_a_disk_that_cannot_remember_is_logged_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("in the way")
    made(tmp_path).remember(TEXT)
    assert "the good settings could not be kept" in caplog.text
    assert str(tmp_path) not in caplog.text


def test_its_trouble_is_that_of_all_its_problems(tmp_path: Path) -> None:
    problems = (Problem(message="One."), Problem(message="Two.", line=2))
    source = Source(file=tmp_path / "settings.yaml")
    file = SettingsFile(source, History(tmp_path / "state"), problems=problems)
    assert file.trouble == "One. Two."
    file.problems = ()
    assert file.trouble == ""
