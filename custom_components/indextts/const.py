"""The integration's fixed names and numbers."""

from datetime import timedelta
import logging
from typing import Final

DOMAIN: Final = "indextts"
LOGGER: Final = logging.getLogger(__package__)

DEFAULT_PORT: Final = 8818

POLL_INTERVAL: Final = timedelta(seconds=30)
WAKING_POLL_INTERVAL: Final = timedelta(seconds=5)  # a daemon that loads is about to be ready
