"""Engines with nothing around them, in a process of their own: the library's, and ours."""

from collections.abc import Callable
from itertools import count
import sys
import time
from typing import Any

import numpy as np

from indextts_daemon.engines import registry
from indextts_daemon.errors import SynthesisError
from indextts_daemon.speech import (
    AudioChunk,
    Engine,
    Failed,
    Finished,
    JobId,
    Samples,
    Sentence,
    SpeechRequest,
)

from .children import obey
from .sentences import sentence

Speak = Callable[[str, int], Samples]  # text and seed to the whole sound
SAMPLE_RATE = 24000


def library(engine: str) -> Speak:
    """Load what somebody without this daemon would call; safe to call from several threads."""
    if engine == "embedded":
        from hibari import Hibari  # type: ignore[import-untyped]  # noqa: PLC0415

        hibari = Hibari()
        return lambda text, seed: hibari(text, seed=seed)
    return lambda text, seed: Driven(registry.create(engine, {})).speak(text, seed)


class Driven:
    """An engine driven one job at a time, as fast as it goes."""

    def __init__(self, engine: Engine) -> None:
        self.first_at = 0.0  # when the last job's first audio was there
        self._engine = engine
        self._jobs = count(1)

    def speak(self, text: str, seed: int) -> Samples:
        """Return the whole sound. Raises SynthesisError."""
        job, engine, parts = JobId(next(self._jobs)), self._engine, list[Samples]()
        voice = next(voice for voice in engine.info.voices if "en" in voice.languages)
        engine.start(job, SpeechRequest(language="en", seed=seed), voice)
        engine.append(job, Sentence.plain(text))
        engine.end(job)
        while True:
            for _, outcome in engine.step():
                match outcome:
                    case AudioChunk(samples=samples):
                        self.first_at = self.first_at if parts else time.perf_counter()
                        parts.append(samples)
                    case Finished():
                        return np.concatenate(parts)
                    case Failed(message=message):
                        raise SynthesisError(message)


class Bench:
    """Times sentence after sentence, ours and the library's."""

    def __init__(self, engine: str) -> None:
        self._engine = Driven(registry.create(engine, {}))
        self._library = library(engine)

    def carry_out(self, order: dict[str, Any]) -> dict[str, Any]:
        """Speak the lines `first` to `first + requests` by "library" or "engine"."""
        speak = self._library if order["what"] == "library" else self._engine.speak
        firsts, totals, num_frames = [], [], 0
        cpu, begun = time.process_time(), time.perf_counter()
        for number in range(order["first"], order["first"] + order["requests"]):
            since = time.perf_counter()
            num_frames += len(speak(sentence(number), number))
            totals.append(time.perf_counter() - since)
            firsts.append(
                totals[-1] if order["what"] == "library" else self._engine.first_at - since
            )
        return {
            "first_s": firsts,
            "total_s": totals,
            "audio_bytes": 2 * num_frames,
            "wall_s": time.perf_counter() - begun,
            "cpu_s": time.process_time() - cpu,
        }


if __name__ == "__main__":
    obey(Bench(sys.argv[1]).carry_out)
