"""What people do to a house at random, and what each of them has to get for it."""

import asyncio
import os
import signal
import time
from typing import Any

import pytest
import yaml

from indextts_daemon.errors import SettingsError, SpeechError
from indextts_daemon.service.config_scope import ConfigWish
from indextts_daemon.service.document_scope import DocumentWish
from indextts_daemon.service.operations import Operation, Result
from indextts_daemon.service.versions import ModelsWish
from tests.daemon.bad_documents import BAD_LEXICONS, BAD_MOODS
from tests.daemon.bad_edits import BAD_SETTINGS
from tests.daemon.random_house import GOOD, SETTINGS, TIGHT_GIB, VERSIONS, put
from tests.daemon.random_speech import Listener

SPOILED = [
    text
    for _, bad in BAD_SETTINGS
    if "\N{REPLACEMENT CHARACTER}" not in (text := bad.decode("utf-8", "replace"))
]
# With which code an operation may be rejected, and what must have been in its way; "" is nothing.
REJECTIONS = {
    "paused": {"paused", "moving sharing"},
    "paused_gpu_busy": {"paused_gpu_busy", "moving sharing"},
    "resume_first": {"paused", "paused_gpu_busy", "moving sharing"},
    "resumed": {"moving sharing"},
    "canary_failed": {"mute", "kill"},
    "load_failed": {"broken", "kill"},
    "worker_lost": {"kill"},
    "loading": {"kill", "down", "moving models", "moving config", "moving sharing"},
    "insufficient_memory": {"tight"},
    "checkpoint_changed": {"replaced", "kill"},
    "queue_full": {"crowd"},
    "nothing_to_roll_back": {"moving models"},
    "version_incomplete": {"bad", "kill"},
    "checkpoint_invalid": {"bad", "kill"},
    "settings_invalid": {"bad", "moving models"},
    "voices_invalid": {"bad", "moving voices"},
}


