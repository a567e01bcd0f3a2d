"""Game mode: the switch has the daemon leave the graphics card, and shows who else had it do so."""

from collections.abc import Generator
from dataclasses import replace
from unittest.mock import MagicMock, patch

from homeassistant.components.switch import (
    DOMAIN as SWITCH,
    SERVICE_TURN_OFF,
    SERVICE_TURN_ON,
)
from homeassistant.const import ATTR_ENTITY_ID, STATE_OFF, STATE_ON, STATE_UNAVAILABLE, Platform
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    snapshot_platform,
)
from syrupy.assertion import SnapshotAssertion

from custom_components.indextts.client import (
    IndexTTSConnectionError,
    IndexTTSRequestError,
    Readiness,
)
from tests.component.sample import OLD_STATUS, PAUSE, STATUS

ENTITY_ID = "switch.nas_game_mode"
NO_ANSWER = IndexTTSConnectionError("no answer", address="http://192.168.1.20:8818")
PAUSED = replace(STATUS, state="paused", paused=PAUSE)


@pytest.fixture(autouse=True)
def switch_alone() -> Generator[None]:
    with patch("custom_components.indextts.PLATFORMS", [Platform.SWITCH]):
        yield


def shown(hass: HomeAssistant) -> State:
    found = hass.states.get(ENTITY_ID)
    assert found is not None
    return found


async def turn(hass: HomeAssistant, service: str) -> None:
    await hass.services.async_call(SWITCH, service, {ATTR_ENTITY_ID: ENTITY_ID}, blocking=True)


async def test_the_switch_keeps_its_shape(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await snapshot_platform(hass, entity_registry, snapshot, loaded.entry_id)


async def test_on_pauses_the_daemon_and_off_has_it_come_back(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    client.status.return_value = PAUSED
    await turn(hass, SERVICE_TURN_ON)
    client.pause.assert_awaited_once_with("game mode")
    assert shown(hass).state == STATE_ON

    client.status.return_value = STATUS
    await turn(hass, SERVICE_TURN_OFF)
    client.resume.assert_awaited_once_with()
    await loaded.runtime_data.async_refresh()
    assert shown(hass).state == STATE_OFF


async def test_a_pause_that_somebody_else_asked_for_is_shown_with_its_reason_and_its_end(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    attributes = shown(hass).attributes
    assert (attributes["reason"], attributes["until"]) == (None, None)
    client.status.return_value = PAUSED
    client.readiness.return_value = Readiness(ready=False, state="paused")
    await loaded.runtime_data.async_refresh()
    attributes = shown(hass).attributes
    assert shown(hass).state == STATE_ON
    assert attributes["reason"] == "chess"
    assert attributes["until"].isoformat() == "2027-01-15T08:00:00+00:00"

    client.status.return_value = replace(PAUSED, paused=replace(PAUSE, until=None))
    await loaded.runtime_data.async_refresh()
    assert shown(hass).attributes["until"] is None


@pytest.mark.parametrize("until", [1_763_640_000_000, 1e300, -1e300, float("nan"), float("inf")])
async def test_a_pause_whose_end_is_no_date_is_shown_without_an_end(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, until: float
) -> None:
    client.status.return_value = replace(PAUSED, paused=replace(PAUSE, until=until))
    await loaded.runtime_data.async_refresh()
    assert shown(hass).state == STATE_ON
    assert shown(hass).attributes["until"] is None


@pytest.mark.parametrize("service", [SERVICE_TURN_ON, SERVICE_TURN_OFF])
async def test_a_refusal_is_said_in_the_daemon_s_words_and_changes_nothing(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, service: str
) -> None:
    refusal = IndexTTSRequestError("a_code_of_the_future", "Not while it rains.")
    client.pause.side_effect = client.resume.side_effect = refusal
    with pytest.raises(HomeAssistantError, match="refused: Not while it rains"):
        await turn(hass, service)
    assert shown(hass).state == STATE_OFF


async def test_a_daemon_that_is_away_is_seen_to_be_away_as_soon_as_it_is_told_something(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    client.info.side_effect = NO_ANSWER
    with pytest.raises(HomeAssistantError, match="does not answer"):
        await turn(hass, SERVICE_TURN_ON)
    client.pause.assert_not_called()
    assert shown(hass).state == STATE_UNAVAILABLE


async def test_a_daemon_from_before_pauses_has_no_switch_until_it_is_updated(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock
) -> None:
    client.status.return_value = OLD_STATUS
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert shown(hass).state == STATE_UNAVAILABLE
    client.status.return_value = STATUS
    await entry.runtime_data.async_refresh()
    assert shown(hass).state == STATE_OFF
