"""Speech from an IndexTTS daemon in the same house: setup and unload of a config entry."""

from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.typing import ConfigType

from .client import IndexTTSClient
from .const import DOMAIN
from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator
from .entity import async_keep_device
from .issues import async_follow_entries
from .services import async_setup_services
from .session import async_stop

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)
PLATFORMS = [
    Platform.BUTTON,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.TTS,
]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:  # noqa: ARG001 - core's
    """Register the actions, and what stays whatever becomes of the entries."""
    async_setup_services(hass)
    async_follow_entries(hass)
    return True


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
    async_keep_device(hass, entry)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_create_background_task(hass, coordinator.async_listen(), f"{DOMAIN} events")
    return True


async def async_unload_entry(hass: HomeAssistant, entry: IndexTTSConfigEntry) -> bool:
    """Take the entities down; what they speak ends if they do not come back."""
    if entry.disabled_by:
        await async_stop(hass, entry)
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: IndexTTSConfigEntry) -> None:
    """End what it speaks, which nothing else could stop any more."""
    await async_stop(hass, entry)
