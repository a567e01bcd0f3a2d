"""The way out of a version that failed its test: try it again, or keep what speaks."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
import json
from typing import Any
from unittest.mock import MagicMock

from homeassistant.components.repairs import DOMAIN as REPAIRS
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.indextts.client import (
    Canary,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSRequestError,
    Operation,
)
from custom_components.indextts.const import DOMAIN
from tests.component.dialogs import TEXTS
from tests.component.sample import OPERATION, STATUS

CANARY = Canary(failed="It was silent.", model="indextts-2", version="new")
WORDS = json.loads(TEXTS.read_text("utf-8"))["issues"]["canary_failed"]["fix_flow"]

type Answer = dict[str, Any]
type Browse = Callable[..., Awaitable[Answer]]


@pytest.fixture
async def failed(hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock) -> ir.IssueEntry:
    """Have the daemon refuse a version, and return what stands under Repairs."""
    assert await async_setup_component(hass, REPAIRS, {})
    client.status.return_value = replace(STATUS, canary=CANARY)
    await loaded.runtime_data.async_refresh()
    (issue,) = (issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN)
    return issue


@pytest.fixture
async def browse(hass_client: ClientSessionGenerator, failed: ir.IssueEntry) -> Browse:
    """Return what a browser does: open the dialog, then go on in it."""
    browser = await hass_client()
    place = "/api/repairs/issues/fix"

    async def go(flow_id: str | None = None, **said: Any) -> Answer:
        if flow_id is None:
            said = {"handler": DOMAIN, "issue_id": failed.issue_id}
        response = await browser.post(f"{place}/{flow_id}" if flow_id else place, json=said)
        assert response.status == 200, await response.text()
        answer: Answer = await response.json()
        return answer

    return go


def issue(hass: HomeAssistant, failed: ir.IssueEntry) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, failed.issue_id)


async def until_done(hass: HomeAssistant, browse: Browse, flow_id: str) -> Answer:
    await hass.async_block_till_done(wait_background_tasks=True)
    return await browse(flow_id)


async def test_both_ways_out_are_offered_in_words(browse: Browse) -> None:
    menu = await browse()
    assert (menu["type"], menu["step_id"]) == ("menu", "init")
    assert set(menu["menu_options"]) == set(WORDS["step"]["init"]["menu_options"])


async def test_a_version_that_passes_now_takes_the_repair_away(
    hass: HomeAssistant, browse: Browse, client: MagicMock, failed: ir.IssueEntry
) -> None:
    loading = asyncio.Event()

    async def activate(model: str, *, version: str) -> Operation:
        assert (model, version) == ("indextts-2", "new")
        await loading.wait()
        client.status.return_value = STATUS
        return OPERATION

    client.activate_model.side_effect = activate
    flow_id = (await browse())["flow_id"]
    progress = await browse(flow_id, next_step_id="try_again")
    assert progress["type"] == "progress"
    assert progress["progress_action"] in WORDS["progress"]
    assert (await browse(flow_id))["type"] == "progress"
    client.activate_model.assert_called_once()

    loading.set()
    assert (await until_done(hass, browse, flow_id))["type"] == "create_entry"
    assert issue(hass, failed) is None


@pytest.mark.parametrize(
    "error",
    [
        IndexTTSRequestError("canary_failed", "It was silent again."),
        IndexTTSConnectionError("No answer", address="http://nas:8818"),
    ],
    ids=lambda error: error.code,
)
async def test_a_version_that_fails_again_says_why_and_stays_under_repairs(
    hass: HomeAssistant,
    browse: Browse,
    client: MagicMock,
    failed: ir.IssueEntry,
    error: IndexTTSError,
) -> None:
    tried = asyncio.Event()

    async def activate(model: str, *, version: str) -> Operation:
        await tried.wait()
        raise error

    client.activate_model.side_effect = activate
    flow_id = (await browse())["flow_id"]
    await browse(flow_id, next_step_id="try_again")
    tried.set()
    end = await until_done(hass, browse, flow_id)
    assert (end["type"], end["reason"]) == ("abort", "failed")
    assert str(error) in WORDS["abort"]["failed"].format(**end["description_placeholders"])
    assert issue(hass, failed) is not None


async def test_who_keeps_what_speaks_is_not_asked_again(
    hass: HomeAssistant, browse: Browse, loaded: MockConfigEntry, failed: ir.IssueEntry
) -> None:
    end = await browse((await browse())["flow_id"], next_step_id="keep")
    assert (end["type"], end["reason"]) == ("abort", "kept")
    assert end["reason"] in WORDS["abort"]
    await loaded.runtime_data.async_refresh()
    kept = issue(hass, failed)
    assert kept is not None
    assert kept.dismissed_version is not None


async def test_a_repair_that_went_away_meanwhile_may_still_be_answered(
    hass: HomeAssistant,
    browse: Browse,
    loaded: MockConfigEntry,
    client: MagicMock,
    failed: ir.IssueEntry,
) -> None:
    flow_id = (await browse())["flow_id"]
    client.status.return_value = STATUS
    await loaded.runtime_data.async_refresh()
    assert issue(hass, failed) is None
    assert (await browse(flow_id, next_step_id="keep"))["reason"] == "kept"


async def test_a_daemon_that_was_switched_off_meanwhile_tries_nothing(
    hass: HomeAssistant, browse: Browse, loaded: MockConfigEntry, client: MagicMock
) -> None:
    flow_id = (await browse())["flow_id"]
    assert await hass.config_entries.async_unload(loaded.entry_id)
    end = await browse(flow_id, next_step_id="try_again")
    assert (end["type"], end["reason"]) == ("abort", "not_loaded")
    assert end["reason"] in WORDS["abort"]
    client.activate_model.assert_not_called()


@pytest.mark.parametrize("error", [None, IndexTTSRequestError("canary_failed", "Silent again.")])
async def test_a_trial_that_outlasts_its_entry_is_told_to_the_end(
    hass: HomeAssistant,
    browse: Browse,
    loaded: MockConfigEntry,
    client: MagicMock,
    error: IndexTTSError | None,
) -> None:
    tried = asyncio.Event()

    async def activate(model: str, *, version: str) -> Operation:
        await tried.wait()
        if error is not None:
            raise error
        return OPERATION

    client.activate_model.side_effect = activate
    flow_id = (await browse())["flow_id"]
    await browse(flow_id, next_step_id="try_again")
    assert await hass.config_entries.async_unload(loaded.entry_id)
    tried.set()
    end = await until_done(hass, browse, flow_id)
    assert (end["type"], end.get("reason")) == (
        ("create_entry", None) if error is None else ("abort", "failed")
    )
