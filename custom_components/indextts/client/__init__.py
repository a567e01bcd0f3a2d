"""A client of the daemon that knows no Home Assistant: standard library, aiohttp and yarl only."""

from .answers import Info, Language, Languages, Pairing, Readiness, Status, Voice
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
from .speech import SpeechOrder

__all__ = [
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
    "Pairing",
    "Readiness",
    "SpeechOrder",
    "Status",
    "Voice",
]
