"""Who speaks with which recording, as one model has them: the good one, or the last that was."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
import logging

from indextts_daemon.speech import Voice
from indextts_daemon.text.language import match

from .enrolled import Note
from .recordings import Kept, Recording, Shelf
from .studio import Studio

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """What is to be known of each recording by one model."""

    studio: Studio
    shelf: Shelf  # of the folder
    built_in: Kept | None = None
    good: Mapping[str, str]  # by voice, the content that was good when this was begun
    notes: dict[str, Note] = field(default_factory=dict)  # by key, as far as it has come
    tried: dict[str, str] = field(default_factory=dict)  # keys not to be tried again, and why

    @property
    def missing(self) -> dict[str, Kept]:
        """What there is no note of yet, by key."""
        keys = {self.studio.key(one.content): one for one in self._kept if one.content}
        return {key: one for key, one in keys.items() if key not in {*self.notes, *self.tried}}

    @property
    def contents(self) -> dict[str, str]:
        """The content that each voice speaks with."""
        return {voice: content for voice, (_, content) in self._speakers().items()}

    def refused(self) -> dict[str, str]:
        """Return the contents that are no good, and why."""
        return {note.content: note.refusal for note in self.notes.values() if note.refusal}

    def recordings(self) -> dict[str, Recording]:
        """Return what is known of every voice in the folder."""
        found = {one.recording.id: self._judged(one) for one in self._kept}
        return found | {voice: recording for voice, (recording, _) in self._speakers().items()}

    def voices(self, languages: Sequence[str]) -> tuple[Voice, ...]:
        """Describe the voices of a model that speaks these languages."""
        return tuple(self._told(languages))

    @property
    def _kept(self) -> Iterator[Kept]:
        if self.built_in is not None:
            yield self.built_in
        yield from self.shelf.kept
        yield from self.shelf.unread

    def _told(self, languages: Sequence[str]) -> Iterator[Voice]:
        speakers = self._speakers()
        for voice, (recording, content) in speakers.items():
            matches = [match(tag, languages) for tag in recording.languages]
            spoken = tuple(tag for tag in dict.fromkeys(matches) if tag is not None)
            if recording.languages and not spoken:
                LOGGER.warning(
                    "voice %s is left out: the model speaks none of its languages", voice
                )
                continue
            revision, handle = self.studio.identity(content)
            yield Voice(
                id=voice,
                name=recording.name,
                languages=spoken or tuple(languages),
                models=(self.studio.model,),
                revision=revision,
                moods=tuple((mood, other) for mood, other in recording.moods if other in speakers),
                handle=handle,
            )

    def _speakers(self) -> dict[str, tuple[Recording, str]]:
        """Return each voice's recording, and the content it speaks with."""
        found: dict[str, tuple[Recording, str]] = {}
        for one in self._kept:
            voice = one.recording.id
            recording = self._judged(one)
            if self._note(one.content, good=True) is not None:
                found[voice] = recording, one.content
            elif (last := self._note(before := self.good.get(voice, ""), good=True)) is not None:
                found[voice] = replace(recording, report=last.report, stale=True), before
        return found

    def _judged(self, one: Kept) -> Recording:
        note = self._note(one.content)
        if note is None:
            why = self.tried.get(self.studio.key(one.content), one.recording.refusal)
            return replace(one.recording, refusal=why)
        return replace(one.recording, report=note.report, refusal=note.refusal or None)

    def _note(self, content: str, *, good: bool = False) -> Note | None:
        note = self.notes.get(self.studio.key(content)) if content else None
        return None if note is None or (good and note.refusal) else note
