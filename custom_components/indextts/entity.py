"""What every entity of a daemon shares: its device, its ids, its availability."""

from typing import override

from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
from .coordinator import IndexTTSCoordinator


class IndexTTSEntity(CoordinatorEntity[IndexTTSCoordinator]):
    """An entity of one daemon, available while the daemon is there and ready to speak."""

    _attr_has_entity_name = True

    def __init__(self, coordinator: IndexTTSCoordinator, key: str) -> None:
        super().__init__(coordinator)
        info = coordinator.data.info
        self._attr_unique_id = f"{info.instance_id}_{key}"
        self._attr_translation_key = key
        self._attr_device_info = DeviceInfo(
            entry_type=DeviceEntryType.SERVICE,
            identifiers={(DOMAIN, info.instance_id)},
            manufacturer="IndexTTS",
            model=info.model_name,
            name=info.name,
            sw_version=info.version,
        )

    @property
    @override
    def available(self) -> bool:
        return super().available and self.coordinator.data.readiness.ready
