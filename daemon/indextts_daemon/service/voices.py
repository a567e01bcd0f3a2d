"""The voices of the house: which recordings there are, and what a model is told of each.

Derived files are named by all that they depend on: what is there under its name is right. Several
processes may use and add to them; only one that is alone removes any.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
import logging
from pathlib import Path
from typing import IO, Any
import weakref

from indextts_daemon.audio import coach
from indextts_daemon.audio.coach import Report
from indextts_daemon.audio.recording import RecordingError, read_file
from indextts_daemon.posix import locked, share
from indextts_daemon.speech import Voice

from . import enrolled, placing, recordings
from .casting import Cast
from .enrolled import Good, Note
from .enrolment import EnrolmentError, record_reference
from .listening import Progress, listen
from .recordings import BUILT_IN, Kept, Problem, Recording, Shelf
from .studio import FakeStudio, IndexTTSStudio, Studio

LOGGER = logging.getLogger(__name__)

REFERENCE = f"{BUILT_IN}-{version('hibari-tts')}.wav"  # whose voice the built-in one is

LOCK = ".lock"  # shared by all who use the derived files
ROUNDS = 8  # looks at a folder that changes while it is listened to
RELEASE_S = 2.0  # between looks whether another process still uses the derived files


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is in the voices folder."""

    recordings: tuple[Recording, ...]
    problems: tuple[Problem, ...]


