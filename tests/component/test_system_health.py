"""What the system information of Home Assistant says of the daemons."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

from homeassistant.config_entries import SOURCE_IGNORE, ConfigEntryDisabler
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    get_system_health_info,
)

import custom_components.indextts
from custom_components.indextts.client import IndexTTSConnectionError, Info
from custom_components.indextts.const import DOMAIN
from tests.component.sample import INFO, INSTANCE_ID, OLD_STATUS

NO_ANSWER = IndexTTSConnectionError("no answer", address="http://192.168.1.20:8818")


async def health(hass: HomeAssistant, client_class: MagicMock) -> dict[str, Any]:
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    with patch("custom_components.indextts.system_health.IndexTTSClient", new=client_class):
        told = await get_system_health_info(hass, DOMAIN)
        return {**told, "reachable": await told["reachable"]}


def another(hass: HomeAssistant, instance_id: str, **how: Any) -> None:
    data = {CONF_HOST: "192.168.1.21", CONF_PORT: 8818, CONF_TOKEN: None}
    MockConfigEntry(domain=DOMAIN, unique_id=instance_id, data=data, **how).add_to_hass(hass)


async def test_a_daemon_that_answers_is_told_with_its_version(
    hass: HomeAssistant, client_class: MagicMock, loaded: MockConfigEntry
) -> None:
    assert await health(hass, client_class) == {
        "daemons": 1,
        "generations": "7",
        "reachable": "ok",
        "versions": "0.1.0",
    }


async def test_each_daemon_is_asked_whether_it_could_be_set_up_or_not(
    hass: HomeAssistant, client_class: MagicMock, loaded: MockConfigEntry
) -> None:
    async def info(*, expect: str) -> Info:
        if expect != INSTANCE_ID:
            raise NO_ANSWER
        return INFO

    client_class.return_value.info.side_effect = info
    another(hass, "f" * 32)
    assert await health(hass, client_class) == {
        "daemons": 2,
        "generations": "7",
        "reachable": {"type": "failed", "error": "ok, cannot_connect"},
        "versions": "0.1.0",
    }
    assert client_class.call_args.args[1:] == ("192.168.1.21", 8818)  # the token stays here


async def test_a_daemon_from_before_reloading_has_no_generation(
    hass: HomeAssistant, client_class: MagicMock, entry: MockConfigEntry
) -> None:
    client_class.return_value.status.return_value = OLD_STATUS
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert (await health(hass, client_class))["generations"] == "-"


async def test_a_daemon_that_was_ignored_or_switched_off_does_not_count(
    hass: HomeAssistant, client_class: MagicMock, loaded: MockConfigEntry
) -> None:
    another(hass, "e" * 32, source=SOURCE_IGNORE)
    another(hass, "f" * 32, disabled_by=ConfigEntryDisabler.USER)
    told = await health(hass, client_class)
    assert (told["daemons"], told["reachable"]) == (1, "ok")


async def test_every_line_has_its_words(
    hass: HomeAssistant, client_class: MagicMock, loaded: MockConfigEntry
) -> None:
    english = Path(custom_components.indextts.__file__).parent / "translations/en.json"
    words = json.loads(english.read_text("utf-8"))["system_health"]["info"]
    assert set(words) == set(await health(hass, client_class))
