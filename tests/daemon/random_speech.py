"""What people hear of a house at random, and that each sample of it is right."""

import asyncio
from itertools import pairwise
import random
import time

import numpy as np
from numpy.typing import NDArray

from indextts_daemon.engines.fake import FRAME
from indextts_daemon.errors import SpeechError
from indextts_daemon.service.routing import SpeechOrder
from indextts_daemon.service.synthesizer import Speech
from indextts_daemon.text.incoming import IncomingText
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.random_house import ANNA, House

SENTENCES = ["The kitchen is warm.", "A kitchen window is open.", "Nobody is in the kitchen."]
MOODS = [None, None, "calm", "party"]
# Which code a request may be refused with, and what must have been in its way.
REFUSALS = {
    "paused": {"paused"},
    "paused_gpu_busy": {"paused_gpu_busy"},
    "draining": {"draining"},
    "queue_full": {"crowd"},
    "worker_lost": {"kill"},
    "insufficient_memory": {"tight"},
    "loading": {"kill", "down", "moving models", "moving config", "moving sharing"},
    "invalid_param": {"moods"},
    "voice_not_found": {"voices"},
}
STAYING = {"paused", "paused_gpu_busy", "insufficient_memory"}  # also when all is at rest


class Listener:
    """Has the house speak; what and how is drawn by chance."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self.house = house
        self.services = house.services
        self.chance = chance

    async def speak(self) -> None:
        """Order a text, short or long, in some voice and mood, and hear it to the end."""
        await self._heard(self._sentences())

    async def interrupt(self) -> None:
        """Order a long text, and hear only how it begins."""
        await self._heard(self._sentences(6), stop_after=self.chance.randint(1, 6))

    async def dictate(self) -> None:
        """Order a text that is still being written, cut anywhere."""
        await self._heard(self._sentences(), written=True)

    async def plain(self) -> None:
        """Order what nobody may refuse but for a pause."""
        await self._heard(["Good evening."], strict=True)

    def _sentences(self, least: int = 1) -> list[str]:
        return [self.chance.choice(SENTENCES) for _ in range(self.chance.randint(least, 8))]

    async def _heard(
        self,
        sentences: list[str],
        *,
        stop_after: int | None = None,
        written: bool = False,
        strict: bool = False,
    ) -> None:
        house, began = self.house, time.monotonic()
        at_first = house.troubles(began)
        number = self.services.generations.current.number
        place = self.chance.randint(0, 15)
        own = not strict and self.chance.random() < 0.2
        order = SpeechOrder(
            text=" ".join(sentences),
            language="en" if own or strict else ("en", "de", "zh")[place % 3],
            voice=None if strict else ANNA if own else f"fake-{place + 1:02}",
            seed=self.chance.randint(0, 9),
            mood=None if strict else self.chance.choice(MOODS),
            priority=self.chance.choice(["interactive", "interactive", "critical"]),
        )
        house.speaking += 1
        if house.speaking > self.services.pool.settings.queue.capacity:
            house.note("crowd")
        refusal: SpeechError | None = None
        try:
            speech, samples = await self._ordered(order, stop_after, written=written)
        except SpeechError as err:
            refusal = err
        finally:
            house.speaking -= 1
        if refusal is not None:
            troubles, code = at_first | house.troubles(began), refusal.error_code
            assert REFUSALS[code] & troubles, (code, refusal.message, troubles)
            assert not strict or code in STAYING, (code, refusal.message)
            house.counted[f"refused as {code}"] += 1
            return
        assert speech.generation.number >= number, "it speaks of what was before it came"
        if speech.route.model.id == "embedded":
            if speech.generation.default != "embedded":
                assert "model" in speech.route.degraded
                assert not strict
                assert REFUSALS["loading"] & (at_first | house.troubles(began)), "fake was there"
            house.counted["spoken by the plain voice"] += 1
            return
        house.counted["heard to the end" if stop_after is None else "stopped"] += 1
        self._check(speech, order, sentences, samples, whole=stop_after is None)

    async def _ordered(
        self, order: SpeechOrder, stop_after: int | None, *, written: bool
    ) -> tuple[Speech, NDArray[np.float32]]:
        text, pieces = None, list[str]()
        if written:
            text = IncomingText(order.language)
            cuts = sorted(self.chance.sample(range(1, len(order.text)), 3))
            first, *pieces = (order.text[a:b] for a, b in pairwise([0, *cuts, None]))
            text.feed(first)
        chunks = []
        async with self.services.synthesizer.speak(order, text) as speech:
            writing = asyncio.create_task(self._write(speech, pieces) if written else _nothing())
            try:
                async for chunk in speech:
                    chunks.append(chunk.samples)
                    if len(chunks) == stop_after:
                        break
                if stop_after is None:
                    await writing
            finally:
                writing.cancel()
                await asyncio.wait({writing})
        return speech, np.concatenate(chunks)

    async def _write(self, speech: Speech, pieces: list[str]) -> None:
        for piece in pieces:
            await asyncio.sleep(self.chance.random() * 0.05)
            speech.append(piece)
        speech.end()

    def _check(
        self,
        speech: Speech,
        order: SpeechOrder,
        sentences: list[str],
        samples: NDArray[np.float32],
        *,
        whole: bool,
    ) -> None:
        """Fail unless each sample is of the one voice, version, lexicon and mood it is bound to."""
        version = speech.route.model.spec.version
        frames = np.rint(samples.reshape(-1, FRAME) * 32768).astype(int)
        (generation,) = set(frames[:, 2].tolist())
        assert generation in self.house.folders.numbers[version]
        voice = speech.route.voice
        assert voice.id == order.voice or order.voice is None
        tag = int(voice.handle or voice.id[-2:])
        if not whole:
            assert set(frames[:, 0].tolist()) == {tag}
            return
        (said,) = {rule.say for rule in speech.generation.lexicon.rules} or {"kitchen"}
        assert said is not None
        assert_spoken_by_fake(
            samples,
            _merged([sentence.replace("kitchen", said) for sentence in sentences]),
            tag=tag,
            seed=order.seed or 0,
            generation=generation,
            emotion=speech.route.emotion,
        )


async def _nothing() -> None:
    """There is nothing to write."""


def _merged(sentences: list[str]) -> list[str]:
    """Leave out who says the same as the one before: the samples do not tell them apart."""
    return [one for one, last in zip(sentences, [None, *sentences], strict=False) if one != last]
