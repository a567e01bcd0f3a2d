"""What a householder may attach to a report: how the daemon was last seen, and nothing private."""

from dataclasses import asdict
from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_NAME, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry

from .client import IndexTTSError, Status
from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator

_OPERATIONS: Final = 10
_PRIVATE: Final = {CONF_HOST, CONF_NAME, CONF_TOKEN}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant,  # noqa: ARG001 - the signature is core's
    entry: IndexTTSConfigEntry,
) -> dict[str, Any]:
    """Tell of the entry and, where it could be set up, of its daemon."""
    return {
        "entry": {
            "data": async_redact_data(entry.data, _PRIVATE),
            "options": dict(entry.options),
            "reason": entry.error_reason_translation_key,
            "state": entry.state.value,
            "version": entry.version,
        },
        # An entry that still tries has no coordinator, and is the one that is asked about most.
        "daemon": (
            await _async_daemon(entry.runtime_data)
            if entry.state is ConfigEntryState.LOADED
            else None
        ),
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant,
    entry: IndexTTSConfigEntry,
    device: DeviceEntry,  # noqa: ARG001 - an entry has this one device
) -> dict[str, Any]:
    """Tell the same: the device is the daemon."""
    return await async_get_config_entry_diagnostics(hass, entry)


async def _async_daemon(coordinator: IndexTTSCoordinator) -> dict[str, Any]:
    data = coordinator.data
    return {
        "info": async_redact_data(asdict(data.info), _PRIVATE),
        "languages": asdict(data.languages),
        "last_error": _code(coordinator.last_exception),
        "last_update_success": coordinator.last_update_success,
        "models": [asdict(model) for model in data.models],
        "operations": await _async_operations(coordinator),
        "readiness": asdict(data.readiness),
        "status": _status(data.status),
        # Who lives here may stand in a voice's name.
        "voices": [{"id": voice.id, "languages": voice.languages} for voice in data.voices],
    }


async def _async_operations(coordinator: IndexTTSCoordinator) -> list[dict[str, Any]] | str:
    """Return the last changes, or why they cannot be told."""
    try:
        await coordinator.async_meet()
        return [asdict(one) for one in await coordinator.client.operations(_OPERATIONS)]
    except IndexTTSError as err:
        return err.code


def _status(status: Status) -> dict[str, Any]:
    """Return the status without its sentences, which may quote what the household wrote."""
    paused, canary = status.paused, status.canary
    return {
        **asdict(status),
        "canary": canary and {"model": canary.model, "version": canary.version},
        "last_reload": {scope: reload.result for scope, reload in status.last_reload.items()},
        "paused": paused and {"until": paused.until, "who": paused.who},
    }


def _code(failure: BaseException | None) -> str | None:
    """Return what a failure is called, for its sentence may name an address."""
    if failure is None:
        return None
    cause = failure.__cause__
    return cause.code if isinstance(cause, IndexTTSError) else type(failure).__name__
