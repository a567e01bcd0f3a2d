"""The voices of the house: which recordings there are, and what a model is told of each.

Derived files are named by all that they depend on: what is there under its name is right. Several
processes may use and add to them; only one that is alone removes any.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
import hashlib
from importlib.metadata import version
import logging
from pathlib import Path
from typing import Any
import weakref

from indextts_daemon.audio import coach
from indextts_daemon.audio.recording import RecordingError, read_file
from indextts_daemon.checkpoints.layout import Found, find
from indextts_daemon.checkpoints.revision import revision_of
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.posix import locked, share
from indextts_daemon.text.language import match

from . import enrolled, recordings
from .enrolled import Note
from .enrolment import Enrolled, EnrolmentError, EnrolmentProgress, Wanted, enrol, record_reference
from .recordings import BUILT_IN, Kept, Problem, Recording

LOGGER = logging.getLogger(__name__)

ENROLMENT_VERSION = 2  # raised when the same recording and weights would give another voice file
REFERENCE = f"{BUILT_IN}-{version('hibari-tts')}.wav"  # whose voice the built-in one is

LOCK = ".lock"  # shared by all who use the derived files
LIVES = 3  # processes that recordings may end before the rest is given up

Progress = Callable[[EnrolmentProgress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is in the voices folder."""

    recordings: tuple[Recording, ...]
    problems: tuple[Problem, ...]


