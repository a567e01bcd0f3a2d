"""What only the household can put right: shown under Repairs for as long as it is so."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .client import (
    Canary,
    IndexTTSError,
    IndexTTSIncompatibleError,
    IndexTTSTooNewError,
    IndexTTSTooOldError,
    Model,
    Status,
    Voice,
)
from .const import CONF_VOICE, DOMAIN

_CANARY_FAILED: Final = "canary_failed"
_DEFAULT_VOICE_MISSING: Final = "default_voice_missing"
_SETTINGS_FAILED: Final = "settings_failed"  # a canary that nobody can just try again
_SETTINGS_REJECTED: Final = "settings_rejected"
_MODELS: Final = "models"  # the scope of the files of models
_MOST_PROBLEMS: Final = 5
_SETTINGS: Final = f"/config/integrations/integration/{DOMAIN}"
_INCOMPATIBLE: Final = {
    IndexTTSTooOldError.code: "https://github.com/indextts-home/indextts#start-the-daemon",
    IndexTTSTooNewError.code: "https://github.com/indextts-home/indextts/releases",
}
_ALL: Final = (
    *_INCOMPATIBLE,
    _CANARY_FAILED,
    _DEFAULT_VOICE_MISSING,
    _SETTINGS_FAILED,
    _SETTINGS_REJECTED,
)


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
def async_check_changes(
    hass: HomeAssistant, entry: ConfigEntry[Any], status: Status, models: Collection[Model]
) -> None:
    """Say what the daemon did not take: a version of a model, and what was written wrong."""
    canary, about = status.canary, list[str]()
    details, failed = None, _CANARY_FAILED
    if canary is not None:
        details = {"model": canary.model, "reason": canary.failed, "version": canary.version}
        about = [canary.model, canary.version]  # who ignores one did not ignore the next
        failed = _SETTINGS_FAILED if _speaks_already(canary, status, models) else _CANARY_FAILED
    for key in (_CANARY_FAILED, _SETTINGS_FAILED):
        _async_set(hass, entry, key, details if key == failed else None, about=about)
    problems = [
        f"- {problem}"
        for scope, reload in sorted(status.last_reload.items())
        for problem in reload.problems
        if not (scope == _MODELS and _tells(canary, problem))
    ]
    details = {"problems": "\n".join(problems[:_MOST_PROBLEMS])} if problems else None
    _async_set(hass, entry, _SETTINGS_REJECTED, details)


def _speaks_already(canary: Canary, status: Status, models: Collection[Model]) -> bool:
    """Whether the version speaks and its files are as they were, so that its settings failed."""
    speaks = {(model.id, model.version) for model in models if model.id == status.model}
    files = status.last_reload.get(_MODELS)
    were_replaced = any(_tells(canary, problem) for problem in files.problems) if files else False
    return (canary.model, canary.version) in speaks and not were_replaced


def _tells(canary: Canary | None, problem: str) -> bool:
    """Whether the problem is a part of why the canary failed, or says that again."""
    return canary is not None and (problem in canary.failed or canary.failed in problem)


@callback
def async_follow_entries(hass: HomeAssistant) -> None:
    """Take away all that was said about a daemon as soon as it is no longer used here."""

    @callback
    def follow(change: ConfigEntryChange, entry: ConfigEntry[Any]) -> None:
        # Not where it is just reloaded: what somebody ignores would be new again.
        is_unused = change is ConfigEntryChange.REMOVED or entry.disabled_by
        if entry.domain == DOMAIN and is_unused:
            for key in _ALL:
                _async_set(hass, entry, key, None)

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, follow)


@callback
def _async_set(
    hass: HomeAssistant,
    entry: ConfigEntry[Any],
    key: str,
    details: Mapping[str, str] | None,
    *,
    about: Sequence[str] = (),
) -> None:
    """Show an issue, or none; one of this kind that was `about` something else goes."""
    stem = f"{key}_{entry.entry_id}"
    issue_id = "_".join([stem, *about])
    for domain, known in [*ir.async_get(hass).issues]:
        of_this_kind = domain == DOMAIN and known.startswith(stem)
        if of_this_kind and (details is None or known != issue_id):
            ir.async_delete_issue(hass, DOMAIN, known)
    if details is None:
        return
    is_fixable = key == _CANARY_FAILED
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        data={"entry_id": entry.entry_id, **details} if is_fixable else None,
        is_fixable=is_fixable,
        learn_more_url=_INCOMPATIBLE.get(key),
        severity=ir.IssueSeverity.ERROR if key in _INCOMPATIBLE else ir.IssueSeverity.WARNING,
        translation_key=key,
        translation_placeholders={"name": entry.title, **details},
    )
