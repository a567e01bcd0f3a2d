"""How long it takes from an edit to its sound: somebody speaks without pause until it is heard."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
import time

import yaml

from indextts_daemon.engines.fake import crc_of
from tests.daemon.household import House, Household, living_in
from tests.daemon.reloads import BEGINNING, Tags, put_in_place, recording
from tests.daemon.spoken import (
    MOOD,
    WORD,
    Line,
    emotion_of,
    lexicon_document,
    moods_document,
    own_tag,
    saying,
    version_options,
)

PEOPLE = 3  # the first speaks English, the second German
ANNA = "anna"
LATEST_S = 60.0  # after which nobody expects it any more
Frame = tuple[int, int, int]  # voice, words and version, as the samples have them


@dataclass(kw_only=True)
class Ear:
    """Edits one thing after the other, and listens."""

    home: Household
    _edition: int = 0  # of whatever was edited last
    _model: int = 1
    _tags: Tags = field(default_factory=Tags)
    _version: str = "main"

    @property
    def ways(self) -> Mapping[str, Callable[[], Awaitable[float]]]:
        """What can be edited; each returns the seconds until it was heard."""
        return {
            "settings": self.settings,
            "voice": self.voice,
            "mood": self.mood,
            "lexicon": self.lexicon,
            "model activated": self.activate,
            "model files replaced": self.replace_files,
        }

    async def settings(self) -> float:
        """Change the household's language: who names no voice is spoken to by another."""
        settings = self.home.house.settings
        seat = 1 if settings["language"] == "en" else 0
        settings["language"] = "de" if seat else "en"
        edited_at = await self._write("settings.yaml", yaml.safe_dump(settings))
        line = Line(sentences=("OK.",), seat=0, by_anybody=True)
        return await self._heard(line, (self._tag(seat), crc_of(0, "OK."), self._model), edited_at)

    async def voice(self) -> float:
        """Put another recording in the place of a voice's."""
        content = recording(self._next())
        edited_at = await self._write(f"voices/{ANNA}.wav", content)
        line = Line(sentences=("This is Anna.",), seat=0, recorded=ANNA)
        expected = self._tags.of(content), crc_of(0, "This is Anna."), self._model
        return await self._heard(line, expected, edited_at)

    async def mood(self) -> float:
        """Change how a mood feels."""
        edition = self._next()
        edited_at = await self._write("moods.yaml", moods_document(edition))
        line = Line(sentences=("All is well.",), seat=0, mood=MOOD)
        crc = crc_of(0, "All is well.", emotion_of(edition))
        return await self._heard(line, (self._tag(0), crc, self._model), edited_at)

    async def lexicon(self) -> float:
        """Change how a word is said."""
        edition = self._next()
        edited_at = await self._write("lexicon.yaml", lexicon_document(edition))
        line = Line(sentences=(f"{WORD} is here.",), seat=0)
        crc = crc_of(0, f"{saying(edition)} is here.")
        return await self._heard(line, (self._tag(0), crc, self._model), edited_at)

    async def activate(self) -> float:
        """Activate another version, and wait for no answer to that."""
        self._version = "b" if self._version == "main" else "main"
        self._put_version()
        wanted = {"version": self._version}
        edited_at = time.time()
        await self.home.ask("POST", "/v1/models/fake/activate", 202, json=wanted)
        return await self._speaks(edited_at)

    async def replace_files(self) -> float:
        """Put other files in the place of the version that speaks."""
        self._put_version()
        return await self._speaks(time.time())

    def furnish(self) -> None:
        """Put there what is spoken with at first."""
        house = self.home.house
        house.version("main", version_options(self._model, people=PEOPLE))
        put_in_place(house.data_dir / "moods.yaml", moods_document(0))
        put_in_place(house.data_dir / "voices" / f"{ANNA}.wav", recording(0))

    async def _speaks(self, edited_at: float) -> float:
        line = Line(sentences=("Here I am.",), seat=0)
        expected = self._tag(0), crc_of(0, "Here I am."), self._model
        return await self._heard(line, expected, edited_at)

    async def _heard(self, line: Line, expected: Frame, edited_at: float) -> float:
        """Speak until the first sample is as expected, and return when that came."""
        async with asyncio.timeout(LATEST_S):
            while True:
                answer = await self.home.speak(line)
                if tuple(answer.samples[:3].tolist()) == expected:
                    return answer.asked_at + answer.first_s - edited_at

    async def _write(self, name: str, content: str | bytes) -> float:
        await asyncio.to_thread(put_in_place, self.home.house.data_dir / name, content)
        return time.time()

    def _put_version(self) -> None:
        self._model = self._next() + 1
        self.home.house.version(self._version, version_options(self._model, people=PEOPLE))

    def _tag(self, seat: int) -> int:
        return own_tag(self._model, seat)

    def _next(self) -> int:
        self._edition += 1
        return self._edition


@asynccontextmanager
async def listening_in(data_dir: Path) -> AsyncIterator[Ear]:
    """Run a daemon with all that can be edited, and listen there."""
    house = House(data_dir, BEGINNING)
    async with living_in(house) as home:
        ear = Ear(home=home)
        ear.furnish()
        with house:
            home.move_in()
            yield ear
