"""What a household sees of its daemon: the sensors, and the device that they belong to."""

from collections.abc import Generator
from dataclasses import replace
import json
from pathlib import Path
from unittest.mock import MagicMock, patch

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    snapshot_platform,
)
from syrupy.assertion import SnapshotAssertion

import custom_components.indextts
from custom_components.indextts.client import IndexTTSConnectionError, Readiness
from custom_components.indextts.sensor import _SENSORS, _STATES, IndexTTSSensor
from tests.component.sample import INFO, LOADING, OLD_STATUS, STATUS

FOLDER = Path(custom_components.indextts.__file__).parent
NO_ANSWER = IndexTTSConnectionError("no answer", address="http://192.168.1.20:8818")


@pytest.fixture(autouse=True)
def sensors_alone() -> Generator[None]:
    with patch("custom_components.indextts.PLATFORMS", [Platform.SENSOR]):
        yield


@pytest.fixture
def every_sensor_on() -> Generator[None]:
    with patch.object(IndexTTSSensor, "entity_registry_enabled_default", new=True):
        yield


def state(hass: HomeAssistant, key: str) -> str:
    found = hass.states.get(f"sensor.nas_{key}")
    assert found is not None
    return found.state


@pytest.mark.usefixtures("every_sensor_on")
async def test_the_sensors_keep_their_shape(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await snapshot_platform(hass, entity_registry, snapshot, loaded.entry_id)


async def test_figures_for_the_curious_are_off_until_asked_for(
    loaded: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    entities = er.async_entries_for_config_entry(entity_registry, loaded.entry_id)
    assert {entity.translation_key for entity in entities if entity.disabled} == {
        "first_audio",
        "generation",
        "real_time_factor",
    }


async def test_a_daemon_that_loads_is_watched_while_it_does(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    client.readiness.return_value = LOADING
    client.status.return_value = replace(STATUS, state="loading", waiting=4)
    await loaded.runtime_data.async_refresh()
    assert (state(hass, "state"), state(hass, "queue")) == ("loading", "4")


@pytest.mark.parametrize("word", ["asleep", "paused"])
async def test_a_daemon_that_left_the_graphics_card_says_so(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, word: str
) -> None:
    client.readiness.return_value = Readiness(ready=True, state=word)
    client.status.return_value = replace(STATUS, state=word)
    await loaded.runtime_data.async_refresh()
    assert state(hass, "state") == word


@pytest.mark.usefixtures("every_sensor_on")
async def test_a_daemon_from_before_reloading_has_no_generation(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock
) -> None:
    client.status.return_value = OLD_STATUS
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert (state(hass, "generation"), state(hass, "state")) == (STATE_UNKNOWN, "ready")


async def test_an_absent_daemon_shows_nothing_until_it_is_back(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    client.info.side_effect = NO_ANSWER
    await loaded.runtime_data.async_refresh()
    assert {state(hass, key) for key in ("state", "queue", "model")} == {STATE_UNAVAILABLE}

    client.info.side_effect = None
    await loaded.runtime_data.async_refresh()
    assert state(hass, "state") == "ready"


@pytest.mark.usefixtures("every_sensor_on")
async def test_what_nobody_has_measured_yet_is_unknown(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock
) -> None:
    client.status.return_value = replace(STATUS, first_audio_p95_s=None, real_time_factor=None)
    await hass.config_entries.async_setup(entry.entry_id)
    assert {state(hass, key) for key in ("first_audio", "real_time_factor")} == {STATE_UNKNOWN}


async def test_a_state_without_words_is_unknown(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock
) -> None:
    client.status.return_value = replace(STATUS, state="dreaming")
    await hass.config_entries.async_setup(entry.entry_id)
    assert state(hass, "state") == STATE_UNKNOWN


async def test_the_device_keeps_its_shape(
    loaded: MockConfigEntry, device_registry: dr.DeviceRegistry, snapshot: SnapshotAssertion
) -> None:
    (device,) = dr.async_entries_for_config_entry(device_registry, loaded.entry_id)
    assert device == snapshot


async def test_the_device_follows_a_daemon_that_was_updated(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    client: MagicMock,
    device_registry: dr.DeviceRegistry,
) -> None:
    client.info.return_value = replace(INFO, name="attic", version="0.2.0", model_name="IndexTTS-2")
    await loaded.runtime_data.async_refresh()
    (device,) = dr.async_entries_for_config_entry(device_registry, loaded.entry_id)
    assert (device.name, device.sw_version, device.model) == ("attic", "0.2.0", "IndexTTS-2")


def test_every_sensor_and_every_state_has_its_words_and_its_icon() -> None:
    keys = {sensor.key for sensor in _SENSORS}
    names, icons = (
        json.loads((FOLDER / name).read_text("utf-8"))["entity"]["sensor"]
        for name in ("translations/en.json", "icons.json")
    )
    assert set(names) == set(icons) == keys
    assert set(names["state"]["state"]) == set(icons["state"]["state"]) == set(_STATES)
