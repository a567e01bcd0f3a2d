"""A synthesiser whose every sample can be checked: for tests and for trying the integration.

Audio is int16 samples, given as float32 = int16 / 32768, in frames of four:

    voice tag, crc of seed and sentence, generation, counter

The tag is the voice's number (its handle, else an option, else 1 to 16), the crc that of
`crc_of(seed, sentence.raw)`, into which an emotion goes too, the generation an option, and the
counter the frame's place in its job modulo 32768. Directives in a sentence act when it is reached:
`{{sleep 1}} {{crash}} {{hang}} {{fail code}} {{nan}} {{oom}} {{oom once}}`; the last one finds
memory at its second try. An option `sound` spoils all that is said after the first job, which is
the worker's own.
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

from indextts_daemon.errors import (
    EngineUnavailableError,
    OutOfMemoryError,
    VoiceNotFoundError,
)
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

from .fake_options import FakeOptions, opened

SAMPLE_RATE = 24000
FRAME = 4  # samples
_COUNTER_LIMIT = 1 << 15
_SIXTEEN = {f"fake-{number:02d}": number for number in range(1, 17)}
_DIRECTIVE = re.compile(r"\{\{(sleep \d+(?:\.\d+)?|crash|hang|fail [\w.-]+|nan|oom(?: once)?)\}\}")


def crc_of(seed: int, text: str, emotion: Emotion | None = None) -> int:
    """Return the int16 that marks a sentence."""
    feeling = "" if emotion is None else f"{_named(emotion)}:"
    crc = zlib.crc32(f"{seed}:{feeling}{text}".encode(errors="surrogatepass")) & 0xFFFF
    return crc - 0x10000 if crc >= 1 << 15 else crc


def _named(emotion: Emotion) -> str:
    lender = emotion.voice.id if emotion.voice else ""
    weights = ",".join(f"{weight:.4f}" for weight in emotion.weights)
    return f"{lender}[{weights}]*{emotion.strength:.4f}"


@dataclass(slots=True)
class _Job:
    id: JobId
    tag: int
    speed: float
    seed: int
    emotion: Emotion | None
    sound: str = ""  # an option
    doomed: bool = False  # the process dies of it
    sentences: deque[Sentence] = field(default_factory=deque)
    ended: bool = False
    was_short: bool = False  # of memory, for the next sentence
    frames_left: int = 0  # of the sentence being spoken
    crc: int = 0
    counter: int = 0


class FakeEngine:
    """Every live job gets one chunk per step."""

    def __init__(self, options: FakeOptions) -> None:
        self._options = options
        self._tags = options.voices or _SIXTEEN
        self._jobs: dict[JobId, _Job] = {}
        self._num_jobs = 0  # there ever were
        self._ballast: Samples | None = np.ones(options.memory_mib << 18, np.float32)
        voices = enumerate(self._tags.items())
        self.info = ModelInfo(
            id=options.id,
            engine="fake",
            name=options.name,
            revision=f"fake-{options.generation}",
            voices=tuple(_voice(options, place, *named) for place, named in voices),
            parameters=frozenset({"speed", "seed", "emotion"}),
            max_jobs=options.max_jobs,
        )

    def start(self, job: JobId, request: SpeechRequest, voice: Voice) -> None:
        """Open a job. Raises VoiceNotFoundError."""
        state = self._jobs[job] = _Job(
            id=job,
            tag=self._tag_of(voice),
            speed=request.speed,
            seed=request.seed,
            emotion=request.emotion,
        )
        if self._num_jobs:
            last = self._options.dies_after
            state.sound = self._options.sound
            state.doomed = last is not None and self._num_jobs > last
        self._num_jobs += 1

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
        """Give every job that can advance its next chunk, or its end. Raises OutOfMemoryError."""
        results: StepResult = []
        for job, state in list(self._jobs.items()):
            try:
                outcome = self._advance(state)
            except OutOfMemoryError:
                if not results:
                    raise
                state.was_short = False
                self._jobs = {job: state, **self._jobs}  # the next step comes to it first
                break
            if outcome is None:
                continue
            results.append((job, outcome))
            if not isinstance(outcome, AudioChunk):
                del self._jobs[job]
        if results and self._options.step_sleep_s:
            time.sleep(self._options.step_sleep_s)
        return results

    def relieve(self) -> bool:
        """Give back what is only held because an option says so."""
        self._ballast = None
        return True

    def close(self) -> None:
        """Forget every job."""
        self._jobs.clear()
        self._ballast = None

    def _tag_of(self, voice: Voice) -> int:
        """Return a voice's number. Raises VoiceNotFoundError."""
        if not voice.handle and voice.id in self._tags:
            return self._tags[voice.id]
        try:
            return int(np.int16(int(voice.handle)))
        except (ValueError, OverflowError) as err:
            raise VoiceNotFoundError("The fake engine has no such voice.") from err

    def _advance(self, state: _Job) -> AudioChunk | Finished | Failed | None:
        if state.doomed:
            os._exit(70)
        while not state.frames_left:
            if not state.sentences:
                return _ending(state) if state.ended else None
            _need_memory(state)
            fault = self._begin(state, state.sentences.popleft())
            if fault is not None:
                return fault
        per_step = max(1, int(self._options.chunk_s * SAMPLE_RATE) // FRAME)
        num_frames = min(state.frames_left, per_step)
        samples = _spoiled(state.sound, _tagged(state, self._options.generation, num_frames))
        state.frames_left -= 0 if state.sound == "endless" else num_frames
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
                case ["nan"]:
                    bad = np.full(FRAME, np.nan, np.float32)
                    return AudioChunk(samples=bad, sample_rate=SAMPLE_RATE)
        return None


def create(options: Mapping[str, object], say: Say = say_nothing) -> FakeEngine:
    """Load, or fail to load as the option `load` says. Raises what `opened` raises."""
    chosen = opened(options)
    say(f"It loads: {chosen.load or 'as usual'}.")
    match chosen.load:
        case "fail":
            raise EngineUnavailableError("The settings ask the fake engine to fail.")
        case "oom":
            raise OutOfMemoryError("The settings ask the fake engine for too much memory.")
        case "hang":
            _hang()
        case "crash":
            os._exit(70)
        case "slow":
            time.sleep(chosen.load_s)
    return FakeEngine(chosen)


def _voice(options: FakeOptions, place: int, identity: str, tag: int) -> Voice:
    return Voice(
        id=identity,
        name=f"Fake {place + 1}",
        languages=(options.languages[place % len(options.languages)],),
        models=(options.id,),
        revision=f"fake-{tag}",
    )


def _need_memory(state: _Job) -> None:
    """Raise OutOfMemoryError if the next sentence says so; it is then still the next."""
    wanted = _DIRECTIVE.findall(state.sentences[0].raw)
    if "oom" in wanted or ("oom once" in wanted and not state.was_short):
        state.was_short = True
        raise OutOfMemoryError("The text asked for too much memory.", job=state.id)
    state.was_short = False


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


def _spoiled(sound: str, samples: Samples) -> Samples:
    match sound:
        case "silent":
            samples[:] = 0
        case "clipped":
            samples[:] = np.sign(np.arange(len(samples)) % FRAME - 1.5)
        case "nan":
            samples[:] = np.nan
    return samples


def _hang() -> NoReturn:
    while True:
        threading.Event().wait()
