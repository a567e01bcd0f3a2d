"""Brings one file over HTTP: goes on where it broke off, and keeps only what it should be.

Our own instead of huggingface_hub's download, which starts every file afresh in a new run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import hashlib
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
import os
from pathlib import Path
import time
from typing import BinaryIO, Protocol
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from indextts_daemon import __version__
from indextts_daemon.errors import SpeechError
from indextts_daemon.posix import locked

TIMEOUT_S = 30.0
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)  # between attempts that bring nothing
CHUNK_BYTES = 1 << 20
NAME_LENGTH = 16  # digits of a checksum in a file's name
UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
BREAKS = (OSError, HTTPException)  # urllib's own are OSErrors


class DownloadError(SpeechError):
    """Something did not come as it should; the message says what to do."""

    code = "download_failed"


class Listener(Protocol):
    """Who hears how a file comes."""

    def has(self, size: int) -> None:
        """Hear that so many bytes of the file are here."""

    def waits(self, pause_s: float) -> None:
        """Hear that the connection broke, and is tried again after the pause."""


class Hash(Protocol):
    """What hashlib makes."""

    def update(self, part: bytes, /) -> None:
        """Take in more."""

    def hexdigest(self) -> str:
        """Return the sum of what was taken in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of one revision of a repository, and what its hub says it is."""

    repository: str
    path: str
    url: str
    size: int
    sha256: str = ""  # of the content
    blob: str = ""  # git's name for it, which Hugging Face gives for what is not in LFS

    @property
    def name(self) -> str:
        """What people call it, unmistakably."""
        return f"{self.repository}/{self.path}"

    @property
    def checksum(self) -> str:
        """What the file must hash to; empty if the hub names nothing."""
        return self.sha256 or self.blob

    def new_hash(self) -> Hash:
        """Return what makes `checksum` of the content."""
        if self.sha256 or not self.blob:
            return hashlib.sha256()
        return hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)


def in_words(size: float) -> str:
    """Say a number of bytes as people do."""
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size:.0f} bytes"


def is_whole(file: RemoteFile, target: Path) -> bool:
    """Whether `target` is the file already."""
    if not target.is_file() or target.stat().st_size != file.size:
        return False
    with target.open("rb") as content:
        return not file.checksum or _digest(file, content) == file.checksum


def bytes_left(file: RemoteFile, target: Path) -> int:
    """Return how much of the file an interrupted attempt has left behind."""
    part = _part(file, target)
    return min(part.stat().st_size, file.size) if part.is_file() else 0


@contextmanager
def opened(
    url: str, name: str, headers: Mapping[str, str], *, start: int = 0
) -> Iterator[HTTPResponse]:
    """Ask for `url` from a byte on. Raises DownloadError for good, OSError for a break."""
    request = Request(url)  # noqa: S310 the operator's own endpoint, checked where it is read
    for key, value in {"User-Agent": f"indextts-daemon/{__version__}", **headers}.items():
        request.add_unredirected_header(key, value)  # a token is for the hub, not for its store
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 as above
            yield response
    except HTTPError as err:
        err.close()
        if err.code >= HTTPStatus.INTERNAL_SERVER_ERROR or err.code in PASSING:
            raise ConnectionError(f"HTTP {err.code}") from err
        raise _refusal(name, err.code) from err


def fetch_small(
    file: RemoteFile, headers: Mapping[str, str], *, at_most: int = CHUNK_BYTES
) -> bytes:
    """Return a small file's content and write nothing. Raises DownloadError."""
    try:
        with opened(file.url, file.name, headers) as response:
            content = response.read(at_most + 1)
    except BREAKS as err:
        raise unreachable(file.name, err) from err
    if len(content) > at_most:
        raise DownloadError(f"{file.name} is larger than {in_words(at_most)}.")
    found = file.new_hash()
    found.update(content)
    if file.checksum and found.hexdigest() != file.checksum:
        raise _wrong(file, found.hexdigest())
    return content


