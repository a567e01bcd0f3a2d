"""The fake engine's options from a folder that plays a model: read strictly, never run."""

from dataclasses import asdict, fields
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from indextts_daemon.engines.fake_options import LARGEST_FILE, LOADS, SOUNDS, FakeOptions, opened
from indextts_daemon.errors import EngineUnavailableError
from tests.daemon.rooms import shut

ALL = {
    "id": "house",
    "name": "House",
    "generation": 2,
    "languages": ["de", "en-GB"],
    "voices": {"attic": 99},
    "seconds_per_character": 0.01,
    "chunk_s": 0.5,
    "step_sleep_s": 0.25,
    "max_jobs": 3,
    "load": "slow",
    "load_s": 0,
    "memory_mib": 1,
    "sound": "silent",
    "dies_after": 5,
}


def written(folder: Path, text: str) -> str:
    (folder / "fake.yaml").write_text(text, "utf-8")
    return str(folder)


def refused(**given: Any) -> tuple[str, str]:
    with pytest.raises(EngineUnavailableError) as error:
        opened(given)
    return error.value.error_code, error.value.message


def test_every_option_may_stand_in_the_file(tmp_path: Path) -> None:
    assert set(ALL) == {field.name for field in fields(FakeOptions)}
    read = opened({"model": written(tmp_path, yaml.safe_dump(ALL))})
    assert asdict(read) == ALL | {"languages": ("de", "en-GB")}


def test_options_given_win_over_the_file(tmp_path: Path) -> None:
    model = written(tmp_path, "generation: 2\nsound: silent\n")
    read = opened({"model": model, "generation": 3, "voices": {"a": 1}})
    assert (read.generation, read.sound, read.voices) == (3, "silent", {"a": 1})


def test_without_a_folder_the_defaults_count() -> None:
    assert opened({}) == FakeOptions()


def test_every_word_for_a_fault_is_taken() -> None:
    assert [opened({"load": load}).load for load in LOADS] == list(LOADS)
    assert [opened({"sound": sound}).sound for sound in SOUNDS] == list(SOUNDS)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("zork: 1", "zork"),
        ("model: elsewhere", "model"),
        ("generation: two", "generation"),
        ("generation: true", "generation"),
        ("generation: 40000", "generation"),
        ("languages: []", "languages"),
        ("languages: [1]", "languages.0"),
        ("voices: {a: b}", "voices.a"),
        ("sound: loud", "sound"),
        ("load: later", "load"),
        ("load_s: .nan", "load_s"),
        ("memory_mib: -1", "memory_mib"),
        ("dies_after: -1", "dies_after"),
        ("id: A.B", "id"),
        ("1: 2", "1"),
    ],
)
def test_what_the_file_may_not_say_is_named(tmp_path: Path, text: str, names: str) -> None:
    code, message = refused(model=written(tmp_path, text))
    assert code == "checkpoint_invalid"
    assert message.startswith(f"What fake.yaml says cannot be used: {names}: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "a: [",
        "\0",
        "a: *b",
        "!!python/object/apply:os.system ['true']",
        "generation: !!python/name:os.system",
        "[" * 20000,
        "#" * (LARGEST_FILE + 1),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    code, message = refused(model=written(tmp_path, text))
    assert code == "checkpoint_invalid"
    assert message.startswith("fake.yaml ")
    assert str(tmp_path) not in message


def test_a_file_of_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fake.yaml").write_bytes(b"name: \xff")
    assert refused(model=str(tmp_path))[0] == "checkpoint_invalid"


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fake.yaml")
    with pytest.raises(EngineUnavailableError, match="not a file"):
        opened({"model": str(tmp_path)})


def test_a_folder_without_the_file_is_no_model(tmp_path: Path) -> None:
    expected = ("checkpoint_missing", "The model's folder has no fake.yaml.")
    assert refused(model=str(tmp_path)) == expected


def test_a_folder_that_cannot_be_entered_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    written(model, "generation: 2")
    with shut(model):
        expected = ("checkpoint_invalid", "fake.yaml cannot be read (Permission denied).")
        assert refused(model=str(model)) == expected


def test_an_option_given_is_checked_as_well() -> None:
    code, message = refused(zork=1)
    assert code == "checkpoint_invalid"
    assert message.startswith("An option of the fake engine cannot be used: zork: ")
