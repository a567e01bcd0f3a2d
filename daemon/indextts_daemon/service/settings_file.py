"""The settings on the disk: what is written there, what was good, and what is wrong with it now."""

from collections.abc import Sequence
import hashlib
import logging
import os
from pathlib import Path

from indextts_daemon.config import Source
from indextts_daemon.errors import Problem, SettingsError
from indextts_daemon.history import History, Version
from indextts_daemon.storage import rewrite

LOGGER = logging.getLogger(__name__)


class SettingsFile:
    """Owns the file and its good versions. All but `problems` goes to the disk: use a thread."""

    def __init__(
        self, source: Source, history: History, *, problems: Sequence[Problem] = ()
    ) -> None:
        """`problems` are those that it had when the daemon started."""
        self.source = source
        self.history = history
        self.problems = tuple(problems)  # why what counts is not what is written

    @property
    def trouble(self) -> str:
        """Say why what counts is not what is written; nothing where it is."""
        return " ".join(problem.message for problem in self.problems)

    def document(self) -> str:
        """Return what is written now, "" without a file. Raises SettingsError."""
        return self.source.document()

    def reread(self) -> str:
        """Return what is written now; a file that is gone is no wish. Raises SettingsError."""
        text = self.document()
        latest = self.history.latest()
        if not text and latest is not None and latest.text and not _exists(self.source.file):
            raise SettingsError(
                f"{self.source.name} is gone; what it said counts until the daemon starts anew. "
                "An empty file stands for the usual settings."
            )
        return text

    def etag(self) -> str | None:
        """Return the mark of what is written now, None where that cannot be read."""
        try:
            return etag(self.document())
        except SettingsError:
            return None

    def shadowed(self) -> tuple[str, ...]:
        """Return the keys of the file that the environment or a flag overrides."""
        try:
            return self.source.read(self.document()).shadowed
        except SettingsError:
            return ()

    def versions(self) -> tuple[tuple[Version, bool], ...]:
        """Return the good versions, the newest first, and whether each is what is written now."""
        now = self.etag()
        return tuple((version, etag(version.text) == now) for version in self.history.versions())

    def before(self) -> Version:
        """Return the good version from before what is written now. Raises SettingsError."""
        try:
            text: str | None = self.document()
        except SettingsError:
            text = None
        return self.history.before(text)

    def write(self, text: str) -> None:
        """Put `text` in place of what is written, comments and all. Raises SettingsError."""
        if self.source.file is None:
            raise SettingsError("This daemon has no settings file.")
        try:
            rewrite(self.source.file, text.encode())
        except OSError as err:
            words = f"{self.source.name} cannot be written ({err.strerror})."
            raise SettingsError(words) from err

    def remember(self, text: str, *, back_to: Version | None = None) -> None:
        """Keep a document that was found good; a disk that refuses costs only that."""
        try:
            self.history.add(text, back_to=back_to)
        except OSError as err:
            LOGGER.warning("the good settings could not be kept: %s", err.strerror)


def etag(text: str) -> str:
    """Return the mark by which a client names the document that it has read."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _exists(file: Path | None) -> bool:
    return file is not None and os.access(file, os.F_OK)
