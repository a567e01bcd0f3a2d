"""What a house was told, and so what it has to be after whatever cut it off: the old or the new."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
import io
from typing import Any
import wave

import aiohttp
import numpy as np

from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.house import LEXICON, MOODS, SETTINGS, VERSIONS, ask, taken
from tests.daemon.recordings import RATE, encoded, heart

LEAST = 10  # places in the queue, for edition 0
SPEEDS = (0.9, 1.0, 1.1, 1.2)
BROKEN = (aiohttp.ClientError, ConnectionError)

Send = Callable[[aiohttp.ClientSession, Any], Awaitable[int]]
See = Callable[[aiohttp.ClientSession], Awaitable[object]]


def settings(edition: int) -> str:
    return f"{SETTINGS}queue: {{capacity: {LEAST + edition}}}\n# Edition {edition}.\n"


def moods(edition: int) -> str:
    return f"{MOODS}hurry: {{speed: {SPEEDS[edition % len(SPEEDS)]}}}\n# Edition {edition}.\n"


def lexicon(edition: int) -> str:
    return LEXICON.replace("Seersha", saying(edition))


def saying(edition: int) -> str:
    return f"Seersha{edition}"


@cache
def recording() -> bytes:
    return encoded(heart()[: 4 * RATE])


async def _put(session: aiohttp.ClientSession, scope: str, text: str) -> int:
    return (await ask(session, "PUT", f"/v1/{scope}", data=text))[0]


async def _activate(session: aiohttp.ClientSession, version: str) -> int:
    path = "/v1/models/fake/activate?wait=true"
    return (await ask(session, "POST", path, json={"version": version}))[0]


async def _pause(session: aiohttp.ClientSession, paused: bool) -> int:  # noqa: FBT001
    return (await ask(session, "POST", "/v1/pause" if paused else "/v1/resume", json={}))[0]


async def _voice(session: aiohttp.ClientSession, there: bool) -> int:  # noqa: FBT001
    if not there:
        return (await ask(session, "DELETE", "/v1/voices/anna"))[0]
    form = aiohttp.FormData({"id": "anna", "consent": "She said yes.", "languages": "en"})
    form.add_field("audio", io.BytesIO(recording()), filename="anna.wav")
    return (await ask(session, "POST", "/v1/voices", data=form))[0]


async def _settings_now(session: aiohttp.ClientSession) -> object:
    body = await taken(session, "GET", "/v1/config")
    edition = body["settings"]["queue"]["capacity"] - LEAST
    assert body["document"] == settings(edition)
    return edition


async def _moods_now(session: aiohttp.ClientSession) -> object:
    body = await taken(session, "GET", "/v1/moods")
    edition = int(body["document"].rpartition(" ")[2].rstrip(".\n"))
    assert body["document"] == moods(edition)
    (hurry,) = (mood for mood in body["moods"] if mood["id"] == "hurry")
    assert hurry["speed"] == SPEEDS[edition % len(SPEEDS)]
    return edition


async def _lexicon_now(session: aiohttp.ClientSession) -> object:
    body = await taken(session, "GET", "/v1/lexicon")
    edition = int(body["rules"][0]["say"].removeprefix("Seersha"))
    assert body["document"] == lexicon(edition)
    return edition


async def _version_now(session: aiohttp.ClientSession) -> object:
    models = (await taken(session, "GET", "/v1/models"))["data"]
    (fake,) = (model for model in models if model["id"] == "fake")
    assert fake["active"]
    return fake["version"]


async def _paused_now(session: aiohttp.ClientSession) -> object:
    return (await taken(session, "GET", "/v1/status"))["paused"] is not None


async def _voice_now(session: aiohttp.ClientSession) -> object:
    voices = (await taken(session, "GET", "/v1/voices"))["voices"]
    return any(voice["id"] == "anna" and voice["state"] == "ready" for voice in voices)


SUBJECTS: dict[str, tuple[Send, See]] = {
    "config": (lambda session, edition: _put(session, "config", settings(edition)), _settings_now),
    "moods": (lambda session, edition: _put(session, "moods", moods(edition)), _moods_now),
    "lexicon": (lambda session, edition: _put(session, "lexicon", lexicon(edition)), _lexicon_now),
    "models": (_activate, _version_now),
    "pause": (_pause, _paused_now),
    "voices": (_voice, _voice_now),
}
FIRST: dict[str, object] = {
    **dict.fromkeys(("config", "moods", "lexicon"), 0),
    "models": "main",
    "pause": False,
    "voices": False,
}


@dataclass(slots=True, eq=False)
class Told:
    """Tells a house one thing after another of each subject, and knows what it may be now."""

    acknowledged: dict[str, object] = field(default_factory=lambda: dict(FIRST))
    asked: dict[str, object] = field(default_factory=dict)  # and not answered so far

    async def tell(self, session: aiohttp.ClientSession, subject: str, *, value: object) -> bool:
        """Ask for a change, and return whether it was taken. Raises what a cut raises."""
        self.asked[subject] = value
        status = await SUBJECTS[subject][0](session, value)
        del self.asked[subject]
        if status in {200, 201, 204}:
            self.acknowledged[subject] = value
            return True
        assert status in {404, 409, 422, 503}, (subject, status)
        return False

    async def assert_kept(self, session: aiohttp.ClientSession) -> None:
        """See that each subject is as it was told last, or as was asked when it was cut off."""
        for subject, (_, see) in SUBJECTS.items():
            now = await see(session)
            before = self.acknowledged[subject]
            assert now in {before, self.asked.get(subject, before)}, (subject, now, self)
            self.acknowledged[subject] = now
        self.asked.clear()
        for kept in ("/v1/operations", "/v1/config/versions"):
            (found,) = (await taken(session, "GET", kept)).values()
            assert found or kept == "/v1/operations"
        assert sum(version["current"] for version in found) == 1

    async def assert_speaks(self, session: aiohttp.ClientSession) -> None:
        """Hear a sentence, in the words and by the version that count."""
        if self.acknowledged["pause"]:
            assert await self.tell(session, "pause", value=False)
        sound = await self._heard(session)
        edition, version = self.acknowledged["lexicon"], self.acknowledged["models"]
        assert isinstance(edition, int)
        sentence = f"{saying(edition)} is here."
        number = VERSIONS[str(version)]
        assert_spoken_by_fake(samples_of(sound), [sentence], tag=101, generation=number)

    async def _heard(self, session: aiohttp.ClientSession) -> bytes:
        """Let a plain voice speak until the model itself is back."""
        order = {"voice": "attic", "input": "Saoirse is here.", "response_format": "wav"}
        async with asyncio.timeout(30):
            while True:
                async with session.post("/v1/audio/speech", json=order) as answer:
                    assert answer.status == 200, await answer.text()
                    sound = await answer.read()
                    if answer.headers["X-IndexTTS-Model"] == "fake":
                        return sound


def samples_of(sound: bytes) -> Any:
    """Return the samples of a wav file, whatever length its header tells."""
    with wave.open(io.BytesIO(sound)) as opened:
        assert (opened.getnchannels(), opened.getsampwidth()) == (1, 2)
    return np.frombuffer(sound[44:], np.int16)
