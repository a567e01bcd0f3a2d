"""What the documentation tells a household to paste is taken, and what it links to is there."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

from homeassistant import components
from homeassistant.components.automation.config import (
    ValidationStatus,
    async_validate_config_item as async_validate_automation,
)
from homeassistant.components.script.config import (
    async_validate_config_item as async_validate_script,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.script import async_validate_actions_config
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict, parse_yaml
import pytest

import custom_components.indextts
from custom_components.indextts.const import SPEECH_OPTIONS

ROOT = Path(__file__).parent.parent.parent
INTEGRATION = Path(custom_components.indextts.__file__).parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
USERS_PAGE = ROOT / "docs/home-assistant.md"
HEADINGS = [
    "What it does",
    "Supported daemons",
    "Install",
    "Set up",
    "Settings",
    "What you get",
    "Actions",
    "Conditions and triggers",
    "Use cases",
    "Examples",
    "How data is updated",
    "Known limitations",
    "Troubleshooting",
    "Remove",
]
FOR_HOUSEHOLDS = (USERS_PAGE, ROOT / "README.md")
EXAMPLES = {
    f"{page.name}:{page.read_text('utf-8')[: match.start()].count('\n') + 2}": match[1]
    for page in FOR_HOUSEHOLDS
    for match in re.finditer(
        r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
}
NOT_IN_SERVICES_YAML = {"notify.persistent_notification", "scene.turn_on"}


def read(example: str) -> dict[str, Any]:
    config = parse_yaml(example)
    assert isinstance(config, dict)
    return config


def actions_in(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        if isinstance(config.get("action"), str):
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from actions_in(part)


def fields_of(action: str) -> dict[str, Any]:
    domain, name = action.split(".")
    folder = Path(components.__path__[0]) / domain
    service = load_yaml_dict(str((folder if folder.is_dir() else INTEGRATION) / "services.yaml"))[
        name
    ]
    assert isinstance(service, dict)
    fields: dict[str, Any] = service["fields"] if service.get("fields") else {}
    return fields


def headings(page: Path) -> list[tuple[int, str]]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [(len(level), title) for level, title in re.findall(r"^(#+) (.+)$", text, re.MULTILINE)]


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_users_page_has_the_headings_that_the_quality_scale_asks_for() -> None:
    assert [title for level, title in headings(USERS_PAGE) if level == 2] == HEADINGS


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
async def test_home_assistant_takes_every_example(hass: HomeAssistant, example: str) -> None:
    for domain in ("automation", "script", "homeassistant"):
        assert await async_setup_component(hass, domain, {})
    config = read(example)
    if "triggers" in config:
        automation = await async_validate_automation(hass, "example", config)
        assert automation is not None
        assert automation.validation_status is ValidationStatus.OK
    elif "sequence" in config:
        script = await async_validate_script(hass, "example", config)
        assert script is not None
        assert script.validation_error is None
    else:
        assert await async_validate_actions_config(hass, cv.SCRIPT_SCHEMA([config]))


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_every_action_in_an_example_has_the_fields_that_it_names(example: str) -> None:
    called = [*actions_in(read(example))]
    assert called
    for call in called:
        if call["action"] in NOT_IN_SERVICES_YAML:
            continue
        fields, data = fields_of(call["action"]), call.get("data", {})
        required = {name for name, field in fields.items() if field and field.get("required")}
        assert required <= {*data} <= {*fields}, call["action"]


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_names_no_option_that_is_refused(example: str) -> None:
    for call in actions_in(read(example)):
        if call["action"] == "tts.speak":
            assert call["target"] == {"entity_id": "tts.indextts"}
            assert {*call["data"].get("options", {})} <= {*SPEECH_OPTIONS}


def test_every_mood_that_has_a_name_has_an_example() -> None:
    texts = json.loads((INTEGRATION / "translations/en.json").read_text("utf-8"))
    called = [call for example in EXAMPLES.values() for call in actions_in(read(example))]
    asked = [{**call.get("data", {}), **call.get("data", {}).get("options", {})} for call in called]
    moods = {data["mood"] for data in asked if "mood" in data}
    assert moods == {*texts["selector"]["mood"]["options"]}


def test_every_option_and_every_action_is_explained() -> None:
    page = USERS_PAGE.read_text("utf-8")
    for name in SPEECH_OPTIONS:
        assert f"| `{name}` |" in page
    for name, service in load_yaml_dict(str(INTEGRATION / "services.yaml")).items():
        assert (3, f"indextts.{name}") in headings(USERS_PAGE)
        assert isinstance(service, dict)
        for field in service.get("fields", {}):
            assert f"`{field}`" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        name, _, fragment = link.partition("#")
        if name.startswith("https://"):
            continue
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), link
        if fragment:
            assert fragment in {anchor(title) for _, title in headings(target)}, link


def test_every_field_is_called_what_its_dialog_calls_it() -> None:
    texts = json.loads((INTEGRATION / "translations/en.json").read_text("utf-8"))
    config, options = texts["config"]["step"], texts["options"]["step"]
    shown = [*config["user"]["data"].values(), *config["pair"]["data"].values()]
    shown += options["init"]["data"].values()
    section = (
        USERS_PAGE.read_text("utf-8")
        .partition("\n## Set up\n")[2]
        .partition("\n## What you get\n")[0]
    )
    named = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    assert sorted(set(named) - {"Field", "Setting"}) == sorted(shown)
