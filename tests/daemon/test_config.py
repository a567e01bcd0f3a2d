"""Settings: who wins, what is refused and in which words, and that the reference is whole."""

from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
import re
import subprocess
import sys
import tempfile
from typing import Any

from hypothesis import given, strategies as st
import pytest
import yaml

from indextts_daemon.config import SCHEMA, Settings, load_settings, reference
from indextts_daemon.errors import SettingsError

ROOT = Path(__file__).parent.parent.parent
# For each setting a value from the file, from the environment and from a flag, none the default.
VALUES: dict[str, tuple[object, tuple[str, object], object]] = {
    "engine": ("fake", ("embedded", "embedded"), "auto"),
    "language": ("de", ("fr", "fr"), "pt-BR"),
    "log_level": ("debug", ("warning", "warning"), "error"),
    "server.host": ("127.0.0.1", ("::1, 127.0.0.2", ("::1", "127.0.0.2")), ["10.0.0.1"]),
    "server.port": (1, ("2", 2), 65535),
    "server.auth": (False, ("TRUE", True), False),
    "server.drain_timeout_s": (1, ("2.5", 2.5), 0),
    "server.idle_client_timeout_s": (1, ("2.5", 2.5), 600),
    "queue.capacity": (1, ("2", 2), 10_000),
    "worker.load_timeout_s": (1, ("2.5", 2.5), 3600),
    "worker.step_timeout_s": (0.5, ("2.5", 2.5), 3600),
    "models.keep_alive_s": (300, ("2.5", 2.5), 604_800),
    "models.pinned": (["indextts-2"], ("a, b", ("a", "b")), ["embedded", "indextts-2-5"]),
    "models.memory_budget_gib": (8, ("12.5", 12.5), 0.1),
    "models.max_hold_s": (1, ("2.5", 2.5), 0),
    "models.drain_timeout_s": (1, ("2.5", 2.5), 0),
    "models.probation_s": (1, ("2.5", 2.5), 0),
    "sharing.game_mode": (False, ("true", True), False),
    "sharing.while_away": ("refuse", ("refuse", "refuse"), "refuse"),
    "sharing.free_gib": (2, ("0.5", 0.5), 0),
    "discovery.enabled": (False, ("true", True), False),
    "discovery.name": ("Attic", ("42, Long Lane", "42, Long Lane"), "ä" * 63),
    "indextts.model": ("/models/one", ("two", "two"), "three"),
    "indextts.quality": ("fast", ("reference", "reference"), "fast"),
    "indextts.device": ("cpu", ("cuda", "cuda"), "cpu"),
    "fake.load": ("slow", ("fail", "fail"), "hang"),
    "fake.step_s": (0.5, ("1", 1.0), 60),
    "fake.voices": ({"attic": 7, "cellar": 1}, ('{"hall": 32767}', (("hall", 32767),)), {"a": 2}),
}
KEYS = sorted(doc.key for doc in reference())