class VoiceStore:
    """Looks after the recordings in `folder`, and what was derived from them in `enrolled`."""

    def __init__(self, folder: Path, enrolled: Path) -> None:
        self._folder = folder
        self._enrolled = enrolled
        self._turn = asyncio.Lock()
        self._plans: dict[tuple[str, str], _Plan] = {}  # by version and revision of the model
        self._in_use = False

    def scan(self, *, listen: bool = False) -> Scan:
        """Look at the folder, and tell of each recording what was found in it.

        One that no model was told of yet has nothing to tell, unless this is to `listen` to it.
        """
        shelf = recordings.look(self._folder)
        heard = {note.content: note for note in enrolled.notes(self._enrolled).values()}
        judged = [_judged(kept, heard.get(kept.content)) for kept in shelf.kept]
        if listen:
            judged = [
                _listened(kept) if one.report is None and one.refusal is None else one
                for kept, one in zip(shelf.kept, judged, strict=True)
            ]
        return Scan(recordings=tuple(judged), problems=shelf.problems)

    async def prepare(
        self, model: Path, *, languages: Sequence[str], progress: Progress | None = None
    ) -> dict[str, Any]:
        """Enrol what is new for the model in a folder; return what its worker has to be told.

        These are the options `voices` and `enrolled`. A recording that is no good is left out and
        logged. Once it was asked for a model, it only mends what it then had. Raises
        EngineUnavailableError where no voice is left.
        """
        async with self._turn:
            found, revision = await asyncio.to_thread(_open, model)
            made = found.version, revision
            try:
                if (plan := self._plans.get(made)) is not None:
                    plan = await asyncio.to_thread(self._again, plan)
                    await self._enrol(model, plan, progress)
                else:
                    plan = await self._first(model, *made, progress=progress)
            except OSError as err:
                raise EnrolmentError(f"Voices cannot be kept ({err.strerror}).") from err
            self._plans[made] = plan
            return {"voices": plan.told(languages), "enrolled": str(self._enrolled)}

    async def _first(
        self, model: Path, version: str, revision: str, *, progress: Progress | None
    ) -> "_Plan":
        await asyncio.to_thread(self._enrolled.mkdir, mode=0o700, parents=True, exist_ok=True)
        await self._record_reference()
        plan = await asyncio.to_thread(self._plan, version, revision)
        if plan.missing:
            await self._enrol(model, plan, progress)
            plan = replace(plan, kept=await asyncio.to_thread(self._look))
            await self._enrol(model, plan, progress)  # what was replaced meanwhile
        return plan

    async def _record_reference(self) -> None:
        file = self._enrolled / REFERENCE
        if not await asyncio.to_thread(file.is_file):
            try:
                await record_reference(file)
            except EnrolmentError as err:
                LOGGER.warning("there is no built-in voice: %s", err.message)

    def _plan(self, version: str, revision: str) -> "_Plan":
        """Look at what there is, and remove what nothing stands behind any more."""
        plan = _Plan(version=version, revision=revision, kept=self._look())
        keys = {one.content: plan.key(one) for one in plan.kept}
        if not self._in_use:
            keep = {REFERENCE, LOCK}
            tidy = partial(enrolled.tidy, self._enrolled, wanted=keys, version=version, keep=keep)
            self._use(tidy)
        plan.notes.update(enrolled.sound(self._enrolled, keys.values()))
        return plan

    def _look(self) -> tuple[Kept, ...]:
        shelf = recordings.look(self._folder)
        for problem in shelf.problems:
            LOGGER.warning("voices: %s", problem.message)
        with suppress(OSError):
            reference = self._enrolled / REFERENCE
            return recordings.keep(reference, voice=BUILT_IN, name=BUILT_IN.title()), *shelf.kept
        return shelf.kept

    def _use(self, tidy: Callable[[], None]) -> None:
        """Keep others from tidying for as long as this lives; `tidy` first if nobody else does."""
        self._in_use = True
        with suppress(OSError):  # of a disk that only can be read, or knows no locks: no tidying
            lock = (self._enrolled / LOCK).open("ab")
            weakref.finalize(self, lock.close)
            if locked(lock):
                tidy()
            share(lock)

    def _again(self, plan: "_Plan") -> "_Plan":
        """Look only for what a plan had: a worker that is replaced waits for nothing new."""
        had = {plan.key(one): one for one in plan.kept if plan.has(one)}
        sound = enrolled.sound(self._enrolled, had)
        tried = {plan.key(one) for one in plan.kept} - had.keys()
        return replace(plan, notes=sound, tried=tried)

    async def _enrol(self, model: Path, plan: "_Plan", progress: Progress | None) -> None:
        """Enrol what is missing. Raises EngineUnavailableError where no voice is left."""
        try:
            await self._listen(model, plan, progress or (lambda _: None))
        except EnrolmentError as err:
            if not any(plan.has(one) for one in plan.kept):
                raise
            LOGGER.warning("not every voice could be enrolled: %s", err.message)

    async def _listen(self, model: Path, plan: "_Plan", progress: Progress) -> None:
        """Enrol what is missing, in one process unless a recording ends it."""
        missing = plan.missing
        plan.tried.update(missing)
        for _ in range(LIVES):
            if missing:
                await self._run(model, plan, missing, progress)
        if missing:
            raise EnrolmentError("Several recordings ended the process that listens to them.")

    async def _run(
        self, model: Path, plan: "_Plan", missing: dict[str, Kept], progress: Progress
    ) -> None:
        """Take out of `missing` what is enrolled, and what ended the process."""
        wanted = [
            Wanted(voice=one.recording.id, key=key, file=one.file, content=one.content)
            for key, one in missing.items()
        ]
        at: str | None = None
        try:
            async with aclosing(enrol(model, plan.revision, self._enrolled, wanted)) as heard:
                async for message in heard:
                    at = None if isinstance(message, Enrolled) else message.key
                    if isinstance(message, Enrolled):
                        await self._note(plan, message, missing.pop(message.key))
                    else:
                        progress(message)
        except EnrolmentError:
            if at is not None:
                LOGGER.warning("voice %s could not be enrolled", missing.pop(at).recording.id)
            elif missing:
                raise

    async def _note(self, plan: "_Plan", heard: Enrolled, kept: Kept) -> None:
        note = Note(
            content=kept.content,
            version=plan.version,
            sha256=heard.sha256,
            refusal=heard.refusal,
            report=heard.report,
        )
        plan.notes[heard.key] = note
        voice, report = kept.recording.id, heard.report
        if heard.refusal:
            LOGGER.warning("voice %s is left out: %s", voice, heard.refusal)
        else:
            LOGGER.info("voice %s is enrolled: %s", voice, report.words if report else "")
        if heard.passing:
            return
        try:
            await asyncio.to_thread(note.write, self._enrolled, heard.key)
        except OSError as err:
            raise EnrolmentError(f"Voices cannot be kept ({err.strerror}).") from err


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is to be known of each recording by one model."""

    version: str
    revision: str
    kept: tuple[Kept, ...]
    notes: dict[str, Note] = field(default_factory=dict)  # by key, as far as it has come
    tried: set[str] = field(default_factory=set)  # keys that are not to be tried again

    @property
    def missing(self) -> dict[str, Kept]:
        """What there is no note of yet, by key."""
        keys = {self.key(one): one for one in self.kept}
        return {key: one for key, one in keys.items() if key not in {*self.notes, *self.tried}}

    def key(self, kept: Kept) -> str:
        """Name a voice's file by all that it depends on."""
        told = f"{ENROLMENT_VERSION}/{self.revision}/{kept.content}"
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    def has(self, kept: Kept) -> bool:
        """Whether there is a voice of this recording."""
        note = self.notes.get(self.key(kept))
        return note is not None and not note.refusal

    def told(self, languages: Sequence[str]) -> list[dict[str, Any]]:
        """Describe the voices to a worker."""
        voices = {one.recording.id: one for one in self.kept if self.has(one)}
        told = []
        for voice, kept in voices.items():
            recording, key = kept.recording, self.key(kept)
            matches = [match(tag, languages) for tag in recording.languages]
            spoken = [tag for tag in dict.fromkeys(matches) if tag is not None]
            if recording.languages and not spoken:
                LOGGER.warning(
                    "voice %s is left out: the model speaks none of its languages", voice
                )
                continue
            told.append(
                {
                    "id": voice,
                    "name": recording.name,
                    "languages": spoken or list(languages),
                    "revision": key[:16],
                    "moods": {mood: other for mood, other in recording.moods if other in voices},
                    "key": key,
                }
            )
        return told


def _open(model: Path) -> tuple[Found, str]:
    """Find a model and name its weights. Raises EngineUnavailableError."""
    found = find(model)
    try:
        return found, revision_of(found)
    except OSError as err:
        raise EngineUnavailableError(f"The model cannot be read ({err.strerror}).") from err


def _judged(kept: Kept, note: Note | None) -> Recording:
    if note is None:
        return kept.recording
    return replace(kept.recording, report=note.report, refusal=note.refusal or None)


def _listened(kept: Kept) -> Recording:
    try:
        report, _ = coach.examine(read_file(kept.file))
    except RecordingError as err:
        return replace(kept.recording, refusal=err.message)
    except OSError as err:
        return replace(kept.recording, refusal=f"It cannot be read ({err.strerror}).")
    refusal = " ".join(finding.message for finding in report.refusals)
    return replace(kept.recording, report=report, refusal=refusal or None)
