"""A client of the daemon that knows no Home Assistant: standard library, aiohttp and yarl only."""

from .answers import Info, Language, Languages, Model, Pairing, Readiness, Status, Voice
from .changes import Canary, Operation, Paused, Reload
from .client import IndexTTSClient
from .errors import (
    IndexTTSAuthError,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSIncompatibleError,
    IndexTTSNotADaemonError,
    IndexTTSOtherInstanceError,
    IndexTTSRequestError,
    IndexTTSTooNewError,
    IndexTTSTooOldError,
)
from .events import Event
from .speech import SpeechOrder

__all__ = [
    "Canary",
    "Event",
    "IndexTTSAuthError",
    "IndexTTSClient",
    "IndexTTSConnectionError",
    "IndexTTSError",
    "IndexTTSFailureError",
    "IndexTTSIncompatibleError",
    "IndexTTSNotADaemonError",
    "IndexTTSOtherInstanceError",
    "IndexTTSRequestError",
    "IndexTTSTooNewError",
    "IndexTTSTooOldError",
    "Info",
    "Language",
    "Languages",
    "Model",
    "Operation",
    "Pairing",
    "Paused",
    "Readiness",
    "Reload",
    "SpeechOrder",
    "Status",
    "Voice",
]
