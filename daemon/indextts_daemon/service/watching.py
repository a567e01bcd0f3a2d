"""Sees which of the files that we read have changed and come to rest, by looking again and again.

It knows names, times and sizes, and of small files the content; what is in them is for others.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
import hashlib
import logging
import os
from pathlib import Path
import stat
import time

from indextts_daemon.errors import place_of

LOGGER = logging.getLogger(__name__)

SMALL = 1 << 20  # bytes: up to there a file is compared by what it holds
YOUNG_S = 2.0  # the coarsest clock of a file system: as long, one time may stand for two contents
QUIET_S = 0.5  # at least, before a file counts as finished
RESTLESS_S = 60.0  # after which somebody is told what never comes to rest
DOWNLOADS = (".part", ".tmp", ".crdownload", ".partial", ".download", ".filepart", ".unfinished")
SWAPS = (".swp", ".swo", ".swx")

_LOST, _SPECIAL = -1, -2  # in place of times: it cannot be looked at; it is not a file


def is_temporary(name: str) -> bool:
    """Whether a file of this name is somebody's work in progress, or meant to be hidden."""
    return (
        name.startswith((".", "~", "#"))  # rsync's and our own start with a dot
        or name.endswith("~")
        or name.lower().endswith((*DOWNLOADS, *SWAPS))
        or name == "4913"  # vim asks with it whether it may write here
    )


def any_name(_: str) -> bool:
    """Want every file, whatever it is called."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a scope is read from: one file, or the files in a folder."""

    path: Path
    depth: int = 0  # how many floors of folders count; 0 for a file, which may have any name
    wanted: Callable[[str], bool] = any_name  # by the names of files in the folder


@dataclass(frozen=True, slots=True)
class _Seen:
    """What there is to see of one file."""

    stamp: tuple[int, ...]  # when it was written, and when anything about it changed; size, inode
    digest: bytes = b""  # of a small file that can be read
    final: bool = field(default=False, compare=False)  # another content would have another stamp


