"""Gives what can go wrong the sentences that stand in `translations/`."""

from collections.abc import Collection
from typing import Final

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .client import IndexTTSError, IndexTTSFailureError
from .const import DOMAIN

_WITH_SENTENCE: Final = frozenset(
    {
        "cannot_connect",
        "daemon_too_new",
        "daemon_too_old",
        "draining",
        "idle_timeout",
        "invalid_token",
        "loading",
        "model_not_found",
        "not_indextts",
        "nothing_to_say",
        "other_instance",
        "paused",
        "paused_gpu_busy",
        "queue_full",
        "synthesis_failed",
        "too_large",
        "unsupported_language",
        "voice_not_found",
        "worker_lost",
    }
)


def error_key(err: IndexTTSError, known: Collection[str] = _WITH_SENTENCE) -> str:
    """Return the translation key for `err`; a code that is not `known` is passed on in words."""
    if err.code in known:
        return err.code
    return "failed" if isinstance(err, IndexTTSFailureError) else "refused"


def translated[E: HomeAssistantError](kind: type[E], err: IndexTTSError, **names: str) -> E:
    """Return `err` as an exception of Home Assistant's; `names` is what its sentence may name."""
    return kind(
        translation_domain=DOMAIN,
        translation_key=error_key(err),
        translation_placeholders={**err.details, **names},
    )


def failure(key: str, **names: str) -> HomeAssistantError:
    """Return what went wrong here rather than at the daemon; `names` is what is named."""
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=names
    )


def refused_option(option: str, reason: str, **names: str) -> ServiceValidationError:
    """Return that a call's option is wrong; `names` is what its sentence names beside it."""
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=f"option_{reason}",
        translation_placeholders={"option": option, **names},
    )
