"""Has the daemon do at once what it otherwise does by itself, or what undoes a change."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import IndexTTSClient, Status
from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator
from .entity import IndexTTSControl
from .errors import failure

PARALLEL_UPDATES = 0  # the daemon changes one thing at a time


@dataclass(frozen=True, kw_only=True)
class IndexTTSButtonDescription(ButtonEntityDescription):
    """A button, and what it has the daemon do, which may depend on how the daemon is."""

    press_fn: Callable[[IndexTTSClient, Status], Awaitable[Any]]


async def _async_reload(client: IndexTTSClient, _: Status) -> None:
    """Read everything anew. The first problem is raised; what was good of the rest is kept."""
    reload = await client.reload()
    if reload.rejected:
        raise failure("reload_rejected", problem=next(iter(reload.problems), ""))


_BUTTONS: Final = (
    IndexTTSButtonDescription(
        key="prewarm",
        press_fn=lambda client, _: client.prewarm(),
    ),
    IndexTTSButtonDescription(
        key="reload",
        entity_category=EntityCategory.CONFIG,
        press_fn=_async_reload,
    ),
    IndexTTSButtonDescription(
        key="rollback",
        entity_category=EntityCategory.CONFIG,
        press_fn=lambda client, status: client.rollback_model(status.model),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - the signature is core's
    entry: IndexTTSConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the buttons of a daemon."""
    async_add_entities(IndexTTSButton(entry.runtime_data, button) for button in _BUTTONS)


class IndexTTSButton(IndexTTSControl, ButtonEntity):
    """One thing that the daemon can be told to do."""

    entity_description: IndexTTSButtonDescription

    def __init__(
        self, coordinator: IndexTTSCoordinator, description: IndexTTSButtonDescription
    ) -> None:
        super().__init__(coordinator, description.key)
        self.entity_description = description

    @override
    async def async_press(self) -> None:
        status = self.coordinator.data.status
        async with self._commanding(model=status.model) as client:
            await self.entity_description.press_fn(client, status)