def load(text: str | bytes, **more: Any) -> Settings:
    """Load a file of this text."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.yaml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        try:
            return load_settings(file=file, **{"environment": {}, "flags": {}} | more)
        except SettingsError as err:
            err.message = err.message.replace(f"{folder}/", "")
            raise


def refusal(text: str | bytes, **more: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        load(text, **more)
    return refused.value.message


def in_yaml(key: str, value: object) -> str:
    section, _, name = key.rpartition(".")
    return yaml.safe_dump({section: {name: value}} if section else {name: value})


def found(settings: Settings, key: str) -> object:
    value: object = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def normal(value: object) -> object:
    if isinstance(value, dict):
        return tuple(value.items())
    return tuple(value) if isinstance(value, list) else value


def variable(key: str) -> str:
    return "INDEXTTS_" + key.upper().replace(".", "__")


def test_without_anything_every_setting_has_the_default_of_the_reference() -> None:
    settings = load_settings(file=None, environment={}, flags={})
    assert {key: found(settings, key) for key in KEYS} == {
        doc.key: doc.default for doc in reference()
    }


@pytest.mark.parametrize(
    "text",
    [
        *("", "# nothing\n", "---\n", "server: {}\n"),
        *("fake:\n  voices: []", "fake:\n  voices: {}"),
    ],
)
def test_an_empty_file_changes_nothing(text: str) -> None:
    assert load(text) == load_settings(file=None, environment={}, flags={})


def test_this_table_knows_every_setting() -> None:
    assert sorted(VALUES) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_the_file_wins_over_the_default_the_environment_over_both_and_a_flag_over_all(
    key: str,
) -> None:
    in_file, (text, in_environment), in_flag = VALUES[key]
    environment = {variable(key): text}
    file = in_yaml(key, in_file)
    alone = (in_file,) if key == "server.host" else normal(in_file)
    assert found(load(file), key) == alone
    assert found(load(file, environment=environment), key) == in_environment
    flags = {key: in_flag}
    assert found(load(file, environment=environment, flags=flags), key) == normal(in_flag)
    default = next(doc.default for doc in reference() if doc.key == key)
    assert alone != default


def test_a_later_layer_leaves_the_neighbours_of_what_it_sets() -> None:
    settings = load(
        "server:\n  port: 1\n  auth: false\n",
        environment={"INDEXTTS_SERVER__PORT": "2"},
        flags={"server.host": ["::1"]},
    )
    assert (settings.server.port, settings.server.auth, settings.server.host) == (
        2,
        False,
        ("::1",),
    )


def test_an_environment_list_may_be_json() -> None:
    settings = load("", environment={"INDEXTTS_SERVER__HOST": '["::1", "127.0.0.1"]'})
    assert settings.server.host == ("::1", "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nlog_level: 5", "line 2, log_level: value must be one of"),
        ("language: no", "line 1, language: expected text; put quotes around it."),
        ('language: "en\\n"', "line 1, language: expected a tag like en."),
        ("server:\n  port: '80'", "line 2, server.port: expected a whole number from 0 to 65535."),
        ("server:\n  port: true", "line 2, server.port: expected a whole number from 0 to 65535."),
        ("server:\n  port: 65536", "line 2, server.port: expected a whole number"),
        ("server:\n\n  port: 8.5", "line 3, server.port: expected a whole number"),
        ("server:\n  auth: 1", "line 2, server.auth: expected true or false."),
        ("server:\n  drain_timeout_s: true", "line 2, server.drain_timeout_s: expected a number"),
        ("server:\n  drain_timeout_s: .nan", "line 2, server.drain_timeout_s: expected a number"),
        (f"server:\n  drain_timeout_s: {'1' * 400}", "line 2, server.drain_timeout_s: expected"),
        ("server:\n  host: 5", "line 2, server.host: expected IP addresses"),
        ("server:\n  host:", "line 2, server.host: expected IP addresses"),
        ("server:\n  host: []", "line 2, server.host: expected IP addresses"),
        ("server:\n  host: [5]", "line 2, server.host: expected IP addresses"),
        ("server:\n  host: {'::1': 1}", "line 2, server.host: expected IP addresses"),
        ("server:\n  host: kitchen", "line 2, server.host: expected IP addresses"),
        (
            "queue:\n  capacity: 0",
            "line 2, queue.capacity: expected a whole number from 1",
        ),
        ("discovery:\n  name: ''", "line 2, discovery.name: expected 1 to 63 characters."),
        ("models:\n  pinned: 5", "line 2, models.pinned: expected ids of models"),
        ("models:\n  pinned: ['a.b']", "line 2, models.pinned: expected ids of models"),
        ("models:\n  keep_alive_s: -1", "line 2, models.keep_alive_s: expected a number of seco"),
        ("models:\n  memory_budget_gib: '8'", "line 2, models.memory_budget_gib: expected a numb"),
        ("models:\n  memory_budget_gib: 0", "line 2, models.memory_budget_gib: expected a number"),
        ("sharing:\n  free_gib: true", "line 2, sharing.free_gib: expected a number of GiB"),
        ("sharing:\n  while_away: none", "line 2, sharing.while_away: value must be one of"),
        ("fake:\n  voices: [attic]", "line 2, fake.voices: expected voice ids, each with a number"),
        ("fake:\n  voices: {Attic: 1}", "line 2, fake.voices: expected voice ids"),
        ("fake:\n  voices: {1: 1}", "line 2, fake.voices: expected voice ids"),
        ("fake:\n  voices: {attic: true}", "line 2, fake.voices: expected voice ids"),
        ("fake:\n  voices: {attic: 0}", "line 2, fake.voices: expected voice ids"),
        ("fake:\n  voices: {attic: 32768}", "line 2, fake.voices: expected voice ids"),
        ("zork: 1", "line 1, zork: there is no such setting."),
        ("1: 2", "line 1, 1: there is no such setting."),
        ("server:\n  port: 1\n  zork: 1", "line 3, server.zork: there is no such setting."),
        ("server:\n  zork:\n    port: 1", "line 2, server.zork: there is no such setting."),
        ("server.port: 80", "line 1, server.port: there is no such setting."),
        ("server: 5", "line 1, server: expected settings below it"),
        ("server: &s\n  port: 1\nqueue: *s", "line 2, queue.port: there is no such setting."),
        ("fake:\n  voices: {a: 1, a: 2}", "line 2, fake.voices.a: line 2 sets it too."),
        ("engine: fake\nengine: auto", "line 2, engine: line 1 sets it too."),
        ("server: {}\nqueue: {}\nserver: {}", "line 3, server: line 1 sets it too."),
    ],
)
def test_a_wrong_setting_is_named_with_file_line_and_key(text: str, message: str) -> None:
    assert refusal(text).startswith(f"settings.yaml, {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("engine: [fake", "settings.yaml, line 1: something is missing, such as a brac"),
        ("engine: fake\n\tserver: 1", "settings.yaml, line 2: "),
        ("engine: 'fake", "settings.yaml, line 1: a quote is not closed."),
        ("engine: fake: 1", "settings.yaml, line 1: a colon cannot be here; look at how"),
        ("engine: fake\nserver:\n\tport: 1", "settings.yaml, line 3: there is a tab; indent with"),
        ("\nengine: \x07", "settings.yaml, line 2: there is a character that no text has;"),
        ("\n\nengine: a\x00", "settings.yaml, line 3: there is a character that no text has;"),
        ("- engine", "settings.yaml, line 1: expected keys and values"),
        ("engine", "settings.yaml, line 1: expected keys and values"),
        ("engine: fake\n---\nengine: fake", "settings.yaml, line 2: but found another document."),
        ("\nlanguage: 2024-99-99", "settings.yaml, line 2: a value that cannot be read."),
        (f"server: {'1' * 5000}", "settings.yaml, line 1: a value that cannot be read."),
        ("language: !!timestamp x", "settings.yaml, line 1: a value that cannot be read."),
        ("language: !!bool x", "settings.yaml, line 1: a value that cannot be read."),
        ("language: !!python/name:os.name", "settings.yaml, line 1: a word with an exclamation"),
        ("? [a]\n: 1", "settings.yaml, line 1: expected a name before the colon."),
        ("x: [" * 2000, "settings.yaml is nested too deeply."),
        (b"engine: \xff", "settings.yaml is not UTF-8 text."),
        ("true: 1", "settings.yaml, True: there is no such setting."),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_line_if_there_is_one(
    text: str | bytes, message: str
) -> None:
    assert refusal(text).startswith(message)


def test_every_wrong_setting_is_told_at_once() -> None:
    message = refusal("zork: 1\nserver:\n  port: x\n")
    assert "line 1, zork" in message
    assert "line 3, server.port" in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml cannot be read \(No such file"):
        load_settings(file=tmp_path / "absent.yaml", environment={}, flags={})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("INDEXTTS_SERVER__PORT", "80x"),
        ("INDEXTTS_SERVER__PORT", "true"),
        ("INDEXTTS_SERVER__PORT", "[" * 100_000),
        ("INDEXTTS_SERVER__PORT", "1" * 5000),
        ("INDEXTTS_SERVER__HOST", "5"),
        ("INDEXTTS_SERVER__AUTH", "maybe"),
        ("INDEXTTS_LANGUAGE", ""),
    ],
)
def test_a_wrong_value_in_the_environment_names_its_variable(name: str, text: str) -> None:
    message = refusal("server: {port: 1}", environment={name: text})
    assert message.startswith(f"{name}: ")
    assert "settings.yaml" not in message
    assert len(message) < 200


@pytest.mark.parametrize(
    "name", ["INDEXTTS_PORT", "INDEXTTS_SERVER_PORT", "INDEXTTS_server__port", "INDEXTTS_"]
)
def test_a_variable_that_sets_nothing_is_refused(name: str) -> None:
    assert refusal("", environment={name: "1"}) == f"{name} in the environment is not a setting."


def test_what_is_no_setting_may_stand_in_the_environment() -> None:
    environment = {"INDEXTTS_TOKEN": "x", "INDEXTTS_PARITY": "y", "PATH": "z", "XINDEXTTS_A": "1"}
    assert load("", environment=environment) == load("")


def test_a_wrong_flag_is_called_a_flag() -> None:
    message = refusal(
        "server: {port: 1}",
        environment={"INDEXTTS_SERVER__PORT": "2"},
        flags={"server.port": 65536},
    )
    assert message == "flag: server.port: expected a whole number from 0 to 65535."


def test_a_layer_cannot_mend_a_broken_section() -> None:
    message = refusal("server: 5", environment={"INDEXTTS_SERVER__PORT": "2"})
    assert (
        message
        == "settings.yaml, line 1, server: expected settings below it, each on a line of its own."
    )


def test_settings_are_frozen_down_to_the_last() -> None:
    settings = load_settings(file=None, environment={}, flags={})
    for holder in (settings, settings.server):
        name = fields(holder)[0].name
        with pytest.raises(FrozenInstanceError):
            setattr(holder, name, "changed")
    assert all(hash(found(settings, key)) is not None for key in KEYS)


def test_the_schema_and_the_reference_hold_what_the_dataclasses_hold() -> None:
    types = {
        field.name: field.type
        for field in fields(Settings)
        if isinstance(field.type, type) and is_dataclass(field.type)
    }
    held = [
        *(field.name for field in fields(Settings) if field.name not in types),
        *(f"{name}.{field.name}" for name, made in types.items() for field in fields(made)),
    ]
    assert sorted(held) == KEYS
    assert {str(key.schema) for key in SCHEMA.schema} == {key.partition(".")[0] for key in KEYS}


def test_every_setting_is_described_and_its_variable_sets_it() -> None:
    for doc in reference():
        assert re.fullmatch(r"[A-Z].*\.", doc.description), doc.key
        assert doc.environment == variable(doc.key)


def test_the_operators_page_lists_every_setting() -> None:
    """`scripts/settings_reference` prints the table between the markers."""
    page = (ROOT / "daemon/README.md").read_text("utf-8")
    table = page.partition("<!-- settings -->\n")[2].partition("<!-- /settings -->")[0]
    printed = subprocess.run(
        [sys.executable, ROOT / "scripts/settings_reference"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    assert table == printed
    assert all(f"`{key}`" in printed and f"`{variable(key)}`" in printed for key in KEYS)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["::1", "fake", "en", "2024-13-01", "0x_", "1_000", "*a", "&a b", "!!int x"]),
)
names = st.sampled_from([*(key.rpartition(".")[2] for key in KEYS), "server", "fake", "<<", "no"])
trees = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(names | scalars, below, max_size=4),
    max_leaves=12,
)
settings_like = st.dictionaries(
    st.sampled_from(["server", "queue", "worker", "discovery", "fake", "engine", "language"]),
    st.dictionaries(names, trees, max_size=4) | trees,
    max_size=4,
)
texts = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="ab: \n-[]{}&*!|>?'\"#%@,1.0~_<", max_size=80),
    (settings_like | trees).map(lambda tree: yaml.safe_dump(tree, allow_unicode=True)),
    # As a person types it, so that words are read as what they look like.
    st.lists(st.tuples(names, scalars), max_size=4).map(
        lambda pairs: "\n".join(f"{name}: {value}" for name, value in pairs)
    ),
)


@given(texts | st.binary(max_size=60))
def test_whatever_the_file_holds_it_is_settings_or_a_settings_error(text: str | bytes) -> None:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    try:
        settings = load(raw)
    except SettingsError as err:
        refused = err.message
    else:
        assert all(type(found(settings, key)) in types_of(key) for key in KEYS)
        return
    assert refused.startswith("settings.yaml")


def types_of(key: str) -> tuple[type, ...]:
    default = next(doc.default for doc in reference() if doc.key == key)
    known = float if key == "models.memory_budget_gib" else str
    return (type(None), known) if default is None else (type(default),)


@given(st.sampled_from(KEYS), st.text(max_size=20) | scalars.map(str))
def test_whatever_the_environment_holds_it_is_settings_or_names_the_variable(
    key: str, text: str
) -> None:
    try:
        settings = load_settings(file=None, environment={variable(key): text}, flags={})
    except SettingsError as err:
        refused = err.message
    else:
        assert type(found(settings, key)) in types_of(key)
        return
    assert refused.startswith(f"{variable(key)}: {key}: ")


def test_a_section_whose_settings_are_commented_out_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("server:\n#  port: 1\n")
    assert load_settings(file=file, environment={}, flags={}).server.port == 8818
