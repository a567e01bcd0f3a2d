"""Shows how the daemon does: its state, its queue, its pace and what speaks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from .client import Status
from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator
from .entity import IndexTTSEntity

PARALLEL_UPDATES = 0  # the coordinator reads for all

_STATES: Final = ["ready", "degraded", "loading", "asleep", "paused", "draining"]


@dataclass(frozen=True, kw_only=True)
class IndexTTSSensorDescription(SensorEntityDescription):
    """A sensor, and where in the daemon's status its value stands."""

    value_fn: Callable[[Status], StateType]


_SENSORS: Final = (
    IndexTTSSensorDescription(
        key="state",
        device_class=SensorDeviceClass.ENUM,
        options=_STATES,
        # A later daemon may know a state that has no words here yet.
        value_fn=lambda status: status.state if status.state in _STATES else None,
    ),
    IndexTTSSensorDescription(
        key="queue",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda status: status.waiting,
    ),
    IndexTTSSensorDescription(
        key="first_audio",
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MILLISECONDS,
        suggested_display_precision=0,
        entity_registry_enabled_default=False,
        value_fn=lambda status: status.first_audio_p95_s,
    ),
    IndexTTSSensorDescription(
        key="real_time_factor",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=3,
        entity_registry_enabled_default=False,
        value_fn=lambda status: status.real_time_factor,
    ),
    IndexTTSSensorDescription(
        key="model",
        value_fn=lambda status: status.model_name,
    ),
    IndexTTSSensorDescription(
        key="generation",
        entity_registry_enabled_default=False,
        value_fn=lambda status: status.generation,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - the signature is core's
    entry: IndexTTSConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of a daemon."""
    async_add_entities(IndexTTSSensor(entry.runtime_data, sensor) for sensor in _SENSORS)


class IndexTTSSensor(IndexTTSEntity, SensorEntity):
    """One figure of the daemon's status."""

    entity_description: IndexTTSSensorDescription
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(
        self, coordinator: IndexTTSCoordinator, description: IndexTTSSensorDescription
    ) -> None:
        super().__init__(coordinator, description.key)
        self.entity_description = description

    @property
    @override
    def native_value(self) -> StateType:
        return self.entity_description.value_fn(self.coordinator.data.status)