def fetch(
    file: RemoteFile,
    target: Path,
    *,
    headers: Mapping[str, str],
    listener: Listener,
    pauses_s: Sequence[float] = PAUSES_S,
) -> None:
    """Bring the file to `target`, which appears once it is whole and is what the hub says.

    What an interrupted attempt left is not fetched again. Raises DownloadError, and OSError if
    the folder cannot be written. A file that is not what the hub says is deleted.
    """
    part = _part(file, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with part.open("a+b") as content:
        if not locked(content):
            raise DownloadError(f"{target.name} is being fetched already.", code="busy")
        for stale in set(target.parent.glob(f".{target.name}.*.part")) - {part}:
            stale.unlink()
        _complete(file, content, headers, listener, pauses_s)
        digest = _digest(file, content)
        if file.checksum and digest != file.checksum:
            part.unlink()
            raise _wrong(file, digest)
        os.fsync(content.fileno())
        part.replace(target)


def unreachable(name: str, err: BaseException) -> DownloadError:
    """Say that the network or the hub is away."""
    reason = err.reason if isinstance(err, URLError) else err
    return DownloadError(f"{name} cannot be fetched now ({reason}).", code="unreachable")


def _complete(
    file: RemoteFile,
    content: BinaryIO,
    headers: Mapping[str, str],
    listener: Listener,
    pauses_s: Sequence[float],
) -> None:
    """Append what is missing; an attempt that brings something starts the pauses afresh."""
    pauses = iter(pauses_s)
    if _length(content) > file.size:
        content.truncate(0)
    while (start := _length(content)) < file.size:
        broken: Exception | None = None
        try:
            _append(file, content, headers, listener)
        except BREAKS as err:
            broken = err
        have = _length(content)
        if have > start:
            pauses = iter(pauses_s)
        if have < file.size:
            pause_s = next(pauses, None)
            if pause_s is None:
                raise _interrupted(file, have) from broken
            listener.waits(pause_s)
            time.sleep(pause_s)


def _append(
    file: RemoteFile, content: BinaryIO, headers: Mapping[str, str], listener: Listener
) -> None:
    """Append what comes over one connection. Raises OSError, HTTPException if it breaks."""
    have = _length(content)
    with opened(file.url, file.name, headers, start=have) as response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            content.truncate(0)
            have = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise HTTPException("another range than the one asked for")
        while have < file.size and (chunk := response.read1(min(CHUNK_BYTES, file.size - have))):
            try:
                content.write(chunk)
                content.flush()
            except OSError as err:
                raise DownloadError(
                    f"{file.name} cannot be written ({err.strerror}).", code="cannot_write"
                ) from err
            have += len(chunk)
            listener.has(have)


def _part(file: RemoteFile, target: Path) -> Path:
    """Return where an unfinished file waits; another version of it waits elsewhere."""
    version = hashlib.sha256(f"{file.checksum}{file.size}".encode()).hexdigest()[:NAME_LENGTH]
    return target.with_name(f".{target.name}.{version}.part")


def _length(content: BinaryIO) -> int:
    return content.seek(0, os.SEEK_END)


def _digest(file: RemoteFile, content: BinaryIO) -> str:
    found = file.new_hash()
    content.seek(0)
    while chunk := content.read(CHUNK_BYTES):
        found.update(chunk)
    return found.hexdigest()


def _interrupted(file: RemoteFile, have: int) -> DownloadError:
    return DownloadError(
        f"{file.name} broke off after {in_words(have)} of {in_words(file.size)}; run the command "
        "again to go on from there.",
        code="download_interrupted",
    )


def _wrong(file: RemoteFile, digest: str) -> DownloadError:
    return DownloadError(
        f"{file.name} is not what the hub says it is (checksum {digest[:NAME_LENGTH]} instead of "
        f"{file.checksum[:NAME_LENGTH]}) and was deleted; run the command again, or use another "
        "source.",
        code="checksum_mismatch",
    )


def _refusal(name: str, status: int) -> DownloadError:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return DownloadError(f"The hub does not let everybody have {name}: set HF_TOKEN.")
    if status == HTTPStatus.NOT_FOUND:
        return DownloadError(f"The hub does not have {name}.", code="not_found")
    return DownloadError(f"The hub refuses {name} (HTTP {status}).")
