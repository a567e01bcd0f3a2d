"""What every entity of a daemon shares: its device, its ids, its availability."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .client import IndexTTSClient, IndexTTSError
from .const import DOMAIN
from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator


class IndexTTSEntity(CoordinatorEntity[IndexTTSCoordinator]):
    """An entity of one daemon, available while the daemon answers, be it that it loads."""

    _attr_has_entity_name = True

    def __init__(self, coordinator: IndexTTSCoordinator, key: str) -> None:
        super().__init__(coordinator)
        instance_id = coordinator.data.info.instance_id
        self._attr_unique_id = f"{instance_id}_{key}"
        self._attr_translation_key = key
        self._attr_device_info = dr.DeviceInfo(identifiers={(DOMAIN, instance_id)})


class IndexTTSControl(IndexTTSEntity):
    """An entity that changes the daemon itself, which one of before this could not be."""

    @property
    @override
    def available(self) -> bool:
        """Whether the daemon is there, be it paused, and can be changed while it speaks."""
        return super().available and self.coordinator.data.status.generation is not None

    @asynccontextmanager
    async def _commanding(self, **names: str) -> AsyncGenerator[IndexTTSClient]:
        """Lend the client for a change, and show what came of it.

        What goes wrong is said in words, which may name `names`.
        """
        coordinator = self.coordinator
        try:
            await coordinator.async_meet()
            yield coordinator.client
        except IndexTTSError as err:
            raise coordinator.failure(err, **names) from err
        finally:
            await coordinator.async_request_refresh()


@callback
def async_keep_device(hass: HomeAssistant, entry: IndexTTSConfigEntry) -> None:
    """Register the daemon as a device that follows its name, its model and its version."""
    coordinator, registry = entry.runtime_data, dr.async_get(hass)

    @callback
    def follow() -> None:
        info = coordinator.data.info
        registry.async_get_or_create(
            config_entry_id=entry.entry_id,
            configuration_url=coordinator.client.url,
            entry_type=dr.DeviceEntryType.SERVICE,
            identifiers={(DOMAIN, info.instance_id)},
            manufacturer="IndexTTS",
            model=info.model_name,
            name=info.name,
            sw_version=info.version,
        )

    follow()
    entry.async_on_unload(coordinator.async_add_listener(follow))