class Person(Listener):
    """Takes one step in the house; what it does is drawn by chance."""

    async def change_settings(self) -> None:
        """Put other settings, which are good."""
        text = yaml.safe_dump(self._settings())
        if self.chance.random() < 0.5:
            await self._change("config", ConfigWish(text=text))
        else:
            self.services.settings_file.write(text)
            await self._change("config")

    async def roll_settings_back(self) -> None:
        """Go back to the good settings from before."""
        try:
            before = self.services.settings_file.before()
        except SettingsError:
            return
        await self._change("config", ConfigWish(text=before.text, back_to=before))

    async def spoil_settings(self) -> None:
        """Put settings that are not good."""
        await self._refused("config", ConfigWish(text=self.chance.choice(SPOILED)))

    async def teach(self) -> None:
        """Say the kitchen otherwise."""
        word = f"cookroom{self.chance.randint(1, 999)}"
        text = yaml.safe_dump({"rules": [{"from": "kitchen", "say": word}]})
        await self._change("lexicon", DocumentWish(text=text))

    async def spoil_lexicon(self) -> None:
        await self._refused("lexicon", DocumentWish(text=self.chance.choice(BAD_LEXICONS)[1]))

    async def change_moods(self) -> None:
        """Make a party happier, or end it."""
        happy = round(self.chance.random(), 2)
        gone = self.chance.random() < 0.2
        self.house.note("moods")
        moods = {} if gone else {"party": {"emotion": {"happy": happy}, "speed": 1.0}}
        await self._change("moods", DocumentWish(text=yaml.safe_dump(moods)))
        self.house.note("moods")

    async def spoil_moods(self) -> None:
        await self._refused("moods", DocumentWish(text=self.chance.choice(BAD_MOODS)[1]))

    async def add_voice(self) -> None:
        put(self.house.voice_file, self.house.voices.recording)
        await self._change("voices")

    async def remove_voice(self) -> None:
        self.house.note("voices")
        self.house.voice_file.unlink(missing_ok=True)
        await self._change("voices")
        self.house.note("voices")

    async def spoil_voices(self) -> None:
        """Put a recording that is none beside the good one."""
        file = self.house.voice_file.with_name("noise.wav")
        put(file, self.chance.randbytes(1000))
        await self._change("voices", because="bad")
        file.unlink(missing_ok=True)
        await self._change("voices", because="bad")

    async def renew_token(self) -> None:
        put(self.house.folders.data / "token", f"token-{self.chance.random()}".encode())
        await self._change("token", because="bad")

    async def spoil_token(self) -> None:
        put(self.house.folders.data / "token", b"")
        await self._change("token", because="bad")

    async def activate(self) -> None:
        """Change to some version, good or not."""
        version = self.chance.choice([*GOOD, *VERSIONS])
        wish = ModelsWish(action="activate", model="fake", version=version)
        done = await self._change("models", wish, because=version)
        assert version in GOOD or done.result is Result.rejected, done

    async def roll_back(self) -> None:
        await self._change("models", ModelsWish(action="rollback", model="fake"))

    async def load(self) -> None:
        await self._change("models", ModelsWish(action="load", model="fake"))

    async def unload(self) -> None:
        await self._change("models", ModelsWish(action="unload", model="fake"))

    async def renew_version(self) -> None:
        """Put other files into a version's folder, perhaps that of the one that speaks."""
        self.house.folders.renew(self.chance.choice([*GOOD]))
        self.house.note("replaced")
        await self._change("models")

    async def spoil_version(self) -> None:
        """Put a file into a version's folder that is none, and see it refused or not looked at."""
        version = self.chance.choice([*GOOD])
        file = self.house.folders.file(version)
        before = file.read_text()
        self.house.folders.write(version, "generation: [")
        self.house.note("kill")  # a process that is started meanwhile finds nothing to load
        await self._change("models", because="bad")
        self.house.folders.write(version, before)
        self.house.note("kill")
        await self._change("models")

    async def pause(self) -> None:
        operation = await self.services.sharing.pause(who="api")
        await self._done(operation)

    async def resume(self) -> None:
        await self._done(await self.services.sharing.resume(who="api"))

    async def prewarm(self) -> None:
        if self.services.sharing.paused:
            with pytest.raises(SpeechError, match="Resume first"):
                self.services.sharing.prewarm(who="api")
            return
        await self._done(self.services.sharing.prewarm(who="api"))

    async def play(self) -> None:
        """Have a game take the card, and leave it a little later."""
        self.house.game = True
        await self._ticks()
        self.house.clock.skipped_s += 3
        await self._ticks()
        await asyncio.sleep(self.chance.random() * 0.2)
        self.house.game = False
        for _ in range(2):
            await self._ticks()
            self.house.clock.skipped_s += 61
        await self._ticks()

    async def wait_long(self) -> None:
        """Let time pass, in which models may fall asleep."""
        self.house.clock.skipped_s += self.chance.choice([1, 60, 3600])
        await self._ticks()

    async def kill(self) -> None:
        """End a worker, whatever it is at."""
        self.house.note("kill")
        if pids := sorted(self.house.worker_pids()):
            pid = self.chance.choice(pids)
            os.kill(pid, signal.SIGKILL)
            await self.house.until(lambda: pid not in self.house.worker_pids(), "it is gone")

    async def _ticks(self) -> None:
        seen = self.house.ticks
        await self.house.until(lambda: self.house.ticks > seen + 1, "the house looks around")

    def _settings(self) -> dict[str, Any]:
        models: dict[str, Any] = {
            "keep_alive_s": self.chance.choice([0, 0, 30]),
            "memory_budget_gib": self.chance.choice([None, TIGHT_GIB]),
            "pinned": self.chance.choice([[], ["fake"]]),
        }
        return {
            **SETTINGS,
            "models": {**SETTINGS["models"], **models},
            "queue": {"capacity": self.chance.choice([2, 8, 32])},
            "log_level": self.chance.choice(["info", "warning"]),
        }

    async def _change(self, scope: str, wish: object = None, because: str = "") -> Operation:
        """Do it, and fail unless it went well or was refused for a reason that fits."""
        began = time.monotonic()
        at_first = self.house.troubles(began)
        action = wish.action if isinstance(wish, ModelsWish) else "reload"
        operation = await self.services.reloader.reload(scope, who="api", wish=wish, action=action)
        self._judge(operation, {because} | at_first | self.house.troubles(began))
        return operation

    async def _refused(self, scope: str, wish: object) -> None:
        operation = await self.services.reloader.reload(scope, who="api", wish=wish)
        assert operation.result is Result.rejected, operation

    async def _done(self, operation: Operation) -> None:
        began = time.monotonic()
        at_first = self.house.troubles(began)
        done = await self.services.sharing.done(operation)
        self._judge(done, at_first | self.house.troubles(began) | {"moving sharing"})

    def _judge(self, operation: Operation, troubles: set[str]) -> None:
        if operation.result is Result.rejected:
            fitting = REJECTIONS[operation.code]
            assert fitting & troubles, (operation.shape(), troubles)
        else:
            assert operation.result in {Result.applied, Result.unchanged}, operation


STEPS: dict[str, int] = {
    "speak": 10,
    "interrupt": 3,
    "dictate": 5,
    "plain": 0,
    "change_settings": 2,
    "roll_settings_back": 1,
    "spoil_settings": 1,
    "teach": 2,
    "spoil_lexicon": 1,
    "change_moods": 2,
    "spoil_moods": 1,
    "add_voice": 3,
    "remove_voice": 1,
    "spoil_voices": 1,
    "renew_token": 1,
    "spoil_token": 1,
    "activate": 6,
    "roll_back": 2,
    "load": 1,
    "unload": 2,
    "renew_version": 1,
    "spoil_version": 1,
    "pause": 1,
    "resume": 4,
    "prewarm": 1,
    "play": 1,
    "wait_long": 1,
    "kill": 2,
}
