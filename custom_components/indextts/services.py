"""Registers the integration's actions; what they do, the speech entity knows."""

from typing import Any, Final

from homeassistant.const import Platform
from homeassistant.core import (
    HomeAssistant,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv, service
import probatio

from .const import ATTR_MESSAGE, CONF_LANGUAGE, DOMAIN, SPEECH_OPTIONS

MAX_CHARACTERS: Final = 16384  # what the daemon speaks in one go

_RENDER: Final[dict[str | probatio.Marker, Any]] = {
    probatio.Required(ATTR_MESSAGE): probatio.All(
        cv.string, probatio.Length(min=1, max=MAX_CHARACTERS)
    ),
    probatio.Optional(CONF_LANGUAGE): cv.string,
    **{
        probatio.Optional(name): object for name in SPEECH_OPTIONS
    },  # checked like those of `tts.speak`
}


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register `render` and `stop`."""
    service.async_register_platform_entity_service(
        hass,
        DOMAIN,
        "render",
        entity_domain=Platform.TTS,
        schema=_RENDER,
        func="async_render",
        supports_response=SupportsResponse.ONLY,
    )
    service.async_register_platform_entity_service(
        hass,
        DOMAIN,
        "stop",
        entity_domain=Platform.TTS,
        schema=None,
        func="async_stop",
        supports_response=SupportsResponse.OPTIONAL,
    )
