"""The voices scope: looks at the folder anew, and puts recordings there or takes them away."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
import logging

from indextts_daemon.checkpoints.layout import LayoutError
from indextts_daemon.errors import (
    EngineUnavailableError,
    Problem,
    SettingsError,
    SpeechError,
    VoiceNotFoundError,
)
from indextts_daemon.speech import Voice

from . import sidecars
from .generation import Generation, Generations
from .hearing import Heard
from .models import Model
from .operations import Running
from .placing import Placing
from .recordings import BUILT_IN, files_of
from .reloading import Change
from .sidecars import SIDECAR, Stated
from .studio import ChangedError
from .voices import VoiceStore

LOGGER = logging.getLogger(__name__)

LET_GO_S = 5.0  # that a refusal waits for what was made of the refused recording to be removed

Cast = Mapping[Model, tuple[Voice, ...]]


async def _told_nobody() -> None:
    """Nobody watches the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddVoice:
    """A recording that is to be a new voice."""

    voice: str
    heard: Heard
    stated: Stated


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceVoice:
    """A recording that is to take the place of a voice's."""

    voice: str
    heard: Heard
    stated: Stated
    match: frozenset[str] | None = None  # revisions, one of which the voice must have


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVoice:
    """A voice that is to be forgotten, with all that was derived from it."""

    voice: str
    match: frozenset[str] | None = None


VoicesWish = AddVoice | ReplaceVoice | DeleteVoice


