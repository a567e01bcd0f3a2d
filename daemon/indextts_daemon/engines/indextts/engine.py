"""IndexTTS as an engine: its jobs take turns, a bounded piece of work at a time."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
import gc
import hashlib
from pathlib import Path
import time
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from indextts_daemon.errors import (
    EngineUnavailableError,
    NothingToSayError,
    OutOfMemoryError,
    SpeechError,
)
from indextts_daemon.speech import (
    AudioChunk,
    Emotion,
    Failed,
    Finished,
    JobId,
    ModelInfo,
    Say,
    Sentence,
    SpeechRequest,
    StepResult,
    Voice,
    say_nothing,
)
from indextts_daemon.text.feelings import borne

from . import voice_file
from .conditioning import VoiceConditioning
from .emotion import merged
from .faults import at_its_own_cost, memory_is_full
from .feelings import FeelingJudge, open_judge
from .joints import require_match
from .loader import open_weights
from .networks import RenderNetworks, render_networks
from .pipeline import Advance, Noise, RenderOptions, SilentSegmentError, render, working
from .sampling import SamplingParams
from .text_front import TextFrontEnd
from .variant import SAMPLE_RATE, Variant

TURN_S = 0.05  # of a job, unless it makes sound sooner; a single piece of work may take longer
PAUSE_S = 0.2  # between segments, as upstream's
AT_HAND = 16  # voices that are kept loaded
JOBS = 4
RETRY = 1 << 16  # what a second try adds to a segment's number, as more than a sentence has
LEAST_S, PER_ID_S = 2.0, 0.8  # of speech that a segment may take: twice what slow speakers need


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What is computed; `reference` is what upstream computes."""

    options: RenderOptions
    reads_raw: bool = False  # by upstream's rules for text
    bounded: bool = True  # by the length of the text
    quick_tokens: int = 12  # of a job's beginning that are cut into clauses, to sound early


QUALITIES: Mapping[str, Quality] = MappingProxyType(
    {
        "reference": Quality(
            options=RenderOptions(sampling=SamplingParams(num_beams=3), max_codes=0),
            reads_raw=True,
            bounded=False,
            quick_tokens=0,
        ),
        "balanced": Quality(options=RenderOptions(max_codes=0)),
        "fast": Quality(options=RenderOptions(num_steps=15, prompt_s=6.0, max_codes=0)),
    }
)


