"""The household's moods: a few for everybody, its own over them, and mistakes by their line."""

from pathlib import Path

import pytest

from indextts_daemon.errors import SettingsError
from indextts_daemon.service.moods import BUILT_IN, load_moods, read_moods
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


def test_bedtime_is_the_slowest_and_nearly_all_calm() -> None:
    bedtime = BUILT_IN["bedtime"]
    felt = {name for name, weight in zip(EMOTIONS, bedtime.weights, strict=True) if weight}
    assert felt == {"calm", "melancholic"}
    assert bedtime.weights[EMOTIONS.index("calm")] > sum(bedtime.weights) / 2
    assert bedtime.speed == min(mood.speed for mood in BUILT_IN.values()) < 0.9


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("calm:\n  emotion:\n    hapy: 1\n", 2, "calm.emotion.hapy"),
        ("calm:\n  sped: 1\n", 2, "calm.sped"),
        ("party: {}\ncalm: {speed: 9}\n", 2, "calm.speed"),
        ("calm: {emotion: {happy: true}}\n", 1, "calm.emotion.happy"),
        ("Bad Name: {}\n", 1, "Bad Name"),
        ("calm: 5\n", 1, "calm"),
        ("party: {}\n\non: {speed: 1.1}\n", 3, "on"),
        ("1: {}\n", 1, "1"),
        ("2026-01-01: {}\n", 1, "2026-01-01"),
        ("1.5: {}\n", 1, "1.5"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_costs_only_its_mood(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, line: int, key: str
) -> None:
    file = written(tmp_path, f"{text}urgent: {{speed: 1.3}}\n")
    moods = load_moods(file)
    assert moods["urgent"].speed == 1.3
    assert moods["calm"] == BUILT_IN["calm"]
    assert set(moods) <= {*BUILT_IN, "party"}
    (said,) = caplog.messages
    assert f"moods.yaml, line {line}, {key}: " in said
    assert str(tmp_path) not in said


def test_a_name_that_yaml_takes_for_something_else_is_to_be_quoted(tmp_path: Path) -> None:
    moods, problems = read_moods(written(tmp_path, "no: {}\noff:\n  speed: 1.1\n'on': {}\n"))
    assert problems == (
        "moods.yaml, line 1, no: put quotes around it.",
        "moods.yaml, line 2, off: put quotes around it.",
    )
    assert set(moods) == {*BUILT_IN, "on"}


def test_every_wrong_mood_is_named(tmp_path: Path) -> None:
    text = "calm: 5\nparty: {speed: 9}\nsad: {speed: 9, strength: 9}\n"
    _, problems = read_moods(written(tmp_path, text))
    assert [problem.split(",")[1] for problem in problems] == [" line 1", " line 2", " line 3"]
    assert "sad.strength" in problems[2]


def test_a_file_that_is_no_yaml_is_refused_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^moods\.yaml, line 2, calm: "):
        load_moods(written(tmp_path, "calm: {}\ncalm: {}\n"))
