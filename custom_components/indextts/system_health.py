"""Tells Home Assistant's system information how many daemons there are, and which answer."""

import asyncio
from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .client import IndexTTSClient, IndexTTSError
from .const import DOMAIN
from .coordinator import IndexTTSConfigEntry


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:  # noqa: ARG001 - the signature is core's
    """Register what can be told."""
    register.async_register_info(_async_info)


async def _async_info(hass: HomeAssistant) -> dict[str, Any]:
    entries: list[IndexTTSConfigEntry] = hass.config_entries.async_entries(
        DOMAIN, include_ignore=False, include_disabled=False
    )
    loaded: list[IndexTTSConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    return {
        "daemons": len(entries),
        "generations": ", ".join(
            str(entry.runtime_data.data.status.generation or "-") for entry in loaded
        ),
        "reachable": _async_reach_all(hass, entries),
        "versions": ", ".join(entry.runtime_data.data.info.version for entry in loaded),
    }


async def _async_reach_all(
    hass: HomeAssistant, entries: list[IndexTTSConfigEntry]
) -> str | dict[str, str]:
    """Say of each daemon, in the order in which they were set up, whether it answers.

    It names none of them: system information is made to be posted.
    """
    words = await asyncio.gather(*(_async_reach(hass, entry) for entry in entries))
    if set(words) <= {"ok"}:
        return ", ".join(words)
    return {"type": "failed", "error": ", ".join(words)}


async def _async_reach(hass: HomeAssistant, entry: IndexTTSConfigEntry) -> str:
    client = IndexTTSClient(
        async_get_clientsession(hass), entry.data[CONF_HOST], entry.data[CONF_PORT]
    )
    try:
        await client.info(expect=entry.unique_id)
    except IndexTTSError as err:
        return err.code
    return "ok"
