"""Puts right what is listed under Repairs: tries a version of a model again, or leaves it."""

import asyncio
from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .client import IndexTTSError, Operation
from .const import DOMAIN
from .coordinator import IndexTTSConfigEntry


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,  # noqa: ARG001 - the signature is core's
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Return the way out of a canary that failed, which alone has one."""
    told = {key: str(value) for key, value in (data or {}).items()}
    return IndexTTSCanaryFlow(
        hass.config_entries.async_get_known_entry(told["entry_id"]), told["model"], told["version"]
    )


class IndexTTSCanaryFlow(RepairsFlow):
    """Asks whether to try the version again or to keep the old one."""

    _trial: asyncio.Task[Operation] | None = None
    _reason = ""

    def __init__(self, entry: IndexTTSConfigEntry, model: str, version: str) -> None:
        self._entry = entry
        self._model = model
        self._version = version

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - the signature is core's
    ) -> RepairsFlowResult:
        """Offer both; the words about them stand with the issue."""
        return self.async_show_menu(step_id="init", menu_options=["try_again", "keep"])

    async def async_step_keep(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - the signature is core's
    ) -> RepairsFlowResult:
        """Say no more of this version, until another one fails."""
        if ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id):
            ir.async_ignore_issue(self.hass, DOMAIN, self.issue_id, ignore=True)
        return self.async_abort(reason="kept")

    async def async_step_try_again(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - the signature is core's
    ) -> RepairsFlowResult:
        """Have the version loaded and tried, which may take minutes."""
        is_loaded = self._entry.state is ConfigEntryState.LOADED  # or it went away meanwhile
        if self._trial is None:
            if not is_loaded:
                return self.async_abort(reason="not_loaded")
            self._trial = self.hass.async_create_background_task(
                self._async_try(), f"{DOMAIN} canary"
            )
        if not self._trial.done():
            return self.async_show_progress(
                step_id="try_again", progress_action="trying", progress_task=self._trial
            )
        try:
            await self._trial
        except IndexTTSError as err:
            self._reason = str(err)
        if is_loaded:
            await self._entry.runtime_data.async_request_refresh()
        return self.async_show_progress_done(next_step_id="failed" if self._reason else "taken")

    async def async_step_failed(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - the signature is core's
    ) -> RepairsFlowResult:
        """Leave the issue, and say what was wrong this time."""
        return self.async_abort(reason="failed", description_placeholders={"reason": self._reason})

    async def async_step_taken(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - the signature is core's
    ) -> RepairsFlowResult:
        """Take the issue away."""
        return self.async_create_entry(data={})

    async def _async_try(self) -> Operation:
        coordinator = self._entry.runtime_data
        await coordinator.async_meet()
        return await coordinator.client.activate_model(self._model, version=self._version)