class VoiceShelf:
    """The enrolled voices, loaded when first asked for; the least used one makes room."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._folder = folder
        self._device = device
        self._loaded: OrderedDict[str, VoiceConditioning] = OrderedDict()
        self._room = AT_HAND

    def get(self, handle: str) -> VoiceConditioning:
        """Return the voice of that handle on the device. Raises VoiceFileError."""
        if handle not in self._loaded:
            self._loaded[handle] = voice_file.load(self._folder, handle).to(self._device)
        self._loaded.move_to_end(handle)
        self._make_room()
        return self._loaded[handle]

    def shrink(self) -> None:
        """Keep only the voice that was asked for last, from now on."""
        self._room = 1
        self._make_room()

    def _make_room(self) -> None:
        while len(self._loaded) > self._room:
            self._loaded.popitem(last=False)


@dataclass(slots=True, eq=False)
class _Job:
    id: JobId
    request: SpeechRequest
    voice: VoiceConditioning
    emotion: torch.Tensor  # (1, D)
    sentences: deque[Sentence] = field(default_factory=deque)  # the one being spoken comes first
    num_spoken: int = 0  # sentences before that one
    num_segments: int = 0  # of that one, which are spoken
    to_judge: Emotion | None = None
    work: Iterator[Advance] | None = None  # of that one, or of the judge before all of them
    ended: bool = False
    has_spoken: bool = False
    sounding: bool = False  # the segment at hand has: it cannot be begun again
    silence: SpeechError | None = None  # why a segment was left out


class IndexTTSEngine:
    """Speaks with the voices that are enrolled for its model."""

    def __init__(
        self,
        networks: RenderNetworks,
        text: TextFrontEnd,
        *,
        info: ModelInfo,
        variant: Variant,
        voices: VoiceShelf,
        quality: Quality,
        judge: FeelingJudge | None = None,
    ) -> None:
        self.info = info
        self._networks = networks
        self._text = text
        self._variant = variant
        self._voices = voices
        self._quality = quality
        self._judge = judge
        self._jobs: dict[JobId, _Job] = {}
        self._turns: deque[JobId] = deque()
        self._one_by_one = False  # a job keeps its turn until it waits for words

    def start(self, job: JobId, request: SpeechRequest, voice: Voice) -> None:
        """Open a job. Raises VoiceFileError and what `step` does."""
        emotion = request.emotion
        with at_its_own_cost():
            conditioning = self._voices.get(voice.handle)
            opened = _Job(
                id=job,
                request=request,
                voice=conditioning,
                emotion=self._felt(conditioning, emotion),
            )
        opened.to_judge = emotion if self._judge and emotion and emotion.text else None
        self._jobs[job] = opened
        self._turns.append(job)

    def append(self, job: JobId, sentence: Sentence) -> None:
        """Give an open job its next sentence."""
        self._jobs[job].sentences.append(sentence)

    def end(self, job: JobId) -> None:
        """Say that no further sentence follows."""
        self._jobs[job].ended = True

    def cancel(self, job: JobId) -> None:
        """Forget a job."""
        if self._jobs.pop(job, None) is not None:
            self._turns.remove(job)

    @torch.inference_mode()
    def step(self) -> StepResult:
        """Let the next job that can go on have its turn.

        Raises BrokenEngineError, and OutOfMemoryError when the job begins its segment anew.
        """
        order = list(self._turns)
        if self._one_by_one:
            order.sort(key=lambda job: self._jobs[job].work is None)
        for turn in order:
            job = self._jobs[turn]
            outcome = self._turn(job)
            if not (self._one_by_one and job.work):
                self._turns.remove(turn)
                self._turns.append(turn)
            if outcome:
                if not isinstance(outcome, AudioChunk):
                    self.cancel(job.id)
                return [(job.id, outcome)]
        return []

    def relieve(self) -> bool:
        """Work on one job at a time from now on, and give back what is only kept at hand."""
        less = not self._one_by_one
        self._one_by_one = True
        self._voices.shrink()
        for job in self._jobs.values():
            if not job.sounding:
                job.work = None  # it is begun again when it is its turn
        held = torch.cuda.memory_reserved()  # both do nothing without a card
        gc.collect()
        torch.cuda.empty_cache()
        return less or torch.cuda.memory_reserved() < held

    def close(self) -> None:
        """Forget every job."""
        self._jobs.clear()
        self._turns.clear()

    def _turn(self, job: _Job) -> AudioChunk | Finished | Failed | None:
        """Work for a job until it sounds or its time is over; None while it waits for words."""
        try:
            with at_its_own_cost():
                return self._worked(job)
        except SpeechError as err:
            return Failed(code=err.error_code, message=err.message)
        except OutOfMemoryError:
            job.work = None
        if not job.sounding:
            raise OutOfMemoryError("The memory is full.", job=job.id)
        job.sounding = False
        self.relieve()
        return Failed(code="out_of_memory", message="The memory was full in the middle of this.")

    def _worked(self, job: _Job) -> AudioChunk | Finished | Failed | None:
        begun = time.perf_counter()
        stages: dict[str, float] = {}
        while time.perf_counter() - begun < TURN_S:
            if job.work is None:
                job.work = self._begun(job)
            if job.work is None:
                break
            asked = time.perf_counter()
            advance = next(job.work, None)
            if advance is None:
                job.work = None
                continue
            took = time.perf_counter() - asked
            stages[advance.stage] = stages.get(advance.stage, 0.0) + took
            if advance.samples is not None:
                job.has_spoken = job.sounding = True
                return _chunk(advance.samples.cpu().numpy(), stages)
        if stages:
            return _chunk(np.zeros(0, np.float32), stages)
        if not job.ended:
            return None
        if job.has_spoken:
            return Finished()
        raise job.silence or NothingToSayError("There is nothing to say in the text.")

    def _begun(self, job: _Job) -> Iterator[Advance] | None:
        """Begin what is to be done next for a job; None if there is nothing."""
        if self._judge and job.to_judge:
            return self._judged(job, job.to_judge, self._judge)
        return self._spoken(job, job.sentences[0]) if job.sentences else None

    def _spoken(self, job: _Job, sentence: Sentence) -> Iterator[Advance]:
        """Speak a sentence from the segment on that it has come to."""
        quality = self._quality
        segments = self._text.segments(
            sentence.raw if quality.reads_raw else sentence.normalized,
            language=job.request.language,
            quick_tokens=0 if job.num_spoken else quality.quick_tokens,
            compat=quality.reads_raw,
        )
        yield Advance(stage="normalize")
        for text_ids in segments[job.num_segments :]:
            yield from self._segment(job, text_ids)
            job.num_segments += 1
            job.sounding = False
        job.sentences.popleft()
        job.num_spoken += 1
        job.num_segments = 0

    def _segment(self, job: _Job, text_ids: list[int]) -> Iterator[Advance]:
        """Speak a segment, after a pause; one that stays silent is tried again, then left out."""
        pause = torch.zeros(int(PAUSE_S * SAMPLE_RATE)) if job.has_spoken else None
        for chance in (job.num_segments, job.num_segments + RETRY):
            try:
                for advance in self._rendered(job, text_ids, chance):
                    if advance.samples is not None and pause is not None:
                        yield Advance(stage="postprocess", samples=pause)
                        pause = None
                    yield advance
            except SilentSegmentError as err:  # what follows is worth more than this
                job.silence = err
            else:
                return

    def _rendered(self, job: _Job, text_ids: list[int], chance: int) -> Iterator[Advance]:
        seed = _seed(job.request.seed, job.num_spoken, chance)
        return render(
            self._networks,
            self._variant,
            voice=job.voice,
            emotion=job.emotion,
            text_ids=text_ids,
            language=job.request.language,
            options=replace(
                self._quality.options,
                speed=job.request.speed,
                max_codes=self._most_codes(text_ids),
            ),
            noise=Noise(generator=torch.Generator().manual_seed(seed)),
        )

    def _judged(self, job: _Job, emotion: Emotion, judge: FeelingJudge) -> Iterator[Advance]:
        """Let the words themselves be judged, before the first sentence; else the rules count."""
        weights = yield from working("emotion", judge.judge(emotion.text))
        if weights is not None:
            job.emotion = self._felt(job.voice, Emotion(weights=borne(weights, emotion.strength)))
        job.to_judge = None

    def _most_codes(self, text_ids: list[int]) -> int:
        """Bound a segment by its text: a model that cannot stop talks for minutes."""
        most = self._variant.max_codes
        if not self._quality.bounded:
            return most
        return min(most, int(self._variant.codes_per_s * (LEAST_S + PER_ID_S * len(text_ids))))

    @torch.inference_mode()
    def _felt(self, voice: VoiceConditioning, emotion: Emotion | None) -> torch.Tensor:
        """Return the emotion vector (1, D) that was asked for."""
        if emotion is None:
            return voice.emotion
        if emotion.voice is not None:
            lender = self._voices.get(emotion.voice.handle)
            return merged(voice.emotion_base, lender.emotion, emotion.strength)
        return self._networks.emotions.vector(
            voice.speaker_embedding, emotion.weights, voice.emotion
        )


def _chunk(
    samples: "np.ndarray[Any, np.dtype[np.float32]]", stages: dict[str, float]
) -> AudioChunk:
    return AudioChunk(samples=samples, sample_rate=SAMPLE_RATE, stages=stages)


def _seed(seed: int, sentence: int, segment: int) -> int:
    """Return chance's number for a segment, whatever was spoken before it."""
    named = f"{seed}/{sentence}/{segment}".encode()
    return int.from_bytes(hashlib.sha256(named).digest()[:8]) >> 1


