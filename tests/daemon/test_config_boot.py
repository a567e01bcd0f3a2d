"""How a daemon comes by its settings: from the file, or from the last good one that there was."""

from pathlib import Path

import pytest

from indextts_daemon.config import Source, best, boot
from indextts_daemon.errors import SettingsError
from indextts_daemon.history import History
from tests.daemon.bad_edits import BAD_SETTINGS

GOOD = "language: de  # home\nserver:\n  port: 1\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "state" / "settings")


def test_a_good_file_is_taken_and_remembered(file: Path, history: History) -> None:
    file.write_text(GOOD)
    settings, problems = boot(Source(file=file), history)
    assert (settings.language, settings.server.port, problems) == ("de", 1, ())
    assert [version.text for version in history.versions()] == [GOOD]


def test_without_a_file_the_settings_are_the_usual_ones(file: Path, history: History) -> None:
    settings, problems = boot(Source(file=file), history)
    assert (settings.language, problems) == ("en", ())
    assert [version.text for version in history.versions()] == [""]


@pytest.mark.parametrize("content", [one for _, one in BAD_SETTINGS], ids=dict(BAD_SETTINGS))
def test_with_a_bad_file_the_last_good_settings_count(
    file: Path, history: History, content: bytes
) -> None:
    file.write_text(GOOD)
    source = Source(file=file)
    good, _ = boot(source, history)
    file.write_bytes(content)
    settings, problems = boot(source, history)
    assert settings == good
    assert problems
    assert all(problem.message.startswith("settings.yaml") for problem in problems)
    assert [version.text for version in history.versions()] == [GOOD]
    assert file.read_bytes() == content


def test_environment_and_flags_lie_over_the_last_good_document(
    file: Path, history: History
) -> None:
    history.add(GOOD)
    file.write_text("\nengine: ]")
    source = Source(
        file=file,
        environment={"INDEXTTS_LANGUAGE": "fr"},
        flags={"server.port": 2},
    )
    settings, problems = boot(source, history)
    assert (settings.language, settings.server.port) == ("fr", 2)
    assert [problem.line for problem in problems] == [2]


def test_the_last_good_document_is_the_one_that_was_in_force_last(
    file: Path, history: History
) -> None:
    for text in ("language: de\n", "language: fr\n"):
        history.add(text)
    history.add("language: de\n", back_to=history.version(1))
    file.write_text("engine: [")
    settings, _ = boot(Source(file=file), history)
    assert settings.language == "de"


def test_a_good_document_that_this_daemon_does_not_know_any_more_is_passed_over(
    file: Path, history: History
) -> None:
    for text in ("language: de\n", "a_setting_of_old: 1\n"):
        history.add(text)
    file.write_text("engine: [")
    settings, _ = boot(Source(file=file), history)
    assert settings.language == "de"


def test_a_file_that_was_asked_for_and_is_gone_is_a_bad_one(file: Path, history: History) -> None:
    history.add(GOOD)
    settings, problems = boot(Source(file=file, required=True), history)
    assert settings.language == "de"
    assert [problem.message for problem in problems] == [
        "settings.yaml cannot be read (No such file or directory)."
    ]


def test_with_nothing_to_fall_back_on_the_error_names_the_file_by_its_path(
    file: Path, history: History
) -> None:
    file.write_text("\nengine: espeak\n")
    with pytest.raises(SettingsError) as refused:
        boot(Source(file=file), history)
    assert refused.value.message.startswith(f"{file}, line 2, engine: ")
    assert history.versions() == ()


def test_a_wrong_variable_is_an_error_whatever_the_file_says(file: Path, history: History) -> None:
    history.add(GOOD)
    source = Source(file=file, environment={"INDEXTTS_SERVER__PORT": "x"})
    with pytest.raises(SettingsError, match=r"^INDEXTTS_SERVER__PORT: "):
        boot(source, history)


def test_a_disk_that_refuses_costs_the_memory_and_not_the_start(file: Path, tmp_path: Path) -> None:
    file.write_text(GOOD)
    (tmp_path / "state").write_text("in the way")
    settings, problems = boot(Source(file=file), History(tmp_path / "state" / "settings"))
    assert (settings.language, problems) == ("de", ())


def test_whoever_only_looks_remembers_nothing(file: Path, history: History) -> None:
    file.write_text(GOOD)
    settings, problems = best(Source(file=file), history)
    assert (settings.language, problems, history.versions()) == ("de", (), ())
