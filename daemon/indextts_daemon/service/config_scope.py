"""How settings change while the house is talking: read, check, make ready, and only then commit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from indextts_daemon.config import Loaded, Settings, changes
from indextts_daemon.errors import Problem, SettingsError, SpeechError
from indextts_daemon.history import Version

from .generation import Generation, Generations
from .operations import Running
from .reloading import Change
from .settings_file import SettingsFile

# Makes ready what the settings ask for; None where nothing needs to be. Raises SpeechError.
Restage = Callable[[Settings, Running], Awaitable[Change | None]]
Written = Callable[[bytes], Awaitable[None]]


async def _told_nobody(_: bytes) -> None:
    """Nobody watches the file."""


@asynccontextmanager
async def _given_up_on_error(change: Change | None) -> AsyncIterator[None]:
    """Let go of what was made ready if what is inside fails."""
    try:
        yield
    except BaseException:
        if change is not None:
            await change.give_up()
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigWish:
    """A document that is to be the settings."""

    text: str
    dry: bool = False  # only look whether it could be
    match: frozenset[str] | None = None  # marks, one of which what is written now must have
    back_to: Version | None = None  # the version that it is, if this is a step back


class ConfigScope:
    """The scope `config`: the file as it is, or a document that somebody sends."""

    name = "config"

    def __init__(
        self,
        file: SettingsFile,
        generations: Generations,
        restage: Restage,
        *,
        written: Written = _told_nobody,
    ) -> None:
        """`written` is told what this wrote, for whoever watches the file."""
        self._file = file
        self._generations = generations
        self._restage = restage
        self._written = written

    async def stage(self, wish: object, running: Running) -> Change | None:
        """Make ready what is wished, or what the file says. Raises SpeechError."""
        if isinstance(wish, ConfigWish):
            return await self._from_wish(wish, running)
        try:
            change = await self._from_file(running)
        except SpeechError as err:
            known = err.problems if isinstance(err, SettingsError) else ()
            self._file.problems = known or (Problem(message=err.message),)
            raise
        self._file.problems = ()
        return change

    async def _from_file(self, running: Running) -> Change | None:
        text = await asyncio.to_thread(self._file.reread)
        loaded = await asyncio.to_thread(self._file.source.read, text)
        change = await self._staged(loaded, running)
        async with _given_up_on_error(change):
            await asyncio.to_thread(self._file.remember, text)
        return change

    async def _from_wish(self, wish: ConfigWish, running: Running) -> Change | None:
        if wish.match is not None:
            await self._require_match(wish.match)
        seen = await asyncio.to_thread(self._file.etag)
        loaded = await asyncio.to_thread(self._file.source.read, wish.text)
        if wish.dry:
            self._tell(loaded, running)
            return None
        change = await self._staged(loaded, running)
        async with _given_up_on_error(change):
            if wish.match is not None and seen is not None:  # staging may have taken minutes
                await self._require_match(frozenset({seen}))
            await asyncio.to_thread(self._file.write, wish.text)
            self._file.problems = ()
            await self._written(wish.text.encode())
            await asyncio.to_thread(self._file.remember, wish.text, back_to=wish.back_to)
        return change

    async def _require_match(self, marks: frozenset[str]) -> None:
        now = await asyncio.to_thread(self._file.etag)
        if "*" not in marks and now not in marks:
            raise SettingsError(
                "Somebody has changed the settings since you read them. Read them again.",
                code="precondition_failed",
            )

    def _tell(self, loaded: Loaded, running: Running) -> frozenset[str]:
        """Note which settings differ, and which of the document's do not count."""
        changed = changes(self._generations.current.settings, loaded.settings)
        running.detail(changed=sorted(changed), shadowed=list(loaded.shadowed))
        return changed

    async def _staged(self, loaded: Loaded, running: Running) -> Change | None:
        if not self._tell(loaded, running):
            return None
        change = await self._restage(loaded.settings, running)
        if change is None:
            return Change(apply=lambda now: replace(now, settings=loaded.settings))
        apply = change.apply

        def applied(now: Generation) -> Generation:
            return replace(apply(now), settings=loaded.settings)

        return replace(change, apply=applied)
