"""Speech from an IndexTTS daemon in the same house: setup and unload of a config entry."""

from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .client import IndexTTSClient
from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator

PLATFORMS = [Platform.TTS]


async def async_setup_entry(hass: HomeAssistant, entry: IndexTTSConfigEntry) -> bool:
    """Meet the daemon, then bring up the entities."""
    client = IndexTTSClient(
        async_get_clientsession(hass),
        entry.data[CONF_HOST],
        entry.data[CONF_PORT],
        entry.data[CONF_TOKEN],
    )
    coordinator = IndexTTSCoordinator(hass, entry, client)
    await coordinator.async_config_entry_first_refresh()
    entry.runtime_data = coordinator
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: IndexTTSConfigEntry) -> bool:
    """Take the entities down."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
