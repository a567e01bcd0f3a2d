"""Who this daemon is and who may speak through it: instance id, token, pairing code."""

from collections.abc import Callable
from dataclasses import dataclass
import errno
import hmac
import json
import logging
from pathlib import Path
import re
import secrets
import stat
import time
import uuid

from .errors import PairingClosedError, PairingCodeInvalidError, SettingsError
from .posix import give
from .storage import atomic_write

LOGGER = logging.getLogger(__name__)

PAIRING_LIFETIME_S = 600
PAIRING_MISSES = 5
SENDABLE = re.compile(r"[!-~]*")
LEAST_TOKEN = 16  # in the file; who sets the environment knows what he does
LONGEST_TOKEN = 1024
KEPT = "identity.json"  # in the state folder: what was last found good, should a file be damaged


@dataclass(slots=True, kw_only=True)
class Identity:
    """The instance id that discovery shows, and the one token that gives full rights.

    The token is another one once it was reloaded; whoever asks then has to know that one.
    """

    instance_id: str
    token: str

    def admits(self, token: str) -> bool:
        """Whether `token` is the right one, in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())


def open_identity(data_dir: Path, *, token: str | None = None) -> Identity:
    """Read the identity in `data_dir`, making what is missing. A given `token` wins.

    A file that is damaged counts as it last was; without that, it is set aside and made anew.
    Raises SettingsError when the folder cannot be written, or the given token not be sent.
    """
    kept = _recalled(data_dir)
    try:
        given = read_token(data_dir, given=token) if (token or "").strip() else None
        identity = Identity(
            instance_id=_instance_id(data_dir / "instance.json", kept.get("instance_id")),
            token=given or _own_token(data_dir, kept.get("token")),
        )
    except OSError as err:
        raise SettingsError(
            f"The data folder {data_dir} cannot be used ({err.strerror}). "
            "Make it writable, or name another one with --data-dir."
        ) from err
    remember(data_dir, identity, token=kept.get("token") if given else identity.token)
    return identity


def read_token(data_dir: Path, *, given: str | None = None) -> str | None:
    """Return the token that counts: `given`, else the one in `data_dir`; None if there is none yet.

    Raises SettingsError when it cannot be read, or sent in a header.
    """
    file = data_dir / "token"
    try:
        token = (given or "").strip() or _read_start(file).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as err:
        raise SettingsError(
            f"{file} cannot be read ({err.strerror}). "
            "Run this as the user whose daemon it is, or set INDEXTTS_TOKEN."
        ) from err
    source = "INDEXTTS_TOKEN" if (given or "").strip() else file
    if not SENDABLE.fullmatch(token):
        raise SettingsError(f"{source} must be ASCII letters, digits and signs without a space.")
    if not (given or "").strip() and 0 < len(token) < LEAST_TOKEN:
        raise SettingsError(
            f"{source} must be at least {LEAST_TOKEN} characters long: "
            "a shorter one can be guessed."
        )
    if len(token) > LONGEST_TOKEN:
        raise SettingsError(f"{source} must be at most {LONGEST_TOKEN} characters long.")
    return token or None


def last_good_token(data_dir: Path) -> str | None:
    """Return the token that the daemon of a folder took last, None if it has taken none."""
    return _recalled(data_dir).get("token")


def renew_token(data_dir: Path) -> str:
    """Put a new token in the place of the old one, and return it. Raises SettingsError."""
    try:
        owner = data_dir.stat()
        token = _new_token(data_dir)
        give(data_dir / "token", uid=owner.st_uid, gid=owner.st_gid)
    except OSError as err:
        raise SettingsError(
            f"{data_dir / 'token'} cannot be written ({err.strerror}). "
            "Run this as the user whose daemon it is, or name its folder with --data-dir."
        ) from err
    return token


def remember(data_dir: Path, identity: Identity, *, token: str | None) -> None:
    """Keep what was found good; a disk that refuses is logged."""
    file = data_dir / "state" / KEPT
    content = json.dumps({"instance_id": identity.instance_id, "token": token}).encode()
    try:
        if not file.is_file() or file.read_bytes() != content:
            atomic_write(file, content)
    except OSError as err:
        LOGGER.warning("could not keep a copy of the token: %s", err.strerror)


def _recalled(data_dir: Path) -> dict[str, str]:
    """Return what was last found good; nothing of what cannot be read or is not so."""
    try:
        told = json.loads(_read_start(data_dir / "state" / KEPT))
        id_, token = uuid.UUID(told["instance_id"]).hex, told["token"]
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {}
    sendable = isinstance(token, str) and token and SENDABLE.fullmatch(token)
    return {"instance_id": id_} | ({"token": token} if sendable else {})


def _own_token(data_dir: Path, kept: str | None) -> str:
    """Return the token in the data folder, as it last was if it is damaged. Raises OSError."""
    file = data_dir / "token"
    try:
        token = read_token(data_dir)
    except SettingsError as err:
        LOGGER.error("the file token does not count: %s", _cause(err))  # noqa: TRY400
        if kept is not None:
            return kept
        _set_aside(file)
        LOGGER.warning("Home Assistant will ask to pair again: the token is a new one")
    else:
        if token is not None:
            return token
        if kept is not None and file.exists():
            LOGGER.error("the file token is empty, and does not count")
            return kept
    return _new_token(data_dir)


def _new_token(data_dir: Path) -> str:
    token = secrets.token_urlsafe(32)
    atomic_write(data_dir / "token", f"{token}\n".encode())
    return token


def _instance_id(file: Path, kept: str | None) -> str:
    """Return the id in the file, as it last was if it is damaged. Raises OSError."""
    try:
        return uuid.UUID(json.loads(_read_start(file))["instance_id"]).hex
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as err:
        LOGGER.error("%s holds no instance id: %s", file.name, _cause(err))  # noqa: TRY400
        if kept is not None:
            return kept
        _set_aside(file)
        LOGGER.warning("Home Assistant will see a new device: the instance id is a new one")
    instance_id = uuid.uuid4().hex
    atomic_write(file, json.dumps({"instance_id": instance_id}).encode())
    return instance_id


def _read_start(file: Path) -> bytes:
    """Read as much as could be of use. Raises OSError."""
    if not stat.S_ISREG(file.stat().st_mode):  # a pipe would keep us waiting
        raise OSError(errno.EINVAL, "Not a file")
    with file.open("rb") as opened:
        return opened.read(1 << 16)


def _set_aside(file: Path) -> None:
    """Keep what cannot be used under another name. Raises OSError."""
    file.rename(file.with_name(f"{file.name}.broken-{secrets.token_hex(4)}"))


def _cause(err: BaseException) -> str:
    cause = err.__cause__ if isinstance(err, SettingsError) else err
    return (cause.strerror if isinstance(cause, OSError) else None) or "it is damaged"


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
