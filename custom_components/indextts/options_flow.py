"""Lets a household choose how a daemon speaks where a message leaves it open."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.const import UnitOfTime
from homeassistant.helpers.selector import (
    LanguageSelector,
    LanguageSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from .const import (
    CONF_LANGUAGE,
    CONF_LEAD_IN,
    CONF_MOOD,
    CONF_SPEED,
    CONF_VOICE,
    MAX_SPEED,
    MIN_SPEED,
    NEUTRAL,
)
from .coordinator import IndexTTSConfigEntry, IndexTTSData
from .order import moods_of

_SPEED: Final = NumberSelector(
    NumberSelectorConfig(min=MIN_SPEED, max=MAX_SPEED, step=0.05, mode=NumberSelectorMode.SLIDER)
)
_LEAD_IN: Final = NumberSelector(
    NumberSelectorConfig(
        min=0,
        max=2000,
        step=50,
        unit_of_measurement=UnitOfTime.MILLISECONDS,
        mode=NumberSelectorMode.SLIDER,
    )
)

# Why an entry is tried again: what waiting alone does not end.
_OBSTACLES: Final = frozenset(
    {"daemon_too_new", "daemon_too_old", "not_indextts", "other_instance"}
)


class IndexTTSOptionsFlow(OptionsFlowWithReload):
    """One form. What is left empty or changes nothing is not kept."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Offer what the daemon was last seen to have."""
        entry: IndexTTSConfigEntry = self.config_entry
        words = {"name": entry.title}
        if entry.state is not ConfigEntryState.LOADED:
            details = entry.error_reason_translation_placeholders or {}
            return self.async_abort(
                reason=_absence(entry), description_placeholders={**details, **words}
            )
        data = entry.runtime_data.data
        if not data.voices:
            return self.async_abort(reason="no_voices", description_placeholders=words)
        # Home Assistant's list of languages cannot be cleared, so it is never empty.
        unchanged = {CONF_LANGUAGE: data.languages.default, **NEUTRAL}
        errors: dict[str, str] = {}
        if user_input is not None:
            chosen = {
                name: value for name, value in user_input.items() if value != unchanged.get(name)
            }
            if not (mismatch := _mismatch(data, chosen)):
                return self.async_create_entry(data=chosen)
            errors[CONF_VOICE] = "unsupported_language"
            words["voice"] = mismatch
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                _schema(data, entry.options),
                {**unchanged, **entry.options} if user_input is None else user_input,
            ),
            errors=errors,
            description_placeholders=words,
        )


def _schema(data: IndexTTSData, options: Mapping[str, Any]) -> probatio.Schema:
    languages = [language.code for language in data.languages.languages]
    languages += {data.languages.default} - {*languages}
    voices = {  # the id is what actions want
        voice.id: f"{voice.name} · {', '.join(voice.languages)} ({voice.id})"
        for voice in data.voices
    }
    # What was chosen once is offered even if it is gone: the form would refuse itself.
    if (language := options.get(CONF_LANGUAGE)) is not None and language not in languages:
        languages.append(language)
    if (voice := options.get(CONF_VOICE)) is not None:
        voices.setdefault(voice, f"{voice} (?)")
    moods = {mood: mood for mood in moods_of(data.voices)}
    if (mood := options.get(CONF_MOOD)) is not None:
        moods.setdefault(mood, f"{mood} (?)")
    feeling = {probatio.Optional(CONF_MOOD): _select(moods, CONF_MOOD)} if moods else {}
    return probatio.Schema(
        {
            probatio.Optional(CONF_LANGUAGE): LanguageSelector(
                LanguageSelectorConfig(languages=languages)
            ),
            probatio.Optional(CONF_VOICE): _select(voices),
            **feeling,
            probatio.Optional(CONF_SPEED): _SPEED,
            probatio.Optional(CONF_LEAD_IN): probatio.All(_LEAD_IN, probatio.Coerce(int)),
        }
    )


def _select(labels: Mapping[str, str], translation_key: str = "") -> SelectSelector:
    """Offer what has labels, under those of `translation_key` where it has others."""
    options = [SelectOptionDict(value=value, label=label) for value, label in labels.items()]
    config = SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN, sort=True)
    if translation_key:
        config["translation_key"] = translation_key
    return SelectSelector(config)


def _mismatch(data: IndexTTSData, chosen: Mapping[str, Any]) -> str | None:
    """Name the chosen voice if it does not speak the language that was chosen with it."""
    voice, language = data.voice(chosen.get(CONF_VOICE)), chosen.get(CONF_LANGUAGE)
    return voice.name if voice and language and not voice.speaks(language) else None


def _absence(entry: IndexTTSConfigEntry) -> str:
    """Return why it is not known what there is to choose from."""
    if entry.state is not ConfigEntryState.SETUP_RETRY:
        return "not_loaded"
    obstacle = entry.error_reason_translation_key
    return obstacle if obstacle in _OBSTACLES else "cannot_connect"
