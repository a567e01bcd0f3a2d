"""A document of the household that is in force as a whole: moods, lexicon.

It is read from its file or handed in, checked, and only then applied. What was good stays in a
history, for a start with a file that is not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Generic, TypeVar

from indextts_daemon.config import MOST_BYTES, read_text
from indextts_daemon.errors import Problem, SettingsError
from indextts_daemon.history import History
from indextts_daemon.storage import rewrite

from .generation import Generation
from .operations import Running
from .reloading import Change
from .settings_file import etag

LOGGER = logging.getLogger(__name__)

T = TypeVar("T")


async def _told_nobody(_: bytes) -> None:
    """Nobody watches the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentWish:
    """A text that is to be the document from now on."""

    text: str
    dry: bool = False  # only look whether it could be
    match: frozenset[str] | None = None  # marks, one of which what is written now must have


@dataclass(frozen=True, slots=True, kw_only=True)
class _InForce(Generic[T]):
    """What a text was read as."""

    text: str | None  # None where it is only what is good of one
    value: T


class DocumentScope(Generic[T]):
    """Keeps one document in force; the Reloader sees to it that one call of `stage` runs at a time.

    What `stage` reads and writes is read and written in a thread; what has no `async` blocks.
    """

    def __init__(  # noqa: PLR0913 each is a way in which documents differ
        self,
        *,
        name: str,
        file: Path,
        parse: Callable[[str], T],
        salvage: Callable[[str], T],
        apply: Callable[[Generation, T], Generation],
        history: History | None = None,
        most_bytes: int = MOST_BYTES,
        written: Callable[[bytes], Awaitable[None]] = _told_nobody,
    ) -> None:
        """`parse` takes a text whole or raises SettingsError; `salvage` what is good of it at boot.

        Without a history nothing is kept. `written` is told what this wrote, for whoever watches
        the file.
        """
        self.name = name
        self.most_bytes = most_bytes
        self._file = file
        self._history = history
        self._parse = parse
        self._salvage = salvage
        self._apply = apply
        self._written = written
        self._now: _InForce[T] | None = None

    def begin(self) -> tuple[T, tuple[Problem, ...]]:
        """Return what is in force from the start, and what is wrong with the file.

        It is the file, else the last good version, else what is good of the file.
        """
        text = ""
        try:
            text = self._file_text()
            self._now = _InForce(text=text, value=self._parse(text))
        except SettingsError as err:
            for problem in err.problems:
                LOGGER.error("%s: %s", self.name, problem.message)  # noqa: TRY400
            self._now = self._last_good() or _InForce(text=None, value=self._rest_of(text))
            return self._now.value, err.problems
        self._remember(text)
        return self._now.value, ()

    def read(self) -> T:
        """Return what the file says; the built-in or nothing without one. Raises SettingsError."""
        return self._parse(self._file_text())

    def document(self) -> str:
        """Return what is written, "" without a file; what is in force if it cannot be read."""
        try:
            return self._file_text()
        except SettingsError:
            return (self._now.text if self._now is not None else None) or ""

    async def stage(self, wish: object, running: Running) -> Change | None:
        """Make ready the file, or the wish, which is then written to the file.

        Raises SettingsError, `precondition_failed` where somebody else has written meanwhile.
        """
        del running  # it takes no time that anybody would want to hear about
        if wish is None:
            found = await asyncio.to_thread(self._read)
        elif isinstance(wish, DocumentWish):
            found = await asyncio.to_thread(self._checked, wish)
            if wish.dry:
                return None
            await asyncio.to_thread(self._write, wish.text)
            await self._written(wish.text.encode())
        else:
            raise TypeError(type(wish))

        await asyncio.to_thread(self._remember, found.text or "")
        if self._now is not None and found.value == self._now.value:
            self._now = found  # only the comments differ, if anything does
            return None

        def apply(generation: Generation) -> Generation:
            self._now = found
            return self._apply(generation, found.value)

        return Change(apply=apply)

    def _read(self) -> _InForce[T]:
        text = self._file_text()
        if self._now is not None and text == self._now.text:
            return self._now
        return _InForce(text=text, value=self._parse(text))

    def _checked(self, wish: DocumentWish) -> _InForce[T]:
        match = wish.match
        if match is not None and "*" not in match and etag(self.document()) not in match:
            raise SettingsError(
                f"Somebody has changed {self._file.name} since you read it. Read it again.",
                code="precondition_failed",
            )
        return _InForce(text=wish.text, value=self._parse(wish.text))

    def _write(self, text: str) -> None:
        with suppress(SettingsError):
            if self._file_text() == text:
                return
        try:
            rewrite(self._file, text.encode())
        except OSError as err:
            raise SettingsError(f"{self._file.name} cannot be written ({err.strerror}).") from err

    def _file_text(self) -> str:
        """Return what is written, "" without a file. Raises SettingsError."""
        try:
            return read_text(self._file, most_bytes=self.most_bytes)
        except SettingsError as err:
            if isinstance(err.__cause__, FileNotFoundError | NotADirectoryError):
                return ""
            raise

    def _last_good(self) -> _InForce[T] | None:
        for version in self._history.versions() if self._history is not None else ():
            with suppress(SettingsError):  # an older daemon may have taken more
                found = _InForce(text=version.text, value=self._parse(version.text))
                LOGGER.warning("%s: the last good version is in force", self.name)
                return found
        return None

    def _rest_of(self, text: str) -> T:
        try:
            return self._salvage(text)
        except SettingsError:
            return self._parse("")

    def _remember(self, text: str) -> None:
        """Keep a good version; a disk that refuses costs only that."""
        if self._history is None or not (text or self._history.latest()):
            return
        try:
            self._history.add(text)
        except OSError as err:
            LOGGER.warning("%s: the good version could not be kept (%s)", self.name, err.strerror)
