"""Who this daemon is and who may speak through it: instance id, token, pairing code."""

from collections.abc import Callable
from dataclasses import dataclass
import hmac
import json
import logging
from pathlib import Path
import re
import secrets
import time
import uuid

from .errors import PairingClosedError, PairingCodeInvalidError, SettingsError
from .storage import atomic_write

LOGGER = logging.getLogger(__name__)

PAIRING_LIFETIME_S = 600
PAIRING_MISSES = 5
SENDABLE = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The instance id that discovery shows, and the one token that gives full rights."""

    instance_id: str
    token: str

    def admits(self, token: str) -> bool:
        """Whether `token` is the right one, in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())


def open_identity(data_dir: Path, *, token: str | None = None) -> Identity:
    """Read the identity in `data_dir`, making what is missing. A given `token` wins.

    Raises SettingsError when the folder cannot be written or holds something else.
    """
    try:
        return Identity(
            instance_id=_instance_id(data_dir / "instance.json"),
            token=read_token(data_dir, given=token) or _new_token(data_dir),
        )
    except OSError as err:
        raise SettingsError(
            f"The data folder {data_dir} cannot be used ({err.strerror}). "
            "Make it writable, or name another one with --data-dir."
        ) from err


def read_token(data_dir: Path, *, given: str | None = None) -> str | None:
    """Return the token that counts: `given`, else the one in `data_dir`; None if there is none yet.

    Raises SettingsError when it cannot be read, or sent in a header.
    """
    file = data_dir / "token"
    try:
        token = (given or "").strip() or file.read_text("ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as err:
        raise SettingsError(
            f"{file} cannot be read ({err.strerror}). "
            "Run this as the user whose daemon it is, or set INDEXTTS_TOKEN."
        ) from err
    if not SENDABLE.fullmatch(token):
        source = "INDEXTTS_TOKEN" if given else file
        raise SettingsError(f"{source} must be ASCII letters, digits and signs without a space.")
    return token or None


def _new_token(data_dir: Path) -> str:
    token = secrets.token_urlsafe(32)
    atomic_write(data_dir / "token", f"{token}\n".encode())
    return token


def _instance_id(file: Path) -> str:
    try:
        return uuid.UUID(json.loads(file.read_bytes())["instance_id"]).hex
    except FileNotFoundError:
        instance_id = uuid.uuid4().hex
        atomic_write(file, json.dumps({"instance_id": instance_id}).encode())
        return instance_id
    except (ValueError, TypeError, KeyError, AttributeError) as err:
        raise SettingsError(
            f"{file} does not hold an instance id. Delete it to get a new one; "
            "Home Assistant will then see a new device."
        ) from err


class Pairing:
    """One six-digit code at a time: ten minutes, and five misses close it."""

    def __init__(self, data_dir: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._marker = data_dir / "state" / "paired"
        self._clock = clock
        self._code: str | None = None
        self._expires_at = 0.0
        self._misses = 0

    @property
    def ever_paired(self) -> bool:
        """Whether somebody has paired with this data folder before."""
        return self._marker.exists()

    @property
    def is_open(self) -> bool:
        """Whether a code waits to be redeemed."""
        return self._code is not None and self._clock() < self._expires_at

    def open(self) -> str:
        """Make a new code, which replaces one that is open."""
        self._code = f"{secrets.randbelow(1_000_000):06d}"
        self._expires_at = self._clock() + PAIRING_LIFETIME_S
        self._misses = 0
        return self._code

    def redeem(self, code: str) -> None:
        """Use up the open code. Raises PairingClosedError or PairingCodeInvalidError."""
        if self._code is None or not self.is_open:
            self._code = None
            raise PairingClosedError(
                "No pairing code is open. Run `indextts-daemon pair` where the daemon runs."
            )
        if not hmac.compare_digest(code.encode("utf-8", "replace"), self._code.encode()):
            self._misses += 1
            if self._misses >= PAIRING_MISSES:
                self._code = None
            raise PairingCodeInvalidError("That is not the pairing code that is open.")
        self._code = None
        try:
            atomic_write(self._marker, b"")
        except OSError as err:  # the pairing itself holds; only the hint at start-up will repeat
            LOGGER.warning("could not remember that a client has paired: %s", err.strerror)
