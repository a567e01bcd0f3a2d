"""What may be attached to a report: enough to help, and nothing of the house."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
import json
from typing import Any
from unittest.mock import MagicMock

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from syrupy.assertion import SnapshotAssertion

from custom_components.indextts.client import (
    Canary,
    IndexTTSConnectionError,
    Operation,
    Reload,
    Voice,
)
from tests.component.sample import HOST, INFO, OPERATION, PAUSE, STATUS, TOKEN, VOICES

NO_ANSWER = IndexTTSConnectionError("no answer", address=f"http://{HOST}:8818")

type Report = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
def report(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> Report:
    async def download() -> dict[str, Any]:
        return await get_diagnostics_for_config_entry(hass, hass_client, entry)

    return download


async def test_the_report_keeps_its_shape(
    report: Report, loaded: MockConfigEntry, snapshot: SnapshotAssertion
) -> None:
    assert await report() == snapshot


async def test_the_device_has_the_same_report(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    report: Report,
    loaded: MockConfigEntry,
    device_registry: dr.DeviceRegistry,
) -> None:
    (device,) = dr.async_entries_for_config_entry(device_registry, loaded.entry_id)
    assert await get_diagnostics_for_device(hass, hass_client, loaded, device) == await report()


async def test_the_report_names_neither_token_nor_place_nor_anybody(
    hass: HomeAssistant, report: Report, entry: MockConfigEntry, client: MagicMock
) -> None:
    client.info.return_value = replace(INFO, name="annas-laptop")
    client.voices.return_value = (*VOICES, Voice(id="v-17", name="Petunia", languages=("en",)))
    client.status.return_value = replace(
        STATUS,
        paused=PAUSE,
        canary=Canary(failed="Petunia is mute.", model="indextts-2", version="new"),
        last_reload={"lexicon": Reload(result="rejected", problems=("Petunia has no sound.",))},
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    client.info.side_effect = NO_ANSWER
    await entry.runtime_data.async_refresh()

    told = await report()
    assert {"id": "v-17", "languages": ["en"]} in told["daemon"]["voices"]
    status = told["daemon"]["status"]
    assert status["paused"] == {"until": PAUSE.until, "who": "api"}
    assert status["canary"] == {"model": "indextts-2", "version": "new"}
    assert status["last_reload"] == {"lexicon": "rejected"}
    text = json.dumps(told)
    private_names = (*(voice.name for voice in VOICES), "Petunia", PAUSE.reason)
    for private in (TOKEN, HOST, "annas-laptop", *private_names):
        assert private not in text


async def test_the_last_ten_changes_are_told_while_the_daemon_answers(
    report: Report, loaded: MockConfigEntry, client: MagicMock
) -> None:
    async def changes(limit: int) -> tuple[Operation, ...]:
        return (OPERATION,) * limit

    client.operations.side_effect = changes
    told = (await report())["daemon"]["operations"]
    assert [operation["id"] for operation in told] == [OPERATION.id] * 10
    client.operations.side_effect = NO_ANSWER
    assert (await report())["daemon"]["operations"] == "cannot_connect"


@pytest.mark.parametrize(
    ("error", "code"), [(NO_ANSWER, "cannot_connect"), (TimeoutError(HOST), "TimeoutError")]
)
async def test_the_last_failure_is_told_by_its_code(
    report: Report, loaded: MockConfigEntry, client: MagicMock, error: Exception, code: str
) -> None:
    client.info.side_effect = error
    await loaded.runtime_data.async_refresh()
    client.info.side_effect = None
    daemon = (await report())["daemon"]
    assert (daemon["last_update_success"], daemon["last_error"]) == (False, code)


async def test_an_entry_that_waits_for_its_daemon_says_why(
    hass: HomeAssistant, report: Report, entry: MockConfigEntry, client: MagicMock
) -> None:
    client.info.side_effect = NO_ANSWER
    await hass.config_entries.async_setup(entry.entry_id)
    told = await report()
    assert told["daemon"] is None
    assert (told["entry"]["state"], told["entry"]["reason"]) == ("setup_retry", "cannot_connect")
    assert HOST not in json.dumps(told)