class VoiceStore:
    """Looks after the recordings in `folder`, and what was derived from them in `enrolled`."""

    def __init__(self, folder: Path, enrolled: Path) -> None:
        self.folder = folder
        self.known: Mapping[str, Recording] = {}  # by voice, as they were last looked at
        self.problems: tuple[Problem, ...] = ()  # of the folder, then
        self._enrolled = enrolled
        self._turn = asyncio.Lock()
        self._casts: dict[tuple[str, str], Cast] = {}  # by version and revision of the model
        self._fake = FakeStudio()
        self._shelf: Shelf | None = None  # as it was last looked at
        self._lock: IO[bytes] | None = None
        self._is_entered = self._is_tidy = False
        self._good: Good = {}
        self._content_of: dict[str, str] = {}  # by every handle that was told

    def scan(self, *, listen: bool = False) -> Scan:
        """Look at the folder, and tell of each recording what was found in it.

        One that no model was told of yet has nothing to tell, unless this is to `listen` to it.
        """
        notes = enrolled.notes(self._enrolled).values()
        heard = {note.content: (note.report, note.refusal or None) for note in notes}
        while True:
            refused = {content: why for content, (_, why) in heard.items() if why}
            try:
                shelf = recordings.look(self.folder, refused=refused)
            except OSError as err:
                return Scan(recordings=(), problems=(_unreadable(err),))
            new = [one for one in shelf.kept if one.content not in heard]
            if not (listen and new):
                break
            heard |= {one.content: _listened(one) for one in new}
        good = {voice for voices in enrolled.recall(self._enrolled).values() for voice in voices}
        judged = (
            _judged(one, heard.get(one.content), good) for one in (*shelf.kept, *shelf.unread)
        )
        return Scan(recordings=tuple(judged), problems=shelf.problems)

    async def prepare(
        self,
        model: Path,
        *,
        languages: Sequence[str],
        content: str = "",
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Enrol what is new for the model in a folder; return what its worker has to be told.

        These are the options `voices` and `enrolled`. A recording that is no good is left out and
        logged. Unless somebody has looked at the folder since it was asked for that model, it only
        mends what it then had. Raises EngineUnavailableError where no voice is left.
        """
        async with self._turn:
            studio = await asyncio.to_thread(IndexTTSStudio.open, model, content)
            cast = await self._cast(studio, progress, mend=True)
            voices = [_option(voice) for voice in cast.voices(languages)]
            return {"voices": voices, "enrolled": str(self._enrolled)}

    async def recast(
        self,
        model: Path,
        *,
        languages: Sequence[str],
        content: str = "",
        progress: Progress | None = None,
    ) -> tuple[Voice, ...]:
        """Look at the folder anew, and return the voices of the model in a folder.

        Raises EngineUnavailableError.
        """
        async with self._turn:
            studio = await asyncio.to_thread(IndexTTSStudio.open, model, content)
            return (await self._cast(studio, progress)).voices(languages)

    async def fake_cast(
        self, own: Iterable[Voice], *, languages: Sequence[str], progress: Progress | None = None
    ) -> tuple[Voice, ...]:
        """Do as `recast` does for the fake engine, which has voices of its `own`.

        The handle of the others is the number that marks their samples.
        """
        async with self._turn:
            cast = await self._cast(self._fake, progress)
            voices = {voice.id: voice for voice in (*own, *cast.voices(languages))}
            return tuple(voices.values())

    async def settle(self) -> None:
        """End what an earlier process did not come to end in the folder. Raises OSError."""
        async with self._turn:
            await asyncio.to_thread(self._enter)

    async def look(self) -> None:
        """Look at the folder anew, for no model."""
        async with self._turn:
            scan = await asyncio.to_thread(self.scan)
            self._tell({one.id: one for one in scan.recordings}, scan.problems)

    async def release(self, spoken: Callable[[], Iterable[str]]) -> None:
        """Remove what nothing stands behind any more: no recording, and no handle `spoken` with.

        Waits for other processes that use what is derived.
        """
        while True:
            async with self._turn:
                known = map(self._content_of.get, spoken())
                in_use = frozenset(content for content in known if content is not None)
                if await asyncio.to_thread(self._tidied, in_use=in_use):
                    return
            await asyncio.sleep(RELEASE_S)

    async def _cast(self, studio: Studio, progress: Progress | None, *, mend: bool = False) -> Cast:
        """Enrol what is missing. Raises EngineUnavailableError."""
        known = self._casts.get(studio.made)
        try:
            if mend and known is not None and known.shelf == self._shelf:
                cast = await asyncio.to_thread(self._again, known)
                await listen(cast, self._enrolled, progress)
            else:
                cast = await self._anew(studio, progress)
        except OSError as err:
            raise EnrolmentError(f"Voices cannot be kept ({err.strerror}).") from err
        recordings = cast.recordings()
        recordings.pop(BUILT_IN, None)
        self._tell(recordings, cast.shelf.problems)
        self._casts[studio.made] = cast
        contents = cast.contents.values()
        self._content_of |= {studio.identity(content)[1]: content for content in contents}
        return cast

    async def _anew(self, studio: Studio, progress: Progress | None) -> Cast:
        """Look at the folder until all that is there has been listened to."""
        await asyncio.to_thread(self._enter)
        if studio.has_built_in:
            await self._record_reference()
        notes, tried = dict[str, Note](), dict[str, str]()
        for _ in range(ROUNDS):
            cast = await asyncio.to_thread(self._looked, studio, notes, tried)
            if not cast.missing:
                break
            await listen(cast, self._enrolled, progress)
        await asyncio.to_thread(self._remember, cast)
        if not self._is_tidy:
            self._is_tidy = True
            await asyncio.to_thread(self._tidied, studio=studio)
        return cast

    async def _record_reference(self) -> None:
        file = self._enrolled / REFERENCE
        if not await asyncio.to_thread(file.is_file):
            try:
                await record_reference(file)
            except EnrolmentError as err:
                LOGGER.warning("there is no built-in voice: %s", err.message)

    def _looked(self, studio: Studio, notes: dict[str, Note], tried: dict[str, str]) -> Cast:
        """Look, with what is known of recordings for a model so far. Raises EnrolmentError."""
        known = enrolled.notes(self._enrolled)
        own = {key for key, note in known.items() if studio.key(note.content) == key}
        notes |= enrolled.sound(self._enrolled, own - notes.keys())
        refused = {note.content: note.refusal for note in notes.values() if note.refusal}
        try:
            if (
                self._shelf is not None and self._shelf.kept
            ):  # a disk that is gone took no voice away
                self.folder.stat()
            self._shelf = recordings.look(self.folder, refused=refused)
        except OSError as err:
            if self._shelf is not None:
                raise EnrolmentError(_unreadable(err).message, code="voices_unreadable") from err
            self._shelf = Shelf(kept=(), problems=(_unreadable(err),), is_whole=False)
        return Cast(
            studio=studio,
            shelf=self._shelf,
            built_in=self._built_in() if studio.has_built_in else None,
            good=self._good.get(studio.version, {}),
            notes=notes,
            tried=tried,
        )

    def _built_in(self) -> Kept | None:
        with suppress(OSError):
            reference = self._enrolled / REFERENCE
            return recordings.keep(reference, voice=BUILT_IN, name=BUILT_IN.title())
        return None

    def _again(self, cast: Cast) -> Cast:
        """Look only for what a cast had: a worker that is replaced waits for nothing new."""
        had = {cast.studio.key(content) for content in cast.contents.values()}
        refused = {key: note for key, note in cast.notes.items() if note.refusal}
        tried = {key: why for key, why in cast.tried.items() if key not in had}
        return replace(cast, notes=refused | enrolled.sound(self._enrolled, had), tried=tried)

    def _remember(self, cast: Cast) -> None:
        """Write down which recordings are good, and forget those of voices that are gone."""
        there = {one.recording.id for one in (*cast.shelf.kept, *cast.shelf.unread)}
        told = {**self._good, cast.studio.version: cast.contents}
        good = {
            version: {voice: content for voice, content in voices.items() if voice in there}
            for version, voices in told.items()
        }
        if not cast.shelf.is_whole or good == self._good:
            return
        self._good = good
        try:
            enrolled.remember(self._enrolled, good)
        except OSError as err:
            LOGGER.warning("which recordings are good cannot be kept: %s", err.strerror)

    def _tell(self, known: Mapping[str, Recording], problems: Sequence[Problem]) -> None:
        """Let others know what is there, and log what is wrong since the last look."""
        for problem in problems:
            if problem not in self.problems:
                LOGGER.warning("voices: %s", problem.message)
        for voice, one in known.items():
            if one.stale and self.known.get(voice) != one:
                LOGGER.warning("voice %s stays as it was: %s", voice, one.refusal)
        self.known, self.problems = known, tuple(problems)

    def _enter(self) -> None:
        """Keep others from tidying for as long as this lives, and end what nobody else will.

        Raises OSError.
        """
        if self._is_entered:
            return
        self._enrolled.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._is_entered = True
        self._good = enrolled.recall(self._enrolled)
        with suppress(OSError):  # of a disk that only can be read, or knows no locks: no tidying
            self._lock = (self._enrolled / LOCK).open("ab")
            weakref.finalize(self, self._lock.close)
            self._if_alone(self._lock, lambda: placing.settle(self.folder))

    def _tidied(
        self, *, in_use: frozenset[str] = frozenset(), studio: Studio | None = None
    ) -> bool:
        """Tidy, unless another process uses what is derived; return whether that is done."""
        return self._lock is None or self._if_alone(self._lock, lambda: self._tidy(in_use, studio))

    def _if_alone(self, lock: IO[bytes], do: Callable[[], None]) -> bool:
        """Do it while nobody else uses what is derived; return whether nobody does."""
        try:
            if not locked(lock):
                return False
            do()
        except OSError as err:
            LOGGER.warning("what is left of old voices stays: %s", err.strerror)
        finally:
            share(lock)
        return True

    def _tidy(self, in_use: frozenset[str], studio: Studio | None) -> None:
        """Remove what nothing stands behind; of a `studio`, also what other weights made.

        Raises OSError, and has then removed nothing.
        """
        good = (content for voices in self._good.values() for content in voices.values())
        contents = {*in_use, *good, *recordings.look(self.folder).contents}
        if (built_in := self._built_in()) is not None:
            contents.add(built_in.content)
        live = {
            key
            for key, note in enrolled.notes(self._enrolled).items()
            if note.content in contents
            and not (studio and note.version == studio.version and key != studio.key(note.content))
        }
        enrolled.tidy(self._enrolled, live=live, keep={REFERENCE, LOCK, enrolled.GOOD})


def _option(voice: Voice) -> dict[str, Any]:
    """Describe a voice to a worker that starts."""
    return {
        "id": voice.id,
        "name": voice.name,
        "languages": list(voice.languages),
        "revision": voice.revision,
        "moods": dict(voice.moods),
        "key": voice.handle,
    }


def _judged(
    kept: Kept, heard: tuple[Report | None, str | None] | None, good: set[str]
) -> Recording:
    one = kept.recording
    if heard is not None:
        one = replace(one, report=heard[0], refusal=heard[1])
    return replace(one, stale=one.refusal is not None and one.id in good)


def _listened(kept: Kept) -> tuple[Report | None, str | None]:
    try:
        report, _ = coach.examine(read_file(kept.file))
    except RecordingError as err:
        return None, err.message
    except OSError as err:
        return None, f"It cannot be read ({err.strerror})."
    return report, " ".join(finding.message for finding in report.refusals) or None


def _unreadable(err: OSError) -> Problem:
    message = f"The voices folder cannot be read ({err.strerror})."
    return Problem(file="voices", message=message)
