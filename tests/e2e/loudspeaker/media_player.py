"""Fetches what it is told to play, as any player on the network would, and keeps the bytes."""

from pathlib import Path
from typing import Any

from homeassistant.components import media_source
from homeassistant.components.media_player import (
    MediaPlayerEntity,
    MediaPlayerEntityFeature,
    MediaPlayerState,
    MediaType,
    async_process_play_media_url,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.helpers.typing import ConfigType, DiscoveryInfoType


async def async_setup_platform(
    hass: HomeAssistant,
    config: ConfigType,
    async_add_entities: AddEntitiesCallback,
    discovery_info: DiscoveryInfoType | None = None,
) -> None:
    async_add_entities([Loudspeaker(Path(hass.config.path("heard")))])


class Loudspeaker(MediaPlayerEntity):
    """Keeps the last sound in a file; what is no sound is an error."""

    _attr_name = "Loudspeaker"
    _attr_should_poll = False
    _attr_state = MediaPlayerState.IDLE
    _attr_supported_features = MediaPlayerEntityFeature.PLAY_MEDIA

    def __init__(self, heard: Path) -> None:
        self._heard = heard

    async def async_play_media(
        self, media_type: MediaType | str, media_id: str, **kwargs: Any
    ) -> None:
        media = await media_source.async_resolve_media(self.hass, media_id, self.entity_id)
        url = async_process_play_media_url(self.hass, media.url)
        async with async_get_clientsession(self.hass).get(url) as response:
            if not response.ok:
                raise HomeAssistantError(f"The loudspeaker got {response.status}, not sound")
            sound = await response.read()
        await self.hass.async_add_executor_job(self._heard.write_bytes, sound)
