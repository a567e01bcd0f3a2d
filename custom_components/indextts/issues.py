"""What only the household can put right: shown under Repairs for as long as it is so."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .client import (
    IndexTTSError,
    IndexTTSIncompatibleError,
    IndexTTSTooNewError,
    IndexTTSTooOldError,
    Voice,
)
from .const import CONF_VOICE, DOMAIN

_DEFAULT_VOICE_MISSING: Final = "default_voice_missing"
_SETTINGS: Final = f"/config/integrations/integration/{DOMAIN}"
_INCOMPATIBLE: Final = {
    IndexTTSTooOldError.code: "https://github.com/indextts-home/indextts#start-the-daemon",
    IndexTTSTooNewError.code: "https://github.com/indextts-home/indextts/releases",
}


@callback
def async_check_compatibility(
    hass: HomeAssistant, entry: ConfigEntry[Any], err: IndexTTSError | None
) -> None:
    """Say which half is too old, unless the daemon was met without an error or is just away."""
    if err is not None and not isinstance(err, IndexTTSIncompatibleError):
        return
    for key in _INCOMPATIBLE:
        _async_set(hass, entry, key, err.details if err is not None and err.code == key else None)


@callback
def async_check_default_voice(
    hass: HomeAssistant, entry: ConfigEntry[Any], voices: tuple[Voice, ...]
) -> None:
    """Say that the voice which was chosen as default is none of `voices`, all that there are."""
    chosen: str | None = entry.options.get(CONF_VOICE)
    details = {"voice": chosen, "settings": _SETTINGS} if chosen else None
    if chosen in {voice.id for voice in voices}:
        details = None
    _async_set(hass, entry, _DEFAULT_VOICE_MISSING, details)


@callback
def async_follow_entries(hass: HomeAssistant) -> None:
    """Take away all that was said about a daemon as soon as it is no longer looked at."""

    @callback
    def follow(_: ConfigEntryChange, entry: ConfigEntry[Any]) -> None:
        # An entry that is still tried when it is switched off is never unloaded.
        if entry.domain == DOMAIN and entry.state is ConfigEntryState.NOT_LOADED:
            for key in (*_INCOMPATIBLE, _DEFAULT_VOICE_MISSING):
                _async_set(hass, entry, key, None)

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, follow)


@callback
def _async_set(
    hass: HomeAssistant, entry: ConfigEntry[Any], key: str, details: Mapping[str, str] | None
) -> None:
    issue_id = f"{key}_{entry.entry_id}"
    if details is None:
        ir.async_delete_issue(hass, DOMAIN, issue_id)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        is_fixable=False,
        learn_more_url=_INCOMPATIBLE.get(key),
        severity=ir.IssueSeverity.ERROR if key in _INCOMPATIBLE else ir.IssueSeverity.WARNING,
        translation_key=key,
        translation_placeholders={"name": entry.title, **details},
    )
