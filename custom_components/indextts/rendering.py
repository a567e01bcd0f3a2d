"""Has a message spoken into Home Assistant's own cache, and says where it lies and how long it is.

Loads Home Assistant's text-to-speech, which what registers the actions must not.
"""

from io import BytesIO
from typing import Any

from homeassistant.components.tts import async_create_stream, generate_media_source_id
from homeassistant.core import HomeAssistant
from homeassistant.helpers.network import NoURLAvailableError, get_url
from homeassistant.util.json import JsonObjectType
from mutagen.mp3 import HeaderNotFoundError, MPEGInfo

from .errors import failure


async def async_render(
    hass: HomeAssistant, entity_id: str, message: str, language: str, options: dict[str, Any]
) -> JsonObjectType:
    """Return what the action `render` answers for one entity."""
    try:
        base = get_url(hass)
    except NoURLAvailableError as err:
        raise failure("no_url") from err
    stream = async_create_stream(hass, entity_id, language, options)
    stream.async_set_message(message)
    audio = b"".join([chunk async for chunk in stream.async_stream_result()])
    return {
        "duration_s": _duration_s(audio),
        "media_content_id": generate_media_source_id(
            hass, message, entity_id, language, options, cache=True
        ),
        "media_type": stream.content_type,
        "url": base + stream.url,
    }


def _duration_s(mp3: bytes) -> float:
    try:
        length: float = MPEGInfo(BytesIO(mp3)).length
    except HeaderNotFoundError as err:
        raise failure("no_audio") from err
    return round(length, 3)
