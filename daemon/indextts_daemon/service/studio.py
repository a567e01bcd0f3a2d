"""How voices are made of recordings: for IndexTTS by its networks, for the fake engine by none.

What is made is named by all that it depends on: what is there under its name is right.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
import hashlib
from pathlib import Path
from typing import Protocol

from indextts_daemon.audio.recording import RecordingError
from indextts_daemon.checkpoints.catalogue import PUBLISHED
from indextts_daemon.checkpoints.layout import find
from indextts_daemon.checkpoints.revision import revision_of
from indextts_daemon.errors import EngineUnavailableError

from .enrolment import Enrolled, EnrolmentError, EnrolmentProgress, Wanted, enrol
from .hearing import hear

ENROLMENT_VERSION = 2  # raised when the same recording and weights would give another voice file
OWN_TAGS = 16  # of the fake engine's own voices
TAGS = 1 << 15


class Studio(Protocol):
    """Makes voices of recordings for one model."""

    version: str  # of the model: what is known of recordings is kept for each
    model: str  # its id
    made: tuple[str, str]  # names it and its weights
    has_built_in: bool  # whether the built-in voice is made here too

    def key(self, content: str) -> str:
        """Name what is made of a content: 32 hexadecimal digits."""

    def identity(self, content: str) -> tuple[str, str]:
        """Return the voice's revision, and the handle by which its engine finds it."""

    def enrol(
        self, wanted: Sequence[Wanted], enrolled: Path, /
    ) -> AsyncGenerator[EnrolmentProgress | Enrolled]:
        """Listen to recordings, and tell how it goes. Raises EnrolmentError."""


class ChangedError(EngineUnavailableError):
    """The files of a model are others than those that were heard and let in."""

    code = "checkpoint_changed"


def require_same(content: str, let_in: str) -> None:
    """Raise ChangedError unless a model's files are those that were let in, if any were."""
    if let_in and content != let_in:
        raise ChangedError(
            "Its files are not those that it was let in with. Put them back, or activate it again."
        )


class IndexTTSStudio:
    """Makes voice files in a process of its own."""

    has_built_in = True

    def __init__(self, folder: Path, *, version: str, revision: str) -> None:
        self.version = version
        self.model = next(one.id for one in PUBLISHED if one.version == version)
        self.made = version, revision
        self._folder = folder
        self._revision = revision

    @classmethod
    def open(cls, folder: Path, content: str) -> "IndexTTSStudio":
        """Find the model in a folder, and name its weights. Raises EngineUnavailableError.

        They have to be those of that `content`, unless it is nothing.
        """
        found = find(folder)
        try:
            revision = revision_of(found)
        except OSError as err:
            raise EngineUnavailableError(f"The model cannot be read ({err.strerror}).") from err
        require_same(revision, content)
        return cls(folder, version=found.version, revision=revision)

    def key(self, content: str) -> str:
        """Name what is made of a content."""
        return _digest(f"{ENROLMENT_VERSION}/{self._revision}/{content}")[:32]

    def identity(self, content: str) -> tuple[str, str]:
        """Return the voice's revision and its handle: the name of its file."""
        key = self.key(content)
        return key[:16], key

    def enrol(
        self, wanted: Sequence[Wanted], enrolled: Path
    ) -> AsyncGenerator[EnrolmentProgress | Enrolled]:
        """Have all recordings listened to by one process. Raises EnrolmentError."""
        return enrol(self._folder, self._revision, enrolled, wanted)


class FakeStudio:
    """Makes nothing: a voice is a number, which differs for different contents."""

    version = model = "fake"
    made = "fake", ""
    has_built_in = False

    def __init__(self) -> None:
        self._tags: dict[str, int] = {}

    def key(self, content: str) -> str:
        """Name what is known of a content."""
        return _digest(f"fake/{content}")[:32]

    def identity(self, content: str) -> tuple[str, str]:
        """Return the voice's revision and its handle: the tag of its samples."""
        return content[:16], str(self._tag(content))

    async def enrol(
        self, wanted: Sequence[Wanted], _: Path
    ) -> AsyncGenerator[EnrolmentProgress | Enrolled]:
        """Have recordings judged one after the other. Raises EnrolmentError."""
        for done, one in enumerate(wanted):
            yield EnrolmentProgress(key=one.key, stage="listening", done=done, total=len(wanted))
            yield await _judged(one)

    def _tag(self, content: str) -> int:
        if content not in self._tags:
            tag = int(_digest(content)[:8], 16)
            while (number := OWN_TAGS + 1 + tag % (TAGS - OWN_TAGS - 1)) in self._tags.values():
                tag += 1
            self._tags[content] = number
        return self._tags[content]


async def _judged(one: Wanted) -> Enrolled:
    try:
        content = await asyncio.to_thread(one.file.read_bytes)
        if hashlib.sha256(content).hexdigest() != one.content:
            return _in_the_way(one, "it was replaced meanwhile")
        heard = await hear(content)
    except RecordingError as err:
        return Enrolled(key=one.key, report=None, refusal=err.message)
    except OSError as err:
        return _in_the_way(one, f"{err.strerror}")
    except EngineUnavailableError as err:
        raise EnrolmentError(err.message) from err
    refusal = " ".join(finding.message for finding in heard.report.refusals)
    return Enrolled(key=one.key, report=heard.report, refusal=refusal)


def _in_the_way(one: Wanted, why: str) -> Enrolled:
    refusal = f"A file is in the way: {why}."
    return Enrolled(key=one.key, report=None, refusal=refusal, passing=True)


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()
