"""Checks of the texts themselves: their shape, that they are plain, and that languages agree."""

from collections.abc import Iterator
import json
import re
from string import Formatter
from typing import Any, Final

from homeassistant.const import BASE_PLATFORMS
from homeassistant.generated.languages import LANGUAGES
from homeassistant.helpers import config_validation as cv
import probatio

from .repository import Finding, Repository

_KEY: Final = probatio.Match(r"^[a-z0-9_]+$")
_WORDS: Final = {_KEY: str}
_NAMED: Final = {probatio.Required("name"): str, probatio.Required("description"): str}
_STEP: Final = {
    probatio.Optional("title"): str,
    probatio.Optional("description"): str,
    probatio.Optional("data"): _WORDS,
    probatio.Optional("data_description"): _WORDS,
    probatio.Optional("menu_options"): _WORDS,
    probatio.Optional("menu_option_descriptions"): _WORDS,
    probatio.Optional("sections"): {
        _KEY: {
            probatio.Optional("name"): str,
            probatio.Optional("description"): str,
            probatio.Optional("data"): _WORDS,
            probatio.Optional("data_description"): _WORDS,
        }
    },
    probatio.Optional("submit"): str,
}
_FLOW: Final = {
    probatio.Optional("abort"): _WORDS,
    probatio.Optional("create_entry"): _WORDS,
    probatio.Optional("error"): _WORDS,
    probatio.Optional("flow_title"): str,
    probatio.Optional("progress"): _WORDS,
    probatio.Required("step"): {_KEY: _STEP},
}
_ENTITY: Final = {
    probatio.Optional("name"): str,
    probatio.Optional("state"): _WORDS,
    probatio.Optional("state_attributes"): {
        _KEY: {probatio.Optional("name"): str, probatio.Optional("state"): _WORDS}
    },
    probatio.Optional("unit_of_measurement"): str,
}
_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional("config"): _FLOW,
        probatio.Optional("entity"): {probatio.In(BASE_PLATFORMS): {_KEY: _ENTITY}},
        probatio.Optional("exceptions"): {_KEY: {probatio.Required("message"): str}},
        probatio.Optional("issues"): {
            _KEY: {
                probatio.Required("title"): str,
                probatio.Exclusive("description", "body"): str,
                probatio.Exclusive("fix_flow", "body"): _FLOW,
            }
        },
        probatio.Optional("options"): _FLOW,
        probatio.Optional("selector"): {_KEY: {probatio.Required("options"): _WORDS}},
        probatio.Optional("services"): {
            _KEY: {
                **_NAMED,
                probatio.Optional("fields"): {_KEY: _NAMED},
                probatio.Optional("sections"): {_KEY: {probatio.Required("name"): str}},
            }
        },
        probatio.Optional("system_health"): {probatio.Required("info"): _WORDS},
        probatio.Optional("title"): str,
    }
)


def texts_fit_their_schema(repository: Repository) -> Iterator[Finding]:
    """Want every section to be one that Home Assistant reads, with all that it must hold."""
    try:
        _SCHEMA(repository.texts)
    except probatio.MultipleInvalid as err:
        for error in err.errors:
            key = ".".join(str(part) for part in error.path)
            yield repository.finding("translations/en.json", f"{key}: {error.msg}", "Correct it")


def fields_are_described(repository: Repository) -> Iterator[Finding]:
    """Want whoever fills in a form to read what each field means."""
    for section in ("config", "options"):
        for name, step in repository.texts.get(section, {}).get("step", {}).items():
            for form in (step, *step.get("sections", {}).values()):
                for field in sorted({*form.get("data", {})} ^ {*form.get("data_description", {})}):
                    yield repository.finding(
                        "translations/en.json",
                        f"{section}.step.{name}: {field} lacks its name or its description",
                        "Write it under data and under data_description",
                    )


def texts_are_plain(repository: Repository) -> Iterator[Finding]:
    """Want no HTML, no address, no reference, no quoted placeholder and no loose spaces."""
    for name in _languages(repository):
        for key, text in flat(repository.json(name)):
            if what := _blemish(text):
                yield repository.finding(name, f"{key}: {what}", "Write plain words")


def texts_are_sorted(repository: Repository) -> Iterator[Finding]:
    """Want one order, so that two people who add a text meet no conflict."""
    for name in _languages(repository):
        tidy = json.dumps(repository.json(name), ensure_ascii=False, indent=2, sort_keys=True)
        if (repository.folder / name).read_text("utf-8") != tidy + "\n":
            yield repository.finding(
                name, "its keys are not sorted", "Sort them, with two spaces per level"
            )


def languages_agree(repository: Repository) -> Iterator[Finding]:
    """Want every language to be one that Home Assistant knows, and to have all that English has."""
    english = {key: _placeholders(text) for key, text in flat(repository.texts)}
    for name in _languages(repository):
        if (language := name.rpartition("/")[2].removesuffix(".json")) not in LANGUAGES:
            yield repository.finding(name, f"{language} is no language here", "Rename the file")
        other = {key: _placeholders(text) for key, text in flat(repository.json(name))}
        for key in sorted(english.keys() ^ other.keys()):
            yield repository.finding(name, f"{key} is here or in English only", "Translate it")
        for key in sorted(english.keys() & other.keys()):
            if english[key] != other[key]:
                yield repository.finding(
                    name, f"{key} has other placeholders than in English", "Keep {…} as they are"
                )


def only_translations_hold_texts(repository: Repository) -> Iterator[Finding]:
    """Want no strings.json: that of a custom integration is read by nobody."""
    if repository.has("strings.json"):
        yield repository.finding(
            "strings.json", "Home Assistant does not read it", "Delete it: texts are translations/"
        )


def flat(texts: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text with its dotted key."""
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", str(value)


def _languages(repository: Repository) -> list[str]:
    folder = repository.folder / "translations"
    return sorted(f"translations/{path.name}" for path in folder.glob("*.json"))


def _blemish(text: str) -> str | None:
    try:
        cv.string_with_no_html(text)
        _placeholders(text)
    except probatio.Invalid, ValueError:
        return "it holds HTML or a lone brace"
    if "[%key" in text:
        return "it refers to another text, which only core can"
    if re.search(r"https?://", text):
        return "it holds an address, which belongs into a placeholder"
    if re.search(r"'\{\w+\}'", text):
        return "it has a placeholder in single quotes, which is not filled in"
    return "it begins or ends with a space" if text != text.strip() else None


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
