"""Documents: whatever is written is read or refused in words, with its line, and within bounds."""

import os
from pathlib import Path

import pytest
import voluptuous as vol

from indextts_daemon.config import (
    MOST_BYTES,
    decoded,
    explained,
    parse,
    problems,
    read_text,
    read_tree,
)
from indextts_daemon.errors import Problem, SettingsError

NAME = "moods.yaml"


def refused(text: str) -> tuple[Problem, ...]:
    with pytest.raises(SettingsError) as error:
        parse(text, name=NAME)
    assert error.value.message == " ".join(one.message for one in error.value.problems)
    return error.value.problems


def test_keys_values_and_where_they_stand_are_returned() -> None:
    document = parse("a: 1\nb:\n  c: [x, {d: 2}]\n", name=NAME)
    assert document.tree == {"a": 1, "b": {"c": ["x", {"d": 2}]}}
    assert {key: origin.line for key, origin in document.origins.items()} == {
        "": None,
        "a": 1,
        "b": 2,
        "b.c": 3,
        "b.c.0": 3,
        "b.c.1": 3,
        "b.c.1.d": 3,
    }
    assert str(document.origins["b.c"]) == "moods.yaml, line 3, "


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n"])
def test_an_empty_text_has_no_keys(text: str) -> None:
    assert parse(text, name=NAME).tree == {}


def test_an_alias_stands_for_what_it_names() -> None:
    document = parse("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n", name=NAME)
    assert document.tree == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}
    assert document.origins["c.b"].line == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a: 1\na: 2",
            Problem(message="moods.yaml, line 2, a: line 1 sets it too.", path="a", line=2),
        ),
        (
            "a:\n  b: {c: 1, c: 2}",
            Problem(message="moods.yaml, line 2, a.b.c: line 2 sets it too.", path="a.b.c", line=2),
        ),
        (
            "\n? {a: 1}\n: 2",
            Problem(message="moods.yaml, line 2: expected a name before the colon.", line=2),
        ),
        ("a: &a [*a]", Problem(message="moods.yaml, line 1: it is nested too deeply.", line=1)),
        (
            "a:\n\tb: 1",
            Problem(message="moods.yaml, line 2: there is a tab; indent with spaces.", line=2),
        ),
        (
            "- a",
            Problem(
                message="moods.yaml, line 1: expected keys and values, such as `engine: auto`.",
                line=1,
            ),
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_key_and_line(text: str, problem: Problem) -> None:
    assert refused(text) == (problem,)


def test_the_words_do_not_grow_with_the_document() -> None:
    (problem,) = refused("a: !" + "x" * 60_000 + " 1")
    assert len(problem.message) < 200


def test_the_example_in_the_words_is_one_of_its_kind() -> None:
    with pytest.raises(SettingsError, match=r"such as `calm: \{\}`"):
        parse("- a", name=NAME, example="calm: {}")


def test_a_text_may_be_as_large_as_is_said_and_no_larger(tmp_path: Path) -> None:
    fits = "#" * MOST_BYTES
    assert parse(fits, name=NAME).tree == {}
    (problem,) = refused(fits + "#")
    assert problem.message == "moods.yaml is larger than 64 KiB."
    (tmp_path / NAME).write_text(fits)
    assert read_text(tmp_path / NAME) == fits
    (tmp_path / NAME).write_text(fits + "ä")
    with pytest.raises(SettingsError, match=r"^moods\.yaml is larger than 64 KiB\.$"):
        read_text(tmp_path / NAME)


def test_a_text_is_returned_to_the_last_of_its_characters(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"\xef\xbb\xbfa: 1\r\n\r\n# \xc3\xa4")
    assert read_text(tmp_path / NAME) == "\ufeffa: 1\r\n\r\n# ä"
    assert parse(read_text(tmp_path / NAME), name=NAME).tree == {"a": 1}


@pytest.mark.parametrize("kind", ["folder", "nothing", "pipe"])
def test_what_is_no_file_is_refused_and_nobody_waits_for_it(tmp_path: Path, kind: str) -> None:
    file = tmp_path / NAME
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    words = "cannot be read" if kind == "nothing" else "is not a file"
    with pytest.raises(SettingsError, match=rf"^moods\.yaml {words}") as error:
        read_text(file)
    assert str(tmp_path) not in error.value.message


def test_what_is_not_utf_8_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^moods\.yaml is not UTF-8 text\.$"):
        decoded(b"a: \xff", name=NAME)


def test_every_problem_that_a_schema_has_is_told_with_key_and_line() -> None:
    document = parse("a: 1\nb:\n  c: x\n  d: 2\n", name=NAME)
    schema = vol.Schema({"a": str, "b": {"c": int}})
    with pytest.raises(vol.MultipleInvalid) as error:
        schema(document.tree)
    found = sorted(problems(error.value, document.origins), key=lambda one: one.path)
    assert found == [
        Problem(
            message="moods.yaml, line 1, a: expected text; put quotes around it.", path="a", line=1
        ),
        Problem(message="moods.yaml, line 3, b.c: expected a whole number.", path="b.c", line=3),
        Problem(message="moods.yaml, line 4, b.d: there is no such setting.", path="b.d", line=4),
    ]
    told = explained(error.value, document.origins)
    assert all(one.message in told for one in found)


def test_of_a_thousand_problems_a_few_are_told_and_how_many_there_are() -> None:
    document = parse("\n".join(f"k{n}: 1" for n in range(1000)), name=NAME)
    with pytest.raises(vol.MultipleInvalid) as error:
        vol.Schema({})(document.tree)
    found = problems(error.value, document.origins)
    assert len(found) == 21
    assert found[-1] == Problem(message="There is more of the kind: 980.")


def test_a_key_of_more_digits_than_are_printed_is_named_all_the_same() -> None:
    document = parse("? 0x" + "f" * 120 + "\n: 1", name=NAME)
    huge = {10**5000: 1}
    with pytest.raises(vol.MultipleInvalid) as error:
        vol.Schema({})(huge)
    (problem,) = problems(error.value, document.origins)
    assert problem.message == "moods.yaml, a number: there is no such setting."


def test_a_tree_comes_with_where_it_stands_in_words(tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_text("a:\n  b: 1\n")
    assert read_tree(file) == (
        {"a": {"b": 1}},
        {"": f"{file}, ", "a": f"{file}, line 1, ", "a.b": f"{file}, line 2, "},
    )
