"""What can go wrong, named after what the reader can do about it. Knows no HTTP.

`code` is stable and machine-readable; the message is one sentence for a person and never
holds the text that was to be spoken, a path or a secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
import traceback
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with what somebody wrote, and where."""

    message: str  # a whole sentence, which names file and line itself where there are any
    path: str = ""  # of the key, dotted
    line: int | None = None


class SpeechError(Exception):
    """Base of every error that may reach a client."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = code or self.code
        self.param = param


class InvalidRequestError(SpeechError):
    """The client must change its request."""

    code = "invalid_param"


class NothingToSayError(InvalidRequestError):
    """Cleaning left no word: only emoji, punctuation or markup."""

    code = "nothing_to_say"


class UnsupportedLanguageError(InvalidRequestError):
    """No voice that may be used speaks the language."""

    code = "unsupported_language"


class VoiceNotFoundError(SpeechError):
    """No such voice."""

    code = "voice_not_found"


class ModelNotFoundError(SpeechError):
    """No such model."""

    code = "model_not_found"


class QueueFullError(SpeechError):
    """Too many are waiting; come back in `retry_after_s`."""

    code = "queue_full"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineUnavailableError(SpeechError):
    """The model cannot speak right now: loading, restarting or draining."""

    code = "loading"

    def __init__(
        self, message: str, *, code: str | None = None, retry_after_s: float = 1.0
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class SynthesisError(SpeechError):
    """The engine failed on this job; another may succeed."""

    code = "synthesis_failed"


class BrokenEngineError(Exception):
    """The engine's process cannot go on: it must end, and a new one be started."""


class OutOfMemoryError(Exception):
    """The device has no memory left for this; whoever made it may try once smaller.

    `job` is whose work it was, if that is known.
    """

    def __init__(self, message: str, *, job: int | None = None) -> None:
        super().__init__(message)
        self.job = job


class SettingsError(SpeechError):
    """What somebody wrote cannot be taken; the message says what to change."""

    code = "settings_invalid"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.problems = tuple(problems) or (Problem(message=message),)


class PairingCodeInvalidError(SpeechError):
    """A wrong pairing code."""

    code = "pairing_code_invalid"


class PairingClosedError(SpeechError):
    """No pairing code is open."""

    code = "pairing_closed"


def place_of(error: BaseException) -> str:
    """Name an error and where it was raised; its own words may hold what was to be spoken."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
