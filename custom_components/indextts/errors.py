"""Gives the client's errors the sentences that stand in `translations/`."""

from typing import Final

from homeassistant.exceptions import HomeAssistantError

from .client import IndexTTSError, IndexTTSFailureError
from .const import DOMAIN

_WITH_SENTENCE: Final = frozenset(
    {
        "cannot_connect",
        "daemon_too_new",
        "daemon_too_old",
        "draining",
        "invalid_token",
        "loading",
        "not_indextts",
        "nothing_to_say",
        "other_instance",
        "pairing_closed",
        "pairing_code_invalid",
        "queue_full",
        "synthesis_failed",
        "unsupported_language",
        "voice_not_found",
    }
)


def error_key(err: IndexTTSError) -> str:
    """Return the translation key for `err`; a code without a sentence is passed on in words."""
    if err.code in _WITH_SENTENCE:
        return err.code
    return "failed" if isinstance(err, IndexTTSFailureError) else "refused"


def translated[E: HomeAssistantError](kind: type[E], err: IndexTTSError, **names: str) -> E:
    """Return `err` as an exception of Home Assistant's; `names` is what its sentence may name."""
    return kind(
        translation_domain=DOMAIN,
        translation_key=error_key(err),
        translation_placeholders={**err.details, **names},
    )
