"""A synthesiser whose every sample can be checked: for tests and for trying the integration.

Audio is int16 samples, given as float32 = int16 / 32768, in frames of four:

    voice tag, crc of seed and sentence, generation, counter

The tag is the voice's number (an option, else 1 to 16), the crc `crc_of(seed, sentence.raw)`, into
which an emotion goes too, the generation an option, and the counter the frame's place in its job
modulo 32768. Directives in a sentence act when it is reached:
`{{sleep 1}} {{crash}} {{hang}} {{fail code}} {{nan}}`.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
import os
import re
import threading
import time
from typing import NoReturn
import zlib

import numpy as np

from indextts_daemon.errors import EngineUnavailableError, VoiceNotFoundError
from indextts_daemon.speech import (
    AudioChunk,
    Emotion,
    Failed,
    Finished,
    JobId,
    ModelInfo,
    Samples,
    Say,
    Sentence,
    SpeechRequest,
    StepResult,
    Voice,
    say_nothing,
)

SAMPLE_RATE = 24000
FRAME = 4  # samples
_COUNTER_LIMIT = 1 << 15
_LANGUAGES = ("en", "de", "zh")
_SIXTEEN = {f"fake-{number:02d}": number for number in range(1, 17)}
_DIRECTIVE = re.compile(r"\{\{(sleep \d+(?:\.\d+)?|crash|hang|fail [\w.-]+|nan)\}\}")


def crc_of(seed: int, text: str, emotion: Emotion | None = None) -> int:
    """Return the int16 that marks a sentence."""
    feeling = "" if emotion is None else f"{_named(emotion)}:"
    crc = zlib.crc32(f"{seed}:{feeling}{text}".encode(errors="surrogatepass")) & 0xFFFF
    return crc - 0x10000 if crc >= 1 << 15 else crc


def _named(emotion: Emotion) -> str:
    lender = emotion.voice.id if emotion.voice else ""
    weights = ",".join(f"{weight:.4f}" for weight in emotion.weights)
    return f"{lender}[{weights}]*{emotion.strength:.4f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeOptions:
    """How slow, long and broken it acts."""

    generation: int = 0
    seconds_per_character: float = 0.06
    chunk_s: float = 0.1  # audio of a step
    step_sleep_s: float = 0.0
    max_jobs: int = 16
    load: str = ""  # "fail", "hang", "crash", "slow"
    load_s: float = 1.0  # what "slow" takes
    voices: Mapping[str, int] = field(default_factory=dict)  # tags by id; sixteen if empty


@dataclass(slots=True)
class _Job:
    tag: int
    speed: float
    seed: int
    emotion: Emotion | None
    sentences: deque[Sentence] = field(default_factory=deque)
    ended: bool = False
    frames_left: int = 0  # of the sentence being spoken
    crc: int = 0
    counter: int = 0


class FakeEngine:
    """Every live job gets one chunk per step."""

    def __init__(self, options: FakeOptions) -> None:
        self._options = options
        self._tags = options.voices or _SIXTEEN
        self._jobs: dict[JobId, _Job] = {}
        self.info = ModelInfo(
            id="fake",
            engine="fake",
            name="Fake",
            revision=f"fake-{options.generation}",
            voices=tuple(_voice(*entry) for entry in enumerate(self._tags.items())),
            parameters=frozenset({"speed", "seed", "emotion"}),
            max_jobs=options.max_jobs,
        )

    def start(self, job: JobId, request: SpeechRequest, voice: Voice) -> None:
        """Open a job."""
        if voice.id not in self._tags:
            raise VoiceNotFoundError("The fake engine has no such voice.")
        self._jobs[job] = _Job(
            tag=self._tags[voice.id],
            speed=request.speed,
            seed=request.seed,
            emotion=request.emotion,
        )

    def append(self, job: JobId, sentence: Sentence) -> None:
        """Give an open job its next sentence."""
        self._jobs[job].sentences.append(sentence)

    def end(self, job: JobId) -> None:
        """Say that no further sentence follows."""
        self._jobs[job].ended = True

    def cancel(self, job: JobId) -> None:
        """Forget a job."""
        self._jobs.pop(job, None)

    def step(self) -> StepResult:
        """Give every job that can advance its next chunk, or its end."""
        results: StepResult = []
        for job, state in list(self._jobs.items()):
            outcome = self._advance(state)
            if outcome is None:
                continue
            results.append((job, outcome))
            if not isinstance(outcome, AudioChunk):
                del self._jobs[job]
        if results and self._options.step_sleep_s:
            time.sleep(self._options.step_sleep_s)
        return results

    def close(self) -> None:
        """Forget every job."""
        self._jobs.clear()

    def _advance(self, state: _Job) -> AudioChunk | Finished | Failed | None:
        while not state.frames_left:
            if not state.sentences:
                return _ending(state) if state.ended else None
            fault = self._begin(state, state.sentences.popleft())
            if fault is not None:
                return fault
        per_step = max(1, int(self._options.chunk_s * SAMPLE_RATE) // FRAME)
        num_frames = min(state.frames_left, per_step)
        samples = _tagged(state, self._options.generation, num_frames)
        state.frames_left -= num_frames
        state.counter += num_frames
        return AudioChunk(samples=samples, sample_rate=SAMPLE_RATE)

    def _begin(self, state: _Job, sentence: Sentence) -> AudioChunk | Failed | None:
        spoken = _DIRECTIVE.sub("", sentence.raw).strip()
        seconds = len(spoken) * self._options.seconds_per_character / state.speed
        state.frames_left = round(seconds * SAMPLE_RATE / FRAME)
        state.crc = crc_of(state.seed, sentence.raw, state.emotion)
        for directive in _DIRECTIVE.findall(sentence.raw):
            match directive.split():
                case ["sleep", seconds_slept]:
                    time.sleep(float(seconds_slept))
                case ["crash"]:
                    os._exit(70)
                case ["hang"]:
                    _hang()
                case ["fail", code]:
                    return Failed(code=code, message="The text asked for a failure.")
                case _:
                    bad = np.full(FRAME, np.nan, np.float32)
                    return AudioChunk(samples=bad, sample_rate=SAMPLE_RATE)
        return None


def create(options: Mapping[str, object], say: Say = say_nothing) -> FakeEngine:
    """Load, or fail to load as `options["load"]` says."""
    try:
        chosen = FakeOptions(**options)  # type: ignore[arg-type]
    except TypeError as err:
        raise EngineUnavailableError("An option of the fake engine is unknown.") from err
    say(f"It loads: {chosen.load or 'as usual'}.")
    match chosen.load:
        case "fail":
            raise EngineUnavailableError("The settings ask the fake engine to fail.")
        case "hang":
            _hang()
        case "crash":
            os._exit(70)
        case "slow":
            time.sleep(chosen.load_s)
    return FakeEngine(chosen)


def _voice(place: int, named: tuple[str, int]) -> Voice:
    identity, tag = named
    return Voice(
        id=identity,
        name=f"Fake {place + 1}",
        languages=(_LANGUAGES[place % len(_LANGUAGES)],),
        models=("fake",),
        revision=f"fake-{tag}",
    )


def _ending(state: _Job) -> Finished | Failed:
    if state.counter:
        return Finished()
    return Failed(code="nothing_to_say", message="There is nothing to say in the text.")


def _tagged(state: _Job, generation: int, num_frames: int) -> Samples:
    frames = np.empty((num_frames, FRAME), np.float32)
    frames[:, 0], frames[:, 1], frames[:, 2] = state.tag, state.crc, generation
    frames[:, 3] = np.arange(state.counter, state.counter + num_frames) % _COUNTER_LIMIT
    frames /= 1 << 15
    return frames.reshape(-1)


def _hang() -> NoReturn:
    while True:
        threading.Event().wait()