class Watch:
    """Says which scope has changed, once it is at rest; one that cannot be seen stops no other.

    Looks once when it is made, and on the disk: make it in a thread, before the files are read.
    """

    def __init__(
        self,
        places: Mapping[str, Place],
        *,
        poll_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poll_s = poll_s
        # A look that comes early must not take a slow writer's pause for the end.
        quiet_s = max(QUIET_S, 0.9 * poll_s)
        self._scopes = {
            name: _Scope(name, place, quiet_s=quiet_s, clock=clock)
            for name, place in places.items()
        }

    async def changes(self) -> AsyncIterator[str]:
        """Yield the name of a scope whenever what it is read from has changed and is at rest."""
        changed: asyncio.Queue[str] = asyncio.Queue(1)  # a scope that waits here looks later
        following = [
            asyncio.create_task(self._follow(scope, changed)) for scope in self._scopes.values()
        ]
        try:
            while True:
                yield await changed.get()
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    async def acknowledge(self, scope: str, content: bytes | None = None) -> None:
        """Do not tell of what is there now; of a file, do not tell of just this content.

        For what we wrote ourselves. What somebody else writes after that, or instead, is told:
        without a content, do this between the writing and the reading.
        """
        watched = self._scopes[scope]
        async with watched.turn:
            if content is not None:
                watched.take_for_known(content)
            else:
                await asyncio.to_thread(watched.take_for_told)

    async def _follow(self, scope: "_Scope", changed: asyncio.Queue[str]) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            async with scope.turn:
                try:
                    has_changed = await asyncio.to_thread(scope.look)
                except Exception as err:  # noqa: BLE001 whatever it is, the next look follows
                    LOGGER.error("looking at %s failed: %s", scope.name, place_of(err))  # noqa: TRY400
                    continue
            if has_changed:
                await changed.put(scope.name)


class _Scope:
    """What was told of one scope, and what was seen since."""

    def __init__(
        self, name: str, place: Place, *, quiet_s: float, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self.turn = asyncio.Lock()
        self._place = place
        self._quiet_s = quiet_s
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._still_since = self._told_at = clock()
        self._is_lost = self._is_restless = False
        self.take_for_told()

    def take_for_told(self) -> None:
        """Look, and take what is there for told."""
        self._see()
        self._told = _marks(self._seen)

    def take_for_known(self, content: bytes) -> None:
        """Take the file, of which this is the content, for told."""
        self._told = {str(self._place.path): _digest(content)}

    def look(self) -> bool:
        """Look, and return whether there is something at rest that was not told yet."""
        now = self._clock()
        moved = self._see()
        marks = _marks(self._seen)
        if self._is_lost or marks == self._told:
            self._told_at, self._is_restless = now, False
            return False
        if moved and now - self._told_at > RESTLESS_S and not self._is_restless:
            self._is_restless = True
            name = Path(min(moved)).name
            LOGGER.warning("%s: %a keeps changing; it is read once it is at rest", self.name, name)
        if now - self._still_since < self._quiet_s:
            return False
        self._told, self._told_at, self._is_restless = marks, now, False
        return True

    def _see(self) -> set[str]:
        """Look once, and return which files are not as they were at the last look."""
        try:
            seen = _look(self._place, self._seen)
        except OSError as err:
            if not self._is_lost:
                LOGGER.warning("%s: the folder cannot be read (%s)", self.name, err.strerror)
            self._is_lost = True
            return set()
        if self._is_lost:
            LOGGER.info("%s: the folder can be read again", self.name)
            self._is_lost = False
        before, self._seen = self._seen, seen
        moved = {path for path in seen.keys() | before.keys() if seen.get(path) != before.get(path)}
        if moved:
            self._still_since = self._clock()
        return moved


def _marks(seen: Mapping[str, _Seen]) -> dict[str, object]:
    """Return what makes the difference: a small file that is written again as it was is none."""
    return {path: one.digest or one.stamp for path, one in seen.items()}


def _look(place: Place, before: Mapping[str, _Seen]) -> dict[str, _Seen]:
    """Look at all files of a place. Raises OSError where its folder cannot be read."""
    now = time.time()
    found = _in_folder(str(place.path), place) if place.depth else _one(str(place.path))
    return {path: _see(path, status, before.get(path), now) for path, status in found}


def _one(path: str) -> Iterator[tuple[str, os.stat_result | OSError]]:
    try:
        yield path, os.stat(path)  # noqa: PTH116 the same as in a folder
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as err:
        yield path, err


def _in_folder(
    folder: str, place: Place, floor: int = 1
) -> Iterator[tuple[str, os.stat_result | OSError]]:
    """Yield every file, and what the system says of it. Raises OSError."""
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if is_temporary(entry.name):
                continue
            try:
                status = entry.stat()
                if not stat.S_ISDIR(status.st_mode):
                    if place.wanted(entry.name):
                        yield entry.path, status
                elif floor < place.depth:
                    yield from _in_folder(entry.path, place, floor + 1)
            except FileNotFoundError:  # it is gone, or a link to nothing
                continue
            except OSError as err:
                yield entry.path, err


def _see(path: str, status: os.stat_result | OSError, before: _Seen | None, now: float) -> _Seen:
    if isinstance(status, OSError):
        return _Seen((_LOST, status.errno or 0))
    if not stat.S_ISREG(status.st_mode):
        return _Seen((_SPECIAL, status.st_ino))
    stamp = status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
    if status.st_size > SMALL:
        return _Seen(stamp)
    is_old = abs(now - status.st_ctime) >= YOUNG_S  # a copy may bring the other time along
    if is_old and before is not None and before.final and before.stamp == stamp:
        return before
    try:
        content = Path(path).read_bytes()
    except OSError:
        return _Seen(stamp)
    return _Seen(stamp, _digest(content), final=is_old)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
