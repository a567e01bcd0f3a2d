"""The hinge: what a voice, a model and a request are, and what every engine must do.

Standard library and numpy types only; both processes and every room above may import it.
Audio is float32 mono in [-1, 1] at the engine's own rate until `audio/` quantises it once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NewType, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

JobId = NewType("JobId", int)
Samples = NDArray[np.float32]  # (num_frames,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice that a model can speak with. Ids match `^[a-z0-9][a-z0-9_-]{0,63}$`."""

    id: str
    name: str
    languages: tuple[str, ...]  # BCP 47, the one it speaks best first
    models: tuple[str, ...]
    revision: str  # changes when the voice would sound different
    moods: tuple[tuple[str, str], ...] = ()  # recorded ones: mood, and the voice that feels so
    handle: str = ""  # by which its engine finds it, if not by its id; changes with the revision


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a loaded model can do; the worker's READY frame carries it to the front."""

    id: str
    engine: str
    name: str
    revision: str  # hash over the weights
    voices: tuple[Voice, ...]  # per language, the first that speaks it is its default
    parameters: frozenset[str]  # of speed, seed, emotion, emotion_text: what it can act on
    max_jobs: int  # jobs worth having live at once; the queue holds the rest
    pronunciation: tuple[str, ...] = ()  # of PRONUNCIATIONS: what it understands in a text


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence to speak: as it was written, and as it is to be read aloud."""

    raw: str
    normalized: str

    @classmethod
    def plain(cls, text: str) -> Self:
        """Make one that is read aloud as it is written."""
        return cls(raw=text, normalized=text)


EMOTIONS = ("happy", "angry", "sad", "afraid", "disgusted", "melancholic", "surprised", "calm")

PRONUNCIATIONS = ("pinyin", "cmu", "kana")  # how a text may spell out what to say


@dataclass(frozen=True, slots=True, kw_only=True)
class Emotion:
    """How words are to feel: a weight for each of EMOTIONS, or as somebody's recording does.

    An engine with the parameter `emotion_text` may judge `text` itself and put `strength` to that;
    `weights` are then what rules make of it, ready for an engine that cannot after all.
    """

    weights: tuple[float, ...] = ()  # at most 0.8 in all; empty where `voice` says it
    voice: Voice | None = None
    text: str = ""  # the words that `weights` come from
    strength: float = 1.0  # 0 is the voice's own feeling


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """How a job is to be spoken; its text arrives by `Engine.append`."""

    language: str  # a language of the voice, never "auto"
    speed: float = 1.0  # 0.5 slow to 2.0 fast
    seed: int = 0  # same request, voice and seed: same samples
    emotion: Emotion | None = None  # None is the voice's own


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AudioChunk:
    """A stretch of speech at the engine's rate."""

    samples: Samples
    sample_rate: int  # Hz
    stages: dict[str, float] = field(default_factory=dict)  # seconds spent, by stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The job is spoken to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The job cannot go on; `code` is stable, `message` is for people and never holds its text."""

    code: str
    message: str


Say = Callable[[str], None]  # takes a sentence about how far something long has come


def say_nothing(_: str) -> None:
    """Tell nobody."""


StepResult = list[tuple[JobId, AudioChunk | Finished | Failed]]


class Engine(Protocol):
    """A synthesiser driven by one loop: live jobs advance together, a bounded step at a time."""

    @property
    def info(self) -> ModelInfo:
        """What this engine can do, fixed once it is constructed."""

    def start(self, job: JobId, request: SpeechRequest, voice: Voice) -> None:
        """Open a job. Its sentences follow."""

    def append(self, job: JobId, sentence: Sentence) -> None:
        """Give an open job its next sentence."""

    def end(self, job: JobId) -> None:
        """Say that no further sentence follows; the job finishes once all are spoken."""

    def cancel(self, job: JobId) -> None:
        """Forget a job at once; no later step mentions it. Unknown jobs are ignored."""

    def step(self) -> StepResult:
        """Do one bounded piece of work for the live jobs; empty when none can advance.

        What fails one job is its `Failed`. Raises BrokenEngineError, and OutOfMemoryError when the
        same work may be tried again.
        """

    def close(self) -> None:
        """Give back what the engine holds."""


@runtime_checkable
class Wakeable(Protocol):
    """An engine whose step waits for threads of its own, and need not."""

    @property
    def busy_since(self) -> float | None:
        """When what its threads have been at for longest was begun, on the monotonic clock."""

    def wake(self) -> None:
        """Let a step that waits return early, maybe empty: more has been asked. Any thread."""


@runtime_checkable
class Relievable(Protocol):
    """An engine that can make do with less memory, after it ran out of it."""

    def relieve(self) -> bool:
        """Give back caches and do less at once from now on; False if nothing came of that."""
