"""What a household chooses at hand: the model that speaks, and the voice where none is named."""

import asyncio
from collections.abc import Generator
from dataclasses import replace
from unittest.mock import MagicMock, patch

from homeassistant.components.select import (
    ATTR_OPTION,
    ATTR_OPTIONS,
    DOMAIN as SELECT,
    SERVICE_SELECT_OPTION,
)
from homeassistant.const import ATTR_ENTITY_ID, STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    snapshot_platform,
)
from syrupy.assertion import SnapshotAssertion

from custom_components.indextts.client import (
    IndexTTSConnectionError,
    IndexTTSFailureError,
    IndexTTSRequestError,
    Model,
    Operation,
    Readiness,
    Voice,
)
from custom_components.indextts.const import CONF_LANGUAGE, CONF_SPEED, CONF_VOICE, DOMAIN
from tests.component.sample import MODELS, OLD_STATUS, OPERATION, STATUS, VOICES

MODEL = "select.nas_default_model"
VOICE = "select.nas_default_voice"
NO_ANSWER = IndexTTSConnectionError("no answer", address="http://192.168.1.20:8818")


@pytest.fixture(autouse=True)
def selects_alone() -> Generator[None]:
    with patch("custom_components.indextts.PLATFORMS", [Platform.SELECT]):
        yield


def shown(hass: HomeAssistant, entity_id: str) -> State:
    found = hass.states.get(entity_id)
    assert found is not None
    return found


async def choose(hass: HomeAssistant, entity_id: str, option: str) -> None:
    choice = {ATTR_ENTITY_ID: entity_id, ATTR_OPTION: option}
    await hass.services.async_call(SELECT, SERVICE_SELECT_OPTION, choice, blocking=True)


async def test_the_selects_keep_their_shape(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await snapshot_platform(hass, entity_registry, snapshot, loaded.entry_id)


async def test_choosing_a_model_waits_until_it_speaks(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    loading = asyncio.Event()

    async def activate(model: str) -> Operation:
        await loading.wait()
        client.status.return_value = replace(STATUS, model=model)
        return OPERATION

    client.activate_model.side_effect = activate
    choosing = hass.async_create_task(choose(hass, MODEL, "indextts-2"))
    await asyncio.sleep(0)
    await choose(hass, VOICE, "Heart (heart)")  # need not wait for it
    assert not choosing.done()
    assert shown(hass, MODEL).state == "embedded"

    loading.set()
    await choosing
    client.activate_model.assert_awaited_once_with("indextts-2")
    assert shown(hass, MODEL).state == "indextts-2"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (IndexTTSRequestError("canary_failed", "It was silent."), "refused: It was silent"),
        (IndexTTSFailureError("insufficient_memory", "It lacks 2 GiB."), "failed: It lacks 2 GiB"),
        (IndexTTSRequestError("model_not_found", "No."), "no model named indextts-2"),
        (NO_ANSWER, "does not answer"),
    ],
)
async def test_a_model_that_is_not_taken_says_why_and_the_old_one_stays_chosen(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    client: MagicMock,
    error: Exception,
    sentence: str,
) -> None:
    client.activate_model.side_effect = error
    with pytest.raises(HomeAssistantError, match=sentence):
        await choose(hass, MODEL, "indextts-2")
    assert shown(hass, MODEL).state == "embedded"


async def test_models_come_and_go(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    client.models.return_value = (*MODELS[:1], Model(id="fake", state="ready"))
    client.status.return_value = replace(STATUS, model="fake")
    await loaded.runtime_data.async_refresh()
    assert shown(hass, MODEL).attributes[ATTR_OPTIONS] == ["embedded", "fake"]
    assert shown(hass, MODEL).state == "fake"
    client.models.return_value = MODELS[:1]
    client.readiness.return_value = Readiness(ready=False, state="loading")
    await loaded.runtime_data.async_refresh()
    assert shown(hass, MODEL).attributes[ATTR_OPTIONS] == ["embedded"]
    assert shown(hass, MODEL).state == STATE_UNKNOWN


async def test_a_daemon_from_before_reloading_leaves_only_the_voice_to_choose(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock
) -> None:
    client.status.return_value, client.models.return_value = OLD_STATUS, ()
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert shown(hass, MODEL).state == STATE_UNAVAILABLE
    assert shown(hass, VOICE).state == "automatic"
    client.status.return_value, client.models.return_value = STATUS, MODELS
    await entry.runtime_data.async_refresh()
    assert shown(hass, MODEL).state == "embedded"


async def test_a_voice_is_kept_among_the_entry_s_options_without_a_reload(
    hass: HomeAssistant, client_class: MagicMock, loaded: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(loaded, options={CONF_SPEED: 1.25})
    coordinator = loaded.runtime_data
    client_class.reset_mock()
    await choose(hass, VOICE, "Pico deutsch (pico-de)")
    assert loaded.options == {CONF_SPEED: 1.25, CONF_VOICE: "pico-de"}
    assert shown(hass, VOICE).state == "Pico deutsch (pico-de)"
    await choose(hass, VOICE, "automatic")
    assert loaded.options == {CONF_SPEED: 1.25}
    assert shown(hass, VOICE).state == "automatic"
    await hass.async_block_till_done()
    assert loaded.runtime_data is coordinator
    client_class.assert_not_called()


async def test_a_voice_that_does_not_speak_the_chosen_language_is_refused(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(loaded, options={CONF_LANGUAGE: "de"})
    with pytest.raises(ServiceValidationError, match="heart does not speak the language de"):
        await choose(hass, VOICE, "Heart (heart)")
    assert loaded.options == {CONF_LANGUAGE: "de"}
    await choose(hass, VOICE, "Pico deutsch (pico-de)")
    assert loaded.options == {CONF_LANGUAGE: "de", CONF_VOICE: "pico-de"}


async def test_a_voice_that_is_gone_stays_chosen_until_another_one_is_and_so_does_its_repair(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    def repairs() -> list[str | None]:
        issues = ir.async_get(hass).issues.values()
        return [issue.translation_key for issue in issues if issue.domain == DOMAIN]

    await choose(hass, VOICE, "Heart (heart)")
    client.voices.return_value = VOICES[1:]
    await loaded.runtime_data.async_refresh()
    assert shown(hass, VOICE).state == "heart (?)"
    assert repairs() == ["default_voice_missing"]
    await choose(hass, VOICE, "heart (?)")
    assert repairs() == ["default_voice_missing"]
    await choose(hass, VOICE, "Pico (pico-en-gb)")
    assert repairs() == []
    assert "heart (?)" not in shown(hass, VOICE).attributes[ATTR_OPTIONS]


async def test_a_voice_named_automatic_is_told_from_leaving_it_to_the_daemon(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    voices = tuple(
        Voice(id=id_, name="automatic", languages=("en",)) for id_ in ("automatic", "another")
    )
    client.voices.return_value = voices
    await loaded.runtime_data.async_refresh()
    await choose(hass, VOICE, "automatic (automatic)")
    assert loaded.options == {CONF_VOICE: "automatic"}
    assert shown(hass, VOICE).state == "automatic (automatic)"