class VoicesScope:
    """Keeps the voices of the current generation those of the folder."""

    name = "voices"

    def __init__(
        self,
        store: VoiceStore,
        generations: Generations,
        *,
        written: Callable[[], Awaitable[None]] = _told_nobody,
    ) -> None:
        """`written` is told when this has changed the folder, for whoever watches it."""
        self._store = store
        self._generations = generations
        self._written = written
        self._releasing: asyncio.Task[None] | None = None
        self._may_release = False  # there may be more of which to let go
        self._changed: tuple[str, ...] = ()  # of models whose files are others than they speak with

    @property
    def is_behind(self) -> bool:
        """Whether a model kept its voices because its files were not its own."""
        return bool(self._changed)

    async def stage(self, wish: object, running: Running) -> Change | None:
        """Look at the folder, or change it as it is wished. Raises SpeechError."""
        match wish:
            case None:
                cast = await self._recast(running)
                if self._tell(cast, running):
                    return self._change(cast)
                if wrong := self._wrong():
                    raise SettingsError(wrong[0].message, code="voices_invalid", problems=wrong)
                return None
            case AddVoice() | ReplaceVoice() | DeleteVoice():
                return await self._placed(wish, running)
        raise TypeError(type(wish))

    async def _placed(
        self, wish: AddVoice | ReplaceVoice | DeleteVoice, running: Running
    ) -> Change:
        placing = await self._placing(wish)
        try:
            await asyncio.to_thread(placing.begin)
        except OSError as err:
            raise _not_kept(err) from err
        try:
            await self._written()
            running.say("The recording is listened to.")
            cast = await self._recast(running)
            if not isinstance(wish, DeleteVoice):
                self._require_voice(wish, cast)
        except SpeechError:
            await asyncio.shield(self._put_back(placing))
            await self._look_again(running)
            raise
        except BaseException:
            await asyncio.shield(self._put_back(placing))
            raise
        try:
            await asyncio.to_thread(placing.keep)
        except OSError as err:
            LOGGER.warning("the recording before is not removed yet: %s", err.strerror)
        self._tell(cast, running)
        return self._change(cast)

    async def _placing(self, wish: VoicesWish) -> Placing:
        """Say which files are to come and go. Raises SpeechError."""
        voice, folder = wish.voice, self._store.folder
        try:
            await self._store.settle()
            there = await asyncio.to_thread(files_of, folder, voice)
        except OSError as err:
            raise _not_kept(err) from err
        if isinstance(wish, AddVoice):
            self._require_new(voice, there)
        else:
            self._require_there(wish, there)
        if isinstance(wish, DeleteVoice):
            return Placing(folder=folder, put={}, drop=there)
        if refusals := wish.heard.report.refusals:
            message = " ".join(one.message for one in refusals)
            raise SettingsError(message, code=refusals[0].code, param="audio")
        today = datetime.now().astimezone().date()
        said = await asyncio.to_thread(sidecars.written, folder, voice, wish.stated, today=today)
        put = {f"{voice}{wish.heard.suffix}": wish.heard.content, f"{voice}{SIDECAR}": said}
        return Placing(folder=folder, put=put, drop=there)

    def _require_new(self, voice: str, there: Iterable[str]) -> None:
        if not any(there) and (voice == BUILT_IN or voice in self._revisions()):
            raise SettingsError(
                f"The voice {voice} comes with the daemon. Choose another id.",
                code="voice_exists",
                param="id",
            )
        if any(there):
            raise SettingsError(
                f"There is a voice {voice} already. Choose another id, or replace it.",
                code="voice_exists",
                param="id",
            )

    def _require_there(self, wish: ReplaceVoice | DeleteVoice, there: Iterable[str]) -> None:
        revisions = self._revisions().get(wish.voice, set())
        if any(there) and (known := self._store.known.get(wish.voice)) is not None:
            revisions.add(known.revision)
        if not any(there):
            if revisions or wish.voice == BUILT_IN:
                raise SettingsError(
                    f"The voice {wish.voice} comes with the daemon: it stays as it is.",
                    code="voice_protected",
                    param="id",
                )
            raise VoiceNotFoundError(
                "There is no such voice. GET /v1/voices lists them.", param="id"
            )
        if wish.match is not None and not wish.match & {*revisions, "*"}:
            raise SettingsError(
                f"Somebody has changed the voice {wish.voice} since you read it. Read it again.",
                code="precondition_failed",
            )

    def _revisions(self) -> dict[str, set[str]]:
        """Return the revisions of every voice that there is now."""
        found: dict[str, set[str]] = {}
        for voice in _voices(self._generations.current):
            found.setdefault(voice.id, set()).add(voice.revision)
        return found

    def _require_voice(self, wish: AddVoice | ReplaceVoice, cast: Cast) -> None:
        """Raise SettingsError unless the recording has become a voice, if it can."""
        known = self._store.known.get(wish.voice)
        if known is None or known.revision != wish.heard.sha256[:16]:
            raise SettingsError("The recording was taken away meanwhile. Try again.")
        if known.refusal is not None:
            raise SettingsError(known.refusal, code="enrolment_failed", param="audio")
        if cast and not any(voice.id == wish.voice for voices in cast.values() for voice in voices):
            raise SettingsError(
                "The model speaks none of the languages that the voice is to speak.",
                code="unsupported_language",
                param="languages",
            )

    async def _put_back(self, placing: Placing) -> None:
        try:
            await asyncio.to_thread(placing.put_back)
            await self._written()
        except OSError as err:
            LOGGER.error("the recording before is not back yet: %s", err.strerror)  # noqa: TRY400

    async def _look_again(self, running: Running) -> None:
        """Know again what is there, and leave nothing of what was refused."""
        with suppress(SpeechError, TimeoutError):
            await self._recast(running)
            async with asyncio.timeout(LET_GO_S):
                await self._release()

    async def _recast(self, running: Running) -> Cast:
        """Return the voices of every model that has been loaded and can use recordings."""
        generation = self._generations.current
        cast: dict[Model, tuple[Voice, ...]] = {}
        changed: dict[Model, EngineUnavailableError] = {}
        for model in generation.models.values():
            if model.recast is not None and (info := generation.info(model)) is not None:
                try:
                    cast[model] = await model.recast(running.say)
                except (ChangedError, LayoutError) as err:
                    cast[model], changed[model] = info.voices, err
        self._changed = tuple(
            f"The voices of {model.id} stay as they are. {err.message}"
            for model, err in changed.items()
        )
        if changed and changed.keys() == cast.keys():
            raise next(iter(changed.values()))
        if not cast:
            await self._store.look()
        return cast

    def _wrong(self) -> tuple[Problem, ...]:
        """Return what is wrong in the folder."""
        wrong = {*self._changed, *(problem.message for problem in self._store.problems)}
        for voice, known in self._store.known.items():
            if known.refusal is not None:
                what = "stays as it was" if known.stale else "is left out"
                wrong.add(f"The voice {voice} {what}: {known.refusal}")
        return tuple(Problem(message=message) for message in sorted(wrong))

    def _tell(self, cast: Cast, running: Running) -> bool:
        """Add to the operation what has become of voices; return whether anything has."""
        current = self._generations.current
        before, after = _by_id(current, cast, old=True), _by_id(current, cast, old=False)
        running.detail(
            added=sorted(after.keys() - before.keys()),
            changed=sorted(
                id_ for id_ in after.keys() & before.keys() if after[id_] != before[id_]
            ),
            removed=sorted(before.keys() - after.keys()),
            stale=sorted(voice for voice, known in self._store.known.items() if known.stale),
        )
        running.warn(self._wrong())
        return before != after

    def _change(self, cast: Cast) -> Change:
        def apply(generation: Generation) -> Generation:
            voices = {**generation.voices, **cast}
            here = {model: voices[model] for model in generation.models.values() if model in voices}
            return replace(generation, voices=here)

        return Change(apply=apply, after=self._release)

    async def _release(self) -> None:
        """Have let go of what nobody speaks with any more; who gives up waiting ends nothing."""
        self._may_release = True
        if self._releasing is None or self._releasing.done():
            self._releasing = asyncio.create_task(self._let_go())
        await asyncio.shield(self._releasing)

    async def _let_go(self) -> None:
        """Let go of what older generations were spoken with, once they have passed."""
        while self._may_release:
            self._may_release, number = False, 0
            while number != self._generations.current.number:
                number = self._generations.current.number
                await self._generations.passed(number)
            await self._store.release(
                lambda: [voice.handle for voice in _voices(self._generations.current)]
            )


def _voices(generation: Generation) -> list[Voice]:
    infos = (generation.info(model) for model in generation.models.values())
    return [voice for info in infos if info is not None for voice in info.voices]


def _by_id(generation: Generation, cast: Cast, *, old: bool) -> dict[str, set[tuple[str, Voice]]]:
    """Return every voice of the models in a cast, with whose it is, as it is or as it will be."""
    found: dict[str, set[tuple[str, Voice]]] = {}
    for model, voices in cast.items():
        info = generation.info(model)
        for voice in (info.voices if info is not None else ()) if old else voices:
            found.setdefault(voice.id, set()).add((model.id, voice))
    return found


def _not_kept(err: OSError) -> SettingsError:
    return SettingsError(f"The voice cannot be kept ({err.strerror}).", code="voice_not_kept")
