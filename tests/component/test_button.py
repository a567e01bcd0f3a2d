"""The buttons: each has the daemon do one thing, and says in words when that goes wrong."""

from collections.abc import Generator
import json
from pathlib import Path
from unittest.mock import MagicMock, patch

from homeassistant.components.button import DOMAIN as BUTTON, SERVICE_PRESS
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.const import ATTR_ENTITY_ID, STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    snapshot_platform,
)
from syrupy.assertion import SnapshotAssertion

import custom_components.indextts
from custom_components.indextts.button import _BUTTONS
from custom_components.indextts.client import (
    IndexTTSAuthError,
    IndexTTSFailureError,
    IndexTTSRequestError,
    Reload,
)
from tests.component.sample import OLD_STATUS, STATUS

FOLDER = Path(custom_components.indextts.__file__).parent
KEYS = {"prewarm": "prewarm", "reload": "reload", "roll_back": "rollback_model"}

every_button = pytest.mark.parametrize(("key", "method"), KEYS.items(), ids=KEYS)


@pytest.fixture(autouse=True)
def buttons_alone() -> Generator[None]:
    with patch("custom_components.indextts.PLATFORMS", [Platform.BUTTON]):
        yield


def state(hass: HomeAssistant, key: str) -> str:
    found = hass.states.get(f"button.nas_{key}")
    assert found is not None
    return found.state


async def press(hass: HomeAssistant, key: str) -> None:
    target = {ATTR_ENTITY_ID: f"button.nas_{key}"}
    await hass.services.async_call(BUTTON, SERVICE_PRESS, target, blocking=True)


async def test_the_buttons_keep_their_shape(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await snapshot_platform(hass, entity_registry, snapshot, loaded.entry_id)


@every_button
async def test_a_press_does_its_one_thing_and_then_looks_what_came_of_it(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, key: str, method: str
) -> None:
    client.status.reset_mock()
    await press(hass, key)
    done = {name for name in KEYS.values() if getattr(client, name).await_count}
    assert done == {method}
    client.status.assert_awaited_once()


async def test_what_is_rolled_back_is_the_model_that_speaks(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    await press(hass, "roll_back")
    client.rollback_model.assert_awaited_once_with(STATUS.model)


async def test_a_reload_that_is_rejected_says_the_first_problem(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    problems = ("Line 3 of settings.yaml: no such key.", "Line 9 of moods.yaml: no number.")
    client.reload.return_value = Reload(result="rejected", problems=problems)
    with pytest.raises(HomeAssistantError, match=r"what it had: Line 3 of settings\.yaml"):
        await press(hass, "reload")
    client.reload.assert_awaited_once_with()
    client.reload.return_value = Reload(result="rejected")
    with pytest.raises(HomeAssistantError, match="Something is wrong"):
        await press(hass, "reload")


@pytest.mark.parametrize("button", KEYS.items(), ids=KEYS)
@pytest.mark.parametrize(
    "wrong",
    [
        (IndexTTSRequestError("rejected", "There is no version before."), "no version before"),
        (IndexTTSFailureError("insufficient_memory", "It lacks 2 GiB."), "failed: It lacks 2 GiB"),
        (IndexTTSRequestError("model_not_found", "No."), "no model named embedded"),
        (IndexTTSFailureError("paused", "Paused."), "speaks again once its game mode is switched"),
    ],
)
@pytest.mark.usefixtures("loaded")
async def test_what_goes_wrong_is_said_in_words(
    hass: HomeAssistant, client: MagicMock, button: tuple[str, str], wrong: tuple[Exception, str]
) -> None:
    (key, method), (error, sentence) = button, wrong
    getattr(client, method).side_effect = error
    with pytest.raises(HomeAssistantError, match=sentence):
        await press(hass, key)


async def test_a_daemon_that_forgot_us_is_paired_again(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    client.reload.side_effect = IndexTTSAuthError("no")
    with pytest.raises(HomeAssistantError, match="no longer knows"):
        await press(hass, "reload")
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH


@every_button
async def test_a_daemon_from_before_reloading_has_no_buttons_until_it_is_updated(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock, key: str, method: str
) -> None:
    client.status.return_value = OLD_STATUS
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert state(hass, key) == STATE_UNAVAILABLE
    client.status.return_value = STATUS
    await entry.runtime_data.async_refresh()
    assert state(hass, key) == STATE_UNKNOWN
    assert not getattr(client, method).called


def test_every_button_has_its_words_and_its_icon() -> None:
    keys = {button.key for button in _BUTTONS}
    for name in ("translations/en.json", "icons.json"):
        assert set(json.loads((FOLDER / name).read_text("utf-8"))["entity"]["button"]) == keys
