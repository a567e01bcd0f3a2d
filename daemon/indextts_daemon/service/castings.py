"""Which voices the household's recordings give to a model: each engine has its own way."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indextts_daemon.speech import ModelInfo, Say, Voice

from .enrolment import EnrolmentProgress
from .studio import require_same
from .versions import revision_in
from .voices import VoiceStore


@dataclass(frozen=True, slots=True)
class IndexTTSCasting:
    """Enrols the recordings for the model in a folder, before it loads and whenever they change."""

    store: VoiceStore
    folder: Path
    content: str  # of the folder, as it was let in
    languages: Sequence[str]

    async def prepare(self, say: Say) -> Mapping[str, object]:
        """Return the options by which a worker knows its voices."""
        return await self.store.prepare(
            self.folder, content=self.content, languages=self.languages, progress=_told(say)
        )

    async def recast(self, _: ModelInfo, say: Say) -> tuple[Voice, ...]:
        """Look anew, enrol what is new, and return them all."""
        return await self.store.recast(
            self.folder, content=self.content, languages=self.languages, progress=_told(say)
        )


@dataclass(frozen=True, slots=True)
class FakeCasting:
    """Gives every good recording a number for its samples, beside the fake's own voices."""

    store: VoiceStore
    folder: Path | None = None
    content: str = ""  # of the folder, as it was let in

    async def prepare(self, _: Say) -> Mapping[str, object]:
        """Return nothing: a voice's handle says all. Raises EngineUnavailableError."""
        if self.folder is not None:
            require_same(await asyncio.to_thread(revision_in, self.folder), self.content)
        return {}

    async def recast(self, info: ModelInfo, say: Say) -> tuple[Voice, ...]:
        """Look anew, and return them all."""
        own = [voice for voice in info.voices if not voice.handle]
        languages = tuple(dict.fromkeys(tag for voice in own for tag in voice.languages))
        return await self.store.fake_cast(own, languages=languages, progress=_told(say))


def _told(say: Say) -> Callable[[EnrolmentProgress], None]:
    def tell(progress: EnrolmentProgress) -> None:
        share = progress.done / progress.total
        say(f"It listens to the recordings of voices: {share:.0%} is done.")

    return tell
