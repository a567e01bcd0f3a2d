"""The integration's fixed names and numbers."""

from collections.abc import Mapping
from datetime import timedelta
import logging
from typing import Final

DOMAIN: Final = "indextts"
LOGGER: Final = logging.getLogger(__package__)

DEFAULT_PORT: Final = 8818

POLL_INTERVAL: Final = timedelta(seconds=30)
WAKING_POLL_INTERVAL: Final = timedelta(seconds=5)  # a daemon that loads is about to be ready
EVENT_COOLDOWN_S: Final = 0.5  # between two looks that events ask for
SHORTEST_PAUSE_S: Final = 1.0  # before events are listened for again
LONGEST_PAUSE_S: Final = 10.0

CONF_LANGUAGE: Final = "language"
CONF_LEAD_IN: Final = "lead_in_ms"
CONF_MOOD: Final = "mood"  # an id
CONF_SPEED: Final = "speed"
CONF_VOICE: Final = "voice"  # an id
MIN_SPEED: Final = 0.5
MAX_SPEED: Final = 2.0
MAX_INTENSITY: Final = 2.0
# What sounds like nothing chosen, and where an empty slider would stand for something else.
NEUTRAL: Final[Mapping[str, float]] = {CONF_SPEED: 1, CONF_LEAD_IN: 0}

ATTR_INTENSITY: Final = "intensity"  # of the mood; 1 is as the household set it down
ATTR_MESSAGE: Final = "message"
ATTR_SEED: Final = "seed"
# Of every way to speak.
SPEECH_OPTIONS: Final = (
    CONF_VOICE,
    CONF_MOOD,
    ATTR_INTENSITY,
    CONF_SPEED,
    ATTR_SEED,
    "model",
)

DEGRADED: Final = "degraded"  # a daemon whose chosen model is not there, so that another speaks
PAUSED: Final = "paused"  # it leaves the graphics card to others: another model speaks, or none