def create(options: Mapping[str, object], say: Say = say_nothing) -> IndexTTSEngine:
    """Load the model in the folder `model`; it begins with the `voices` that lie in `enrolled`.

    `quality` and `device` are those of the settings. Raises CheckpointError and
    EngineUnavailableError.
    """
    torch.backends.cuda.matmul.allow_tf32 = False  # a card computes as the CPU does, each time
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    try:
        return _loaded(options, say)
    except (RuntimeError, MemoryError) as err:
        if not memory_is_full(err):
            raise
        raise EngineUnavailableError(
            "The memory is full: the model needs more than is free.", code="insufficient_memory"
        ) from err


def _loaded(options: Mapping[str, object], say: Say) -> IndexTTSEngine:
    weights = open_weights(Path(str(options["model"])))
    device = _device(str(options["device"]))
    variant = weights.variant
    told: Any = options["voices"]
    voices = [
        Voice(
            id=voice["id"],
            name=voice["name"],
            languages=tuple(voice["languages"]),
            models=(variant.id,),
            revision=voice["revision"],
            moods=tuple(voice["moods"].items()),
            handle=voice["key"],
        )
        for voice in told
    ]
    if not voices:
        raise EngineUnavailableError("No voice could be enrolled for the model.", code="no_voice")
    text = TextFrontEnd(variant, weights.tokenizer)
    require_match(weights, text)
    networks = render_networks(weights, device=device, say=say)
    judge = open_judge(weights, device=device)
    return IndexTTSEngine(
        networks,
        text,
        info=ModelInfo(
            id=variant.id,
            engine="indextts",
            name=variant.name,
            revision=f"{weights.revision}-{options['quality']}",
            voices=tuple(voices),
            parameters=frozenset(
                {"speed", "seed", "emotion", *(["emotion_text"] if judge else [])}
            ),
            max_jobs=JOBS,
            pronunciation=variant.pronunciation,
        ),
        variant=variant,
        voices=VoiceShelf(Path(str(options["enrolled"])), device),
        quality=QUALITIES[str(options["quality"])],
        judge=judge,
    )


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise EngineUnavailableError("No GPU can be used. `indextts-daemon check` says why.")
    return torch.device(wanted)
