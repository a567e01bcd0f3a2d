"""Lets a household, or its automations, have the daemon leave the graphics card alone."""

from datetime import datetime
from typing import Any, Final, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator
from .entity import IndexTTSControl

PARALLEL_UPDATES = 0  # the daemon takes both words at any time

_REASON: Final = "game mode"


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - the signature is core's
    entry: IndexTTSConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the one switch of a daemon."""
    async_add_entities([IndexTTSGameModeSwitch(entry.runtime_data)])


class IndexTTSGameModeSwitch(IndexTTSControl, SwitchEntity):
    """On while the daemon is paused, whoever paused it."""

    def __init__(self, coordinator: IndexTTSCoordinator) -> None:
        super().__init__(coordinator, "game_mode")

    @property
    @override
    def is_on(self) -> bool:
        return self.coordinator.data.status.paused is not None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, str | datetime | None]:
        paused = self.coordinator.data.status.paused
        return {
            "reason": paused.reason if paused else None,
            "until": _moment(paused.until) if paused else None,
        }

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        async with self._commanding() as client:
            await client.pause(_REASON)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        async with self._commanding() as client:
            await client.resume()


def _moment(until: float | None) -> datetime | None:
    """Return when that is; None for what is no date, as milliseconds are."""
    try:
        return None if until is None else dt_util.utc_from_timestamp(until)
    except OverflowError, OSError, ValueError:
        return None
