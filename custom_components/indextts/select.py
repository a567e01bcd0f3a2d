"""Lets a household choose what speaks: the daemon's model, and the voice where none is named."""

from typing import Final, override

from homeassistant.components.select import SelectEntity
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import Voice
from .const import CONF_LANGUAGE, CONF_VOICE
from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator
from .entity import IndexTTSControl, IndexTTSEntity
from .errors import refused_option

PARALLEL_UPDATES = 0  # a voice need not wait for a model; the daemon changes one at a time

_AUTOMATIC: Final = "automatic"  # the daemon's voice for the language; no voice is labeled so


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - the signature is core's
    entry: IndexTTSConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add what can be chosen of a daemon."""
    coordinator = entry.runtime_data
    async_add_entities([IndexTTSModelSelect(coordinator), IndexTTSVoiceSelect(coordinator)])


class IndexTTSModelSelect(IndexTTSControl, SelectEntity):
    """Which model speaks unless a call names another, by id: a model tells its name once loaded."""

    _attr_entity_category = EntityCategory.CONFIG

    def __init__(self, coordinator: IndexTTSCoordinator) -> None:
        super().__init__(coordinator, "model")

    @property
    @override
    def options(self) -> list[str]:
        return [model.id for model in self.coordinator.data.models]

    @property
    @override
    def current_option(self) -> str:
        return self.coordinator.data.status.model

    @override
    async def async_select_option(self, option: str) -> None:
        """Have the model loaded, tried and made the default, while the old one goes on speaking."""
        async with self._commanding(model=option) as client:
            await client.activate_model(option)


class IndexTTSVoiceSelect(IndexTTSEntity, SelectEntity):
    """Who speaks unless a call names another voice: the option of the entry, at hand."""

    _attr_entity_category = EntityCategory.CONFIG

    def __init__(self, coordinator: IndexTTSCoordinator) -> None:
        super().__init__(coordinator, "default_voice")

    @property
    @override
    def options(self) -> list[str]:
        return [*self._voices]

    @property
    @override
    def current_option(self) -> str:
        return next(label for label, id_ in self._voices.items() if id_ == self._chosen)

    @override
    async def async_select_option(self, option: str) -> None:
        """Keep the voice, unless it does not speak the language that was chosen with it."""
        voice = self.coordinator.data.voice(self._voices[option])
        language = self.coordinator.config_entry.options.get(CONF_LANGUAGE)
        if voice and language and not voice.speaks(language):
            languages = ", ".join(voice.languages)
            raise refused_option(
                CONF_VOICE, "foreign_voice", voice=voice.id, language=language, languages=languages
            )
        self.coordinator.async_choose_voice(self._voices[option])

    @property
    def _chosen(self) -> str | None:
        return self.coordinator.config_entry.options.get(CONF_VOICE)

    @property
    def _voices(self) -> dict[str, str | None]:
        known = {_label(voice): voice.id for voice in self.coordinator.data.voices}
        gone = {self._chosen} - {*known.values()} - {None}
        return {_AUTOMATIC: None, **known, **{f"{id_} (?)": id_ for id_ in gone}}


def _label(voice: Voice) -> str:
    """Return the name with the id, which tells two of one name apart and is what actions want."""
    return f"{voice.name} ({voice.id})"
