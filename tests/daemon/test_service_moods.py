"""The household's moods: a few for everybody, its own over them, and mistakes by their line."""

from pathlib import Path

import pytest

from indextts_daemon.errors import SettingsError
from indextts_daemon.service.moods import BUILT_IN, load_moods
from indextts_daemon.speech import EMOTIONS


def written(folder: Path, text: str) -> Path:
    file = folder / "moods.yaml"
    file.write_text(text, "utf-8")
    return file


def test_without_a_file_there_are_the_built_in_moods(tmp_path: Path) -> None:
    moods = load_moods(tmp_path / "moods.yaml")
    assert {"calm", "cheerful", "urgent", "sad", "bedtime"} <= set(moods)
    assert all(0 < sum(mood.weights) <= 1 for mood in moods.values())


def test_the_file_adds_changes_and_leaves_out(tmp_path: Path) -> None:
    text = "party:\n  emotion: {happy: 0.9}\n  speed: 1.2\nsad:\ncalm: {strength: 0.5}\n"
    moods = load_moods(written(tmp_path, text))
    assert moods["party"].weights[EMOTIONS.index("happy")] == 0.9
    assert (moods["party"].speed, moods["calm"].weights) == (1.2, ())
    assert "sad" not in moods
    assert moods["urgent"] == BUILT_IN["urgent"]


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_moods(written(tmp_path, "# none yet\n")) == BUILT_IN


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("calm:\n  emotion:\n    hapy: 1\n", 2, "calm.emotion.hapy"),
        ("calm:\n  sped: 1\n", 2, "calm.sped"),
        ("party: {}\ncalm: {speed: 9}\n", 2, "calm.speed"),
        ("calm: {emotion: {happy: true}}\n", 1, "calm.emotion.happy"),
        ("Bad Name: {}\n", 1, "Bad Name"),
        ("calm: 5\n", 1, "calm"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_moods(written(tmp_path, text))
    assert f"line {line}, {key}: " in refused.value.message
