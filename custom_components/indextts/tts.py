"""Lets Home Assistant speak through the daemon."""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing
from typing import Any, override

from homeassistant.components.tts import TextToSpeechEntity, TtsAudioType, Voice
from homeassistant.components.tts.entity import TTSAudioRequest, TTSAudioResponse
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, ServiceResponse, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import IndexTTSError, SpeechOrder
from .const import CONF_LANGUAGE, DOMAIN, PAUSED, SPEECH_OPTIONS
from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator
from .entity import IndexTTSEntity
from .errors import failure
from .formats import FORMAT_OPTIONS, AudioFormat, audio_format
from .order import sound, speech_order, voices_of
from .rendering import async_render
from .session import SpeechSession, async_keep, async_stop

PARALLEL_UPDATES = 0  # the daemon queues


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - the signature is core's
    entry: IndexTTSConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the one speaker of a daemon."""
    async_add_entities([IndexTTSSpeechEntity(entry.runtime_data)])


class IndexTTSSpeechEntity(IndexTTSEntity, TextToSpeechEntity):
    """Speaks with the voices that the daemon has at the moment."""

    def __init__(self, coordinator: IndexTTSCoordinator) -> None:
        super().__init__(coordinator, "speech")
        self.entity_id = f"{Platform.TTS}.{DOMAIN}"  # in every house: people share automations
        self._attr_supported_options = [*SPEECH_OPTIONS, *FORMAT_OPTIONS]
        self._revision = coordinator.data.info.revision

    @property
    @override
    def available(self) -> bool:
        """Whether the daemon is there and would speak, or would say that it is paused.

        Home Assistant passes by what is unavailable, and nobody would learn why there is silence.
        """
        readiness = self.coordinator.data.readiness
        return super().available and (readiness.ready or readiness.state == PAUSED)

    @property
    @override
    def supported_languages(self) -> list[str]:
        return [language.code for language in self.coordinator.data.languages.languages]

    @property
    @override
    def default_language(self) -> str:
        wanted = self._defaults.get(CONF_LANGUAGE)
        offered = self.coordinator.data.languages
        return wanted if wanted in self.supported_languages else offered.default

    @property
    @override
    def default_options(self) -> Mapping[str, Any]:
        """A part of Home Assistant's cache key: speech that would sound different is made anew."""
        if self._revision is None:
            raise failure("loading")
        return {"revision": sound(self.coordinator.data, self._defaults, self._revision)}

    @callback
    @override
    def async_get_supported_voices(self, language: str) -> list[Voice] | None:
        speakers = voices_of(self.coordinator.data, self._defaults, language)
        return [Voice(voice.id, voice.name) for voice in speakers] or None

    @override
    async def async_get_tts_audio(
        self, message: str, language: str, options: dict[str, Any]
    ) -> TtsAudioType:
        response = await self._async_speak(_at_once(message), language, options)
        return response.extension, b"".join([chunk async for chunk in response.data_gen])

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        return await self._async_speak(request.message_gen, request.language, request.options)

    async def async_render(
        self, message: str, language: str | None = None, **options: Any
    ) -> ServiceResponse:
        """Have `message` spoken now, and say where it can be heard and for how long."""
        language = language or self.default_language
        self._order(language, options, audio_format({}))  # refused before anything is made
        return await async_render(self.hass, self.entity_id, message, language, options)

    async def async_stop(self) -> ServiceResponse:
        """End all that is being spoken now, and say how many that were."""
        return {"stopped": await async_stop(self.hass, self.coordinator.config_entry)}

    @property
    def _defaults(self) -> Mapping[str, Any]:
        """What the household has chosen by now, for what a call leaves out."""
        return self.coordinator.config_entry.options

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        # A daemon that loads has no revision yet; until it has, what was made before is heard.
        self._revision = self.coordinator.data.info.revision or self._revision
        super()._handle_coordinator_update()

    async def _async_speak(
        self, texts: AsyncIterable[str], language: str, options: dict[str, Any]
    ) -> TTSAudioResponse:
        """Wait for the first sound before answering, so that a refusal is an error, not silence."""
        audio = audio_format(options)
        order = self._order(language, options, audio)
        session = SpeechSession(self._async_audio(texts, order))
        async_keep(self.hass, self.coordinator.config_entry, session)
        return TTSAudioResponse(audio.extension, await session.open())

    def _order(self, language: str, options: dict[str, Any], audio: AudioFormat) -> SpeechOrder:
        return speech_order(self.coordinator.data, self._defaults, language, options, audio)

    async def _async_audio(
        self, texts: AsyncIterable[str], order: SpeechOrder
    ) -> AsyncGenerator[bytes]:
        try:
            await self.coordinator.async_meet()
            async with aclosing(self.coordinator.client.speak(texts, order)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except IndexTTSError as err:
            raise self.coordinator.failure(
                err, language=order.language, model=order.model or "", voice=order.voice or ""
            ) from err


async def _at_once(message: str) -> AsyncGenerator[str]:
    yield message
