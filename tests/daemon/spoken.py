"""What people ask a house to say, and how each generation of the fake engine says it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
import yaml

from indextts_daemon.engines.fake import FRAME, SAMPLE_RATE
from indextts_daemon.speech import EMOTIONS, Emotion
from indextts_daemon.text.feelings import limited
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.ledger import Facts

WORD = "Saoirse"  # what the lexicon has another saying for
MOOD = "cosy"
PACE_S = 0.06  # of a character
SEATS = 100  # voices of one's own that a version may have


def own_voice(seat: int) -> str:
    return f"person-{seat:02d}"


def own_tag(model: int, seat: int) -> int:
    """Return the number of a voice that differs from version to version."""
    return SEATS * model + seat


def version_options(model: int, *, people: int, **options: object) -> str:
    """Write the file of a version of the fake model."""
    voices = {own_voice(seat): own_tag(model, seat) for seat in range(people)}
    said = {"generation": model, "voices": voices, "seconds_per_character": PACE_S}
    return yaml.safe_dump({**said, **options})


def lexicon_document(edition: int) -> str:
    return f"rules:\n  - {{from: {WORD}, say: {saying(edition)}}}\n" if edition else "rules: []\n"


def saying(edition: int) -> str:
    return f"Seersha{edition}" if edition else WORD


def moods_document(edition: int) -> str:
    weights, speed = feeling(edition)
    emotion = dict(zip(EMOTIONS, weights, strict=True))
    return yaml.safe_dump({MOOD: {"emotion": emotion, "speed": speed}})


def emotion_of(edition: int) -> Emotion:
    """Return what the engine is told of the mood in an edition."""
    weights, _ = feeling(edition)
    return Emotion(weights=limited(weights))


def feeling(edition: int) -> tuple[list[float], float]:
    """Return how the mood feels in an edition, and its pace."""
    weights = [0.0] * len(EMOTIONS)
    weights[edition % len(EMOTIONS)] = (1 + edition % 50) / 100
    return weights, 1 + (edition % 4) / 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What somebody asks to be spoken, and how."""

    sentences: tuple[str, ...]
    seat: int
    recorded: str | None = None  # a voice of a recording, instead of one's own
    mood: str | None = None
    seed: int = 0
    in_pieces: bool = False  # over the WebSocket, as it is being written
    by_anybody: bool = False  # no voice is named

    @property
    def body(self) -> dict[str, object]:
        mood = {"mood": self.mood} if self.mood else {}
        voice = {} if self.by_anybody else {"voice": self.voice}
        return {"seed": self.seed, "response_format": "pcm", **voice, **mood}

    @property
    def voice(self) -> str:
        return self.recorded or own_voice(self.seat)

    def check(self, answer: "Answer", facts: Facts) -> int:
        """Fail unless the answer is this line, whole, as one generation speaks it.

        Returns the voice's tag.
        """
        tags = facts.tags.get(self.recorded, frozenset()) if self.recorded else frozenset()
        first = int(answer.samples[0])
        tag = first if first in tags else -1
        if self.recorded is None:
            tag = own_tag(facts.model, self.seat)
        emotion, speed = None, 1.0
        if self.mood:
            emotion, (_, speed) = emotion_of(facts.mood), feeling(facts.mood)
        spoken = [sentence.replace(WORD, saying(facts.lexicon)) for sentence in self.sentences]
        assert_spoken_by_fake(
            answer.samples,
            spoken,
            tag=tag,
            seed=self.seed,
            generation=facts.model,
            emotion=emotion,
        )
        lasted = [round(len(one) * PACE_S / speed * SAMPLE_RATE / FRAME) for one in spoken]
        assert len(answer.samples) == FRAME * sum(lasted)
        return tag


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What was heard, and what it says that it is bound to."""

    generation: int
    samples: NDArray[np.int16]
    asked_at: float  # Unix
    first_s: float  # until the first audio
