"""Sources of settings: what lies over the document, what that hides, and how settings differ."""

from dataclasses import replace
from pathlib import Path

import pytest

from indextts_daemon.config import Source, changes, load_settings, reference, tree
from indextts_daemon.errors import Problem, SettingsError
from tests.daemon.test_config import KEYS, VALUES, found, in_yaml, normal

USUAL = load_settings(file=None, environment={}, flags={})


def test_any_text_is_read_in_place_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("language: de\n")
    source = Source(file=file)
    assert source.document() == "language: de\n"
    assert source.read(source.document()).settings.language == "de"
    assert source.read("language: fr\n").settings.language == "fr"
    assert file.read_text() == "language: de\n"


@pytest.mark.parametrize("file", [None, Path("settings.yaml")])
def test_without_a_file_the_document_is_empty(
    file: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Source(file=file).document() == ""
    assert Source(file=file).read("").settings == USUAL


def test_a_file_that_must_be_there_is_missed(tmp_path: Path) -> None:
    source = Source(file=tmp_path / "settings.yaml", required=True)
    with pytest.raises(SettingsError, match="No such file"):
        source.document()


def test_keys_of_the_document_that_something_else_overrides_are_told() -> None:
    source = Source(
        environment={"INDEXTTS_LANGUAGE": "fr", "INDEXTTS_ENGINE": "fake", "INDEXTTS_TOKEN": "x"},
        flags={"server.port": 1, "server.auth": False},
    )
    loaded = source.read("language: de\nserver: {port: 2, drain_timeout_s: 3}\n")
    assert loaded.shadowed == ("language", "server.port")
    assert (loaded.settings.language, loaded.settings.server.port) == ("fr", 1)
    assert source.read("").shadowed == ()
    assert Source().read("language: de\n").shadowed == ()


def test_what_overrides_a_key_with_its_own_value_is_told_too() -> None:
    loaded = Source(flags={"language": "de"}).read("language: de\n")
    assert loaded.shadowed == ("language",)


def test_a_problem_of_a_variable_names_the_key_and_no_line() -> None:
    source = Source(environment={"INDEXTTS_SERVER__PORT": "x"})
    with pytest.raises(SettingsError) as refused:
        source.read("server: {port: 1}")
    words = "INDEXTTS_SERVER__PORT: server.port: expected a whole number from 0 to 65535."
    assert refused.value.problems == (Problem(message=words, path="server.port"),)


def test_nothing_of_a_source_changes_by_reading() -> None:
    flags = {"server.host": ["127.0.0.1"]}
    source = Source(environment={"INDEXTTS_LANGUAGE": "fr"}, flags=flags)
    first = source.read("server: {port: 1}")
    assert source.read("server: {port: 1}") == first
    assert source.read("").settings.server.port == 8818
    assert flags == {"server.host": ["127.0.0.1"]}


@pytest.mark.parametrize("key", KEYS)
def test_a_setting_that_differs_is_named_and_no_other(key: str) -> None:
    changed = Source().read(in_yaml(key, VALUES[key][0])).settings
    assert changes(USUAL, changed) == {key}
    assert changes(changed, USUAL) == {key}
    assert changes(changed, replace(changed)) == frozenset()


@pytest.mark.parametrize("key", KEYS)
def test_the_tree_of_settings_is_read_as_the_same_settings(key: str) -> None:
    settings = Source().read(in_yaml(key, VALUES[key][0])).settings
    shown: object = tree(settings)
    for part in key.split("."):
        assert isinstance(shown, dict)
        shown = shown[part]
    assert normal(shown) == found(settings, key)
    assert Source(flags=flat(tree(settings))).read("").settings == settings


def flat(shown: dict[str, object]) -> dict[str, object]:
    sections = {doc.key.partition(".")[0] for doc in reference() if "." in doc.key}
    return {
        f"{name}.{key}" if key else name: value
        for name, below in shown.items()
        for key, value in (below.items() if name in sections else [("", below)])  # type: ignore[attr-defined]
    }
