"""Lets Home Assistant speak through the daemon."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final, override

from homeassistant.components.tts import (
    ATTR_PREFERRED_FORMAT,
    ATTR_VOICE,
    TextToSpeechEntity,
    TTSAudioResponse,
    TtsAudioType,
    Voice,
)
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import IndexTTSError, SpeechOrder
from .const import DOMAIN
from .coordinator import IndexTTSConfigEntry, IndexTTSCoordinator
from .entity import IndexTTSEntity
from .errors import translated

PARALLEL_UPDATES = 0  # the daemon queues

_FORMATS: Final = {"flac": "flac", "mp3": "mp3", "ogg": "opus", "wav": "wav"}
_USUAL_EXTENSION: Final = "mp3"  # what Home Assistant expects when nobody prefers a format
_CONVERTIBLE_EXTENSION: Final = "wav"  # Home Assistant makes any other format of it


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
        self._attr_supported_options = [ATTR_VOICE, ATTR_PREFERRED_FORMAT]

    @property
    @override
    def supported_languages(self) -> list[str]:
        return [language.code for language in self.coordinator.data.languages.languages]

    @property
    @override
    def default_language(self) -> str:
        return self.coordinator.data.languages.default

    @property
    @override
    def default_options(self) -> Mapping[str, Any]:
        """A part of Home Assistant's cache key: speech that would sound different is made anew."""
        return {"revision": self.coordinator.data.info.revision}

    @callback
    @override
    def async_get_supported_voices(self, language: str) -> list[Voice] | None:
        data = self.coordinator.data
        names = {voice.id: voice.name for voice in data.voices}
        for spoken in data.languages.languages:
            if spoken.code == language:
                return [Voice(id_, names[id_]) for id_ in spoken.voices if id_ in names]
        return None

    @override
    async def async_get_tts_audio(
        self, message: str, language: str, options: dict[str, Any]
    ) -> TtsAudioType:
        response = await self._async_speak(message, language, options)
        return response.extension, b"".join([chunk async for chunk in response.data_gen])

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        message = "".join([part async for part in request.message_gen])
        return await self._async_speak(message, request.language, request.options)

    async def _async_speak(
        self, message: str, language: str, options: dict[str, Any]
    ) -> TTSAudioResponse:
        """Wait for the first sound before answering, so that a refusal is an error, not silence."""
        extension = options.get(ATTR_PREFERRED_FORMAT, _USUAL_EXTENSION)
        if extension not in _FORMATS:
            extension = _CONVERTIBLE_EXTENSION
        audio = self._async_audio(message, language, options.get(ATTR_VOICE), _FORMATS[extension])
        first = await anext(audio, None)
        if first is None:
            raise HomeAssistantError(translation_domain=DOMAIN, translation_key="no_audio")
        return TTSAudioResponse(extension, _chained(first, audio))

    async def _async_audio(
        self, message: str, language: str, voice: str | None, response_format: str
    ) -> AsyncGenerator[bytes]:
        try:
            await self.coordinator.async_meet()
            async with aclosing(
                self.coordinator.client.speak(
                    _one(message),
                    SpeechOrder(language=language, voice=voice, response_format=response_format),
                )
            ) as chunks:
                async for chunk in chunks:
                    yield chunk
        except IndexTTSError as err:
            raise translated(
                HomeAssistantError, err, language=language, voice=voice or "default"
            ) from err


async def _chained(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        yield first
        async for chunk in rest:
            yield chunk


async def _one(text: str) -> AsyncGenerator[str]:
    yield text
