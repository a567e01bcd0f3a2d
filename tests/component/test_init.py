"""An entry is set up, waits, asks for help and goes away; its voice keeps its shape."""

from pathlib import Path
from unittest.mock import MagicMock, patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    snapshot_platform,
)
from syrupy.assertion import SnapshotAssertion

from custom_components.indextts import PLATFORMS
from custom_components.indextts.client import (
    IndexTTSAuthError,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSNotADaemonError,
    IndexTTSOtherInstanceError,
    IndexTTSRequestError,
    IndexTTSTooNewError,
    Readiness,
)
from custom_components.indextts.const import DOMAIN
from tests.component.sample import LOADING, READY, VOICES

ENTITY_ID = "tts.indextts"
NO_ANSWER = IndexTTSConnectionError("no answer", address="http://192.168.1.20:8818")
AUTH = IndexTTSAuthError("no")


async def later(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)


def state(hass: HomeAssistant) -> str:
    found = hass.states.get(ENTITY_ID)
    assert found is not None
    return found.state


async def test_the_speaking_entity_keeps_its_shape(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    client: MagicMock,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    with patch("custom_components.indextts.PLATFORMS", [Platform.TTS]):
        assert await hass.config_entries.async_setup(entry.entry_id)
    await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)


async def test_an_entry_that_goes_away_takes_its_entity_along(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    assert loaded.state is ConfigEntryState.LOADED
    assert await hass.config_entries.async_unload(loaded.entry_id)
    assert loaded.state is ConfigEntryState.NOT_LOADED
    assert state(hass) == STATE_UNAVAILABLE


@pytest.mark.usefixtures("push")
async def test_an_entry_that_is_removed_leaves_nothing(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    client: MagicMock,
    entity_registry: er.EntityRegistry,
    device_registry: dr.DeviceRegistry,
) -> None:
    coordinator = loaded.runtime_data
    assert hass._background_tasks
    assert dr.async_entries_for_config_entry(device_registry, loaded.entry_id)
    await hass.config_entries.async_remove(loaded.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)  # it listens no longer
    assert not coordinator._listeners
    assert coordinator._unsub_refresh is None
    assert not dr.async_entries_for_config_entry(device_registry, loaded.entry_id)
    assert not er.async_entries_for_config_entry(entity_registry, loaded.entry_id)
    assert not [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
    assert not hass.states.async_entity_ids([*PLATFORMS])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NO_ANSWER, "The IndexTTS daemon at http://192.168.1.20:8818 does not answer"),
        (
            IndexTTSNotADaemonError("no", address="http://192.168.1.20:8818"),
            "What answers at http://192.168.1.20:8818 is not an IndexTTS daemon",
        ),
        (
            IndexTTSOtherInstanceError("no", address="http://192.168.1.20:8818", other="attic"),
            "Another IndexTTS daemon, attic, answers at http://192.168.1.20:8818 now",
        ),
        (
            IndexTTSTooNewError("no", api="2", supported="1"),
            (
                "The IndexTTS daemon speaks version 2 of its API, this integration only"
                " version 1. Update the integration"
            ),
        ),
        (IndexTTSFailureError("internal", "It broke."), "The IndexTTS daemon failed: It broke."),
    ],
)
async def test_setup_waits_for_the_daemon_and_says_why(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    client: MagicMock,
    error: IndexTTSError,
    reason: str,
) -> None:
    client.info.side_effect = error
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason == reason


async def test_setup_with_a_forgotten_token_asks_for_a_new_one(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock
) -> None:
    client.languages.side_effect = AUTH
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["context"]["source"], flow["step_id"]) == (SOURCE_REAUTH, "reauth_confirm")


async def test_a_token_forgotten_later_asks_for_a_new_one(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    client.voices.side_effect = AUTH
    await later(hass, freezer, 31)
    assert state(hass) == STATE_UNAVAILABLE
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH


async def test_an_absent_daemon_is_unavailable_and_its_voices_are_remembered(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    assert state(hass) == STATE_UNKNOWN  # it has not spoken yet
    client.info.side_effect = NO_ANSWER
    await later(hass, freezer, 31)
    assert state(hass) == STATE_UNAVAILABLE
    assert loaded.runtime_data.data.voices == VOICES

    client.info.side_effect = None
    await later(hass, freezer, 31)
    assert state(hass) == STATE_UNKNOWN


async def test_a_loading_daemon_is_asked_again_soon(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    client.readiness.return_value = LOADING
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert state(hass) == STATE_UNAVAILABLE

    client.readiness.return_value = READY
    await later(hass, freezer, 6)
    assert state(hass) == STATE_UNKNOWN

    client.readiness.return_value = LOADING
    await later(hass, freezer, 6)
    assert state(hass) == STATE_UNKNOWN
    await later(hass, freezer, 25)
    assert state(hass) == STATE_UNAVAILABLE


async def test_a_paused_daemon_is_asked_no_more_often_than_one_that_speaks(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    client.readiness.return_value = Readiness(ready=False, state="paused")
    await later(hass, freezer, 31)
    assert state(hass) == STATE_UNKNOWN  # whoever wants to speak is told
    client.info.reset_mock()
    await later(hass, freezer, 20)
    client.info.assert_not_called()


async def test_a_daemon_that_shut_down_is_not_asked_more_often_than_any_that_is_away(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    client.readiness.return_value = Readiness(ready=False, state="draining")
    await later(hass, freezer, 31)
    client.info.side_effect = NO_ANSWER
    await later(hass, freezer, 6)
    assert state(hass) == STATE_UNAVAILABLE
    client.info.reset_mock()
    await later(hass, freezer, 6)
    client.info.assert_not_called()


async def test_a_daemon_that_starts_again_keeps_its_voices_until_it_lists_them(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    client.readiness.return_value = LOADING
    client.voices.return_value = ()
    await later(hass, freezer, 31)
    assert state(hass) == STATE_UNAVAILABLE
    assert loaded.runtime_data.data.voices == VOICES

    client.readiness.return_value = READY
    client.voices.return_value = VOICES[:1]
    await later(hass, freezer, 6)
    assert loaded.runtime_data.data.voices == VOICES[:1]


async def test_the_daemon_may_say_when_to_ask_again(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    client.voices.side_effect = IndexTTSRequestError("loading", "Not yet.", 3)
    await later(hass, freezer, 31)
    assert state(hass) == STATE_UNAVAILABLE
    client.voices.side_effect = None
    await later(hass, freezer, 4)
    assert state(hass) == STATE_UNKNOWN


def test_the_readme_speaks_through_this_entity() -> None:
    readme = Path(__file__).parents[2] / "README.md"
    assert f"entity_id: {ENTITY_ID}\n" in readme.read_text("utf-8")
