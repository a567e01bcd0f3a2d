"""What Home Assistant and the Marketplace read of the integration before any of it runs."""

import json
from pathlib import Path
import re
from string import Formatter
import struct
from typing import Any

import pytest

import custom_components.indextts
from custom_components.indextts import config_flow, errors, options_flow

FOLDER = Path(custom_components.indextts.__file__).parent
ROOT = FOLDER.parent.parent


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def code() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py"))


ENGLISH = read(FOLDER / "translations/en.json")
OPTION_PLACEHOLDERS = {
    "option_foreign_voice": {"voice", "language", "languages"},
    "option_no_moods": set(),
    "option_not_number": {"low", "high"},
    "option_not_text": set(),
    "option_not_whole": {"low", "high"},
    "option_unknown_mood": {"mood", "moods"},
    "option_unknown_voice": {"voice", "voices"},
    "option_without_mood": set(),
}


def test_the_manifest_is_sorted_and_names_its_folder() -> None:
    manifest = read(FOLDER / "manifest.json")
    keys = list(manifest)
    assert keys[:2] == ["domain", "name"]
    assert keys[2:] == sorted(keys[2:])
    assert manifest["domain"] == FOLDER.name
    assert manifest["requirements"] == []
    assert manifest["zeroconf"] == ["_indextts._tcp.local."]


def test_the_daemon_and_the_integration_have_one_version() -> None:
    assert f'version = "{read(FOLDER / "manifest.json")["version"]}"' in (
        ROOT / "pyproject.toml"
    ).read_text(encoding="utf-8")


def test_hacs_knows_every_key() -> None:
    assert set(read(ROOT / "hacs.json")) <= {"name", "homeassistant"}


def test_every_error_has_its_sentence_where_it_can_appear() -> None:
    known = errors._WITH_SENTENCE | {"failed", "refused"}
    assert set(ENGLISH["config"]["error"]) == config_flow._ERRORS | {
        "failed",
        "invalid_host",
        "refused",
    }
    assert set(ENGLISH["exceptions"]) == (
        known | OPTION_PLACEHOLDERS.keys() | {"no_audio", "no_url", "reload_rejected", "stopped"}
    )


def test_no_sentence_of_our_own_is_missing_or_idle() -> None:
    raised = set(re.findall(r"\bfailure\(\"(\w+)\"", code()))
    refused = {f"option_{key}" for key in re.findall(r"refused_option\(\s*\w+, \"(\w+)\"", code())}
    assert raised == {"loading", "no_audio", "no_url", "reload_rejected", "stopped"}
    assert refused == OPTION_PLACEHOLDERS.keys()


@pytest.mark.parametrize(
    ("flow", "section", "forwarding"),
    [("config_flow.py", "config", {"zeroconf", "reauth"}), ("options_flow.py", "options", set())],
)
def test_every_step_has_its_words(flow: str, section: str, forwarding: set[str]) -> None:
    steps = set(re.findall(r"async def async_step_(\w+)", (FOLDER / flow).read_text("utf-8")))
    assert set(ENGLISH[section]["step"]) == steps - forwarding


def test_every_reason_has_its_words() -> None:
    ends = {"already_configured", "reauth_successful", "reconfigure_successful"}
    assert set(ENGLISH["config"]["abort"]) == config_flow._ABORTS | {"failed", "refused"} | ends
    assert set(ENGLISH["options"]["abort"]) == options_flow._OBSTACLES | {
        "cannot_connect",
        "no_voices",
        "not_loaded",
    }


def test_a_sentence_names_nothing_that_its_error_does_not_know() -> None:
    known = {
        "cannot_connect": {"address"},
        "daemon_too_new": {"api", "supported"},
        "daemon_too_old": {"api", "supported"},
        "failed": {"message"},
        "not_indextts": {"address"},
        "other_instance": {"address", "other"},
        "refused": {"message"},
        "reload_rejected": {"problem"},
        **{key: {"option", *names} for key, names in OPTION_PLACEHOLDERS.items()},
    }
    config, exceptions = ENGLISH["config"], ENGLISH["exceptions"]
    for key, sentence in [*config["abort"].items(), *config["error"].items()]:
        assert placeholders(sentence) <= known.get(key, set()), key
    for key, exception in exceptions.items():
        assert placeholders(exception["message"]) <= known.get(
            key, {"voice", "model", "language"}
        ), key


@pytest.mark.parametrize("file", sorted((FOLDER / "translations").iterdir()), ids=lambda f: f.stem)
def test_an_error_beside_a_field_is_plain_text(file: Path) -> None:
    """Home Assistant renders Markdown in descriptions only."""
    sentences = [
        text for flow in ("config", "options") for text in read(file)[flow]["error"].values()
    ]
    assert not [text for text in sentences if re.search(r"[`*]|\]\(", text)]


def test_translations_hold_text_only() -> None:
    text = (FOLDER / "translations/en.json").read_text(encoding="utf-8")
    assert "[%key" not in text
    assert not re.search(r"<\w", text)
    assert not (FOLDER / "strings.json").exists()


@pytest.mark.parametrize(("name", "side"), [("icon.png", 256), ("icon@2x.png", 512)])
def test_the_icon_has_the_size_that_home_assistant_asks_for(name: str, side: int) -> None:
    header = (FOLDER / "brand" / name).read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:24]) == (side, side)
