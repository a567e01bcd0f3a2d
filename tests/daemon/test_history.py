"""The last good versions of a document: which are kept, what was before which, what cuts leave."""

import os
from pathlib import Path

import pytest

from indextts_daemon.errors import SettingsError
from indextts_daemon.history import History, Version
from tests.daemon.test_storage import AFTER, BEFORE, _own_os

GOOD = "engine: fake  # a comment, and an umlaut: ä\n"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "state" / "settings")


def filled(history: History, *texts: str) -> History:
    for text in texts:
        history.add(text)
    return history


def texts(history: History) -> list[str]:
    return [version.text for version in history.versions()]


def step_back(history: History) -> str:
    latest = history.latest()
    assert latest is not None
    before = history.before(latest.text)
    return history.add(before.text, back_to=before).text


def missing(history: History, text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        history.before(text)
    assert refused.value.error_code == "version_not_found"
    return refused.value.message


def test_a_fresh_one_knows_no_version(history: History) -> None:
    assert history.versions() == ()
    assert history.latest() is None
    assert missing(history, "") == "No version from before this one is kept."


def test_a_document_is_kept_as_it_was_given(history: History, tmp_path: Path) -> None:
    added = history.add(GOOD)
    assert (added.number, added.text) == (1, GOOD)
    again = History(tmp_path / "state" / "settings")
    assert again.versions() == (added,)
    assert again.latest() == added
    assert again.version(1) == added


@pytest.mark.parametrize("text", ["", "a\r\nb\r", "no newline at the end", "\ufeffengine: fake"])
def test_not_a_character_of_it_changes(history: History, text: str) -> None:
    history.add(text)
    assert texts(history) == [text]


def test_the_last_ten_are_kept_the_newest_first(history: History, tmp_path: Path) -> None:
    filled(history, *(f"{number}" for number in range(25)))
    assert texts(history) == [f"{number}" for number in range(24, 14, -1)]
    assert [version.number for version in history.versions()] == list(range(25, 15, -1))
    assert len(list((tmp_path / "state/settings").iterdir())) == 10


def test_the_document_that_is_in_force_is_not_kept_twice(history: History) -> None:
    first = history.add(GOOD)
    assert history.add(GOOD) == first
    assert texts(history) == [GOOD]


def test_a_document_that_comes_again_is_kept_once_as_the_newest(history: History) -> None:
    filled(history, "a", "b", "c", "a")
    assert texts(history) == ["a", "c", "b"]
    assert [version.number for version in history.versions()] == [4, 3, 2]


def test_each_step_back_goes_further_until_there_is_nothing(history: History) -> None:
    filled(history, "a", "b", "c")
    assert [step_back(history), step_back(history)] == ["b", "a"]
    assert texts(history) == ["a", "b", "c"]
    assert missing(history, "a") == "No version from before this one is kept."


def test_ten_steps_back_lose_no_version(history: History) -> None:
    filled(history, *"abcdefghij")
    assert "".join(step_back(history) for _ in range(9)) == "ihgfedcba"
    assert sorted(texts(history)) == list("abcdefghij")


def test_before_an_edit_that_followed_a_step_back_is_what_was_in_force_then(
    history: History,
) -> None:
    filled(history, "a", "b", "c")
    step_back(history)
    history.add("d")
    assert [step_back(history) for _ in range(2)] == ["b", "c"]


def test_before_a_version_that_was_asked_for_by_number_is_what_was_in_force_then(
    history: History,
) -> None:
    filled(history, "a", "b", "c")
    history.add(history.version(1).text)
    assert step_back(history) == "c"


def test_before_a_document_that_was_never_good_is_the_last_good_one(history: History) -> None:
    filled(history, "a", "b")
    assert history.before("broken").text == "b"


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_version_that_is_not_kept_is_refused_in_words(history: History, number: int) -> None:
    filled(history, "a", "b")
    with pytest.raises(SettingsError, match=rf"There is no version {number}\.") as refused:
        history.version(number)
    assert refused.value.error_code == "version_not_found"


def test_it_is_known_when_each_was_saved(history: History, tmp_path: Path) -> None:
    history.add("a")
    (file,) = (tmp_path / "state/settings").iterdir()
    os.utime(file, (1_700_000_000, 1_700_000_000))
    assert [version.saved_at for version in history.versions()] == [1_700_000_000]


def spoil(file: Path, how: str) -> None:
    content = file.read_bytes()
    match how:
        case "cut off":
            file.write_bytes(content[:-1])
        case "empty":
            file.write_bytes(b"")
        case "another document":
            file.write_bytes(b"engine: indextts\n")
        case "not UTF-8":
            file.write_bytes(b"\xff")
        case "a folder":
            file.unlink()
            file.mkdir()
        case "a link to nowhere":
            file.unlink()
            file.symlink_to("nowhere")


@pytest.mark.parametrize(
    "how", ["cut off", "empty", "another document", "not UTF-8", "a folder", "a link to nowhere"]
)
def test_a_version_that_was_spoilt_is_left_out_and_its_number_never_given_again(
    history: History, tmp_path: Path, how: str
) -> None:
    filled(history, "good one", "good two")
    spoil(max((tmp_path / "state/settings").iterdir()), how)
    assert texts(history) == ["good one"]
    assert history.add("three").number == 3
    assert texts(history) == ["three", "good one"]


def test_what_others_put_into_the_folder_is_neither_read_nor_removed(
    history: History, tmp_path: Path
) -> None:
    folder = tmp_path / "state/settings"
    folder.mkdir(parents=True)
    for name in ("notes.txt", "00000001.txt", ".hidden"):
        (folder / name).write_text("mine")
    filled(history, *"abcdefghijkl")
    assert len(history.versions()) == 10
    assert {"notes.txt", "00000001.txt", ".hidden"} <= {file.name for file in folder.iterdir()}


def test_a_folder_that_cannot_be_had_is_an_os_error_on_writing_only(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    history = History(tmp_path / "state" / "settings")
    assert history.versions() == ()
    with pytest.raises(OSError, match="state"):
        history.add("a")


@pytest.mark.parametrize("step", BEFORE)
def test_a_write_that_is_cut_before_its_end_leaves_the_versions_as_they_were(
    history: History, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = filled(history, "a", "b").versions()
    BEFORE[step][0](monkeypatch)
    with pytest.raises(BaseException):  # noqa: B017, PT011 an OSError or an interrupt
        history.add("c")
    monkeypatch.undo()
    assert history.versions() == before


@pytest.mark.parametrize("step", AFTER)
def test_a_write_that_fails_after_its_end_has_added_the_version(
    history: History, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(history, "a", "b")
    monkeypatch.setattr("tempfile._os", _own_os(monkeypatch))
    AFTER[step][0](monkeypatch)
    with pytest.raises(BaseException):  # noqa: B017, PT011 an OSError or an interrupt
        history.add("c")
    monkeypatch.undo()
    assert texts(history) == ["c", "b", "a"]


def test_power_cuts_leave_nothing_behind_for_ever(history: History, tmp_path: Path) -> None:
    folder = tmp_path / "state/settings"
    history.add("a")
    (file,) = folder.iterdir()
    left = folder / f".{file.name}.k2j3h4"
    left.write_text("half")
    history.add("b")
    assert not left.exists()


def test_a_version_is_frozen(history: History) -> None:
    version = history.add("a")
    assert isinstance(version, Version)
    with pytest.raises(AttributeError):
        version.text = "b"  # type: ignore[misc]
