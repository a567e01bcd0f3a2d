"""The household's moods: a few for everybody, its own over them, and mistakes by their line."""

import pytest

from indextts_daemon.errors import SettingsError
from indextts_daemon.service.moods import BUILT_IN, good_moods, named, parse_moods
from indextts_daemon.speech import EMOTIONS
from tests.daemon.bad_documents import BAD_MOODS


def wrong(text: str) -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        parse_moods(text)
    return refused.value


def test_without_a_word_there_are_the_built_in_moods() -> None:
    moods = parse_moods("# none yet\n")
    assert moods == BUILT_IN
    assert {"calm", "cheerful", "urgent", "sad", "bedtime"} <= set(moods)
    assert all(0 < sum(mood.weights) <= 1 for mood in moods.values())


def test_the_document_adds_changes_and_leaves_out() -> None:
    text = "party:\n  emotion: {happy: 0.9}\n  speed: 1.2\nsad:\ncalm: {strength: 0.5}\n"
    moods = parse_moods(text)
    assert moods["party"].weights[EMOTIONS.index("happy")] == 0.9
    assert (moods["party"].speed, moods["calm"].weights) == (1.2, ())
    assert "sad" not in moods
    assert moods["urgent"] == BUILT_IN["urgent"]


def test_bedtime_is_the_slowest_and_nearly_all_calm() -> None:
    bedtime = BUILT_IN["bedtime"]
    felt = {name for name, weight in zip(EMOTIONS, bedtime.weights, strict=True) if weight}
    assert felt == {"calm", "melancholic"}
    assert bedtime.weights[EMOTIONS.index("calm")] > sum(bedtime.weights) / 2
    assert bedtime.speed == min(mood.speed for mood in BUILT_IN.values()) < 0.9


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("calm:\n  emotion:\n    hapy: 1\n", 3, "calm.emotion.hapy"),
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
def test_a_mistake_is_named_with_its_line_and_costs_only_its_mood_where_one_must_go_on(
    caplog: pytest.LogCaptureFixture, text: str, line: int, key: str
) -> None:
    text = f"{text}urgent: {{speed: 1.3}}\n"
    moods = good_moods(text)
    assert moods["urgent"].speed == 1.3
    assert moods["calm"] == BUILT_IN["calm"]
    assert set(moods) <= {*BUILT_IN, "party"}
    (said,) = caplog.messages
    assert f"moods.yaml, line {line}, {key}: " in said
    (problem,) = wrong(text).problems
    assert (problem.line, problem.path) == (line, key)
    assert problem.message in said


def test_a_name_that_yaml_takes_for_something_else_is_to_be_quoted() -> None:
    text = "no: {}\noff:\n  speed: 1.1\n'on': {}\n"
    assert [problem.message for problem in wrong(text).problems] == [
        "moods.yaml, line 1, no: put quotes around it.",
        "moods.yaml, line 2, off: put quotes around it.",
    ]
    assert set(good_moods(text)) == {*BUILT_IN, "on"}


def test_every_wrong_mood_is_named() -> None:
    problems = wrong("calm: 5\nparty: {speed: 9}\nsad: {speed: 9, strength: 9}\n").problems
    assert [problem.line for problem in problems] == [1, 2, 3, 3]
    assert {problem.path for problem in problems[2:]} == {"sad.speed", "sad.strength"}


@pytest.mark.parametrize(("name", "text"), BAD_MOODS, ids=[name for name, _ in BAD_MOODS])
def test_a_document_with_anything_wrong_in_it_is_refused_whole(name: str, text: str) -> None:
    refused = wrong(text)
    assert all(problem.message.startswith("moods.yaml") for problem in refused.problems)
    assert all(problem.line for problem in refused.problems) or "too large" in name


def test_the_name_of_moods_changes_with_them() -> None:
    assert named(parse_moods("calm: {}\n")) != named(BUILT_IN) == named(parse_moods(""))
