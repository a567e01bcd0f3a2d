"""How words are to feel: household moods by name, and the arithmetic of emotion weights.

Weights follow EMOTIONS. Bias and limit are upstream's: some feelings sound stronger than others,
and above 0.8 in all a voice stops being itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indextts_daemon.errors import InvalidRequestError
from indextts_daemon.speech import Emotion, Voice
from indextts_daemon.text.feelings import weights_of

BIAS = (0.9375, 0.875, 1.0, 1.0, 0.9375, 0.9375, 0.6875, 0.5625)
LIMIT = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """A way of speaking that the household calls by name."""

    id: str
    weights: tuple[float, ...]  # of EMOTIONS, as written down; empty where only the pace differs
    strength: float = 1.0
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeelingOrder:
    """What a client asked of the feeling; at most one of the three, and None means "as usual"."""

    weights: tuple[float, ...] = ()
    text: str | None = None
    voice: str | None = None
    strength: float = 1.0


def limited(weights: Sequence[float], *, bias: bool = True) -> tuple[float, ...]:
    """Return weights that a voice can bear: each times its bias, then at most 0.8 in all."""
    weighed = [w * b for w, b in zip(weights, BIAS, strict=True)] if bias else list(weights)
    total = sum(weighed)
    if total > LIMIT:
        weighed = [weight * (LIMIT / total) for weight in weighed]
    return tuple(weighed)


def scaled(weights: Sequence[float], strength: float) -> tuple[float, ...]:
    """Return weights times a strength, cut to four decimals; as they are for a strength of 1."""
    if strength == 1.0:
        return tuple(weights)
    return tuple(int(weight * strength * 10000) / 10000 for weight in weights)


def felt(order: FeelingOrder, voices: Mapping[str, Voice], intensity: float = 1.0) -> Emotion:
    """Read what was asked. Raises InvalidRequestError for a voice that the model lacks."""
    if order.voice is not None:
        if order.voice not in voices:
            raise InvalidRequestError(
                "The model has no such voice to take the feeling from. GET /v1/voices lists them.",
                param="emotion.voice",
            )
        return Emotion(voice=voices[order.voice], strength=min(order.strength * intensity, 1.0))
    weights = limited(order.weights or weights_of(order.text or ""))
    return Emotion(weights=limited(scaled(weights, order.strength * intensity), bias=False))


def in_mood(
    mood: Mood, voice: Voice, voices: Mapping[str, Voice], intensity: float
) -> Emotion | None:
    """Return how a voice feels in a mood: as its own recording of it does, where there is one."""
    strength = mood.strength * intensity
    lender = dict(voice.moods).get(mood.id)
    if lender is not None and lender in voices:
        return Emotion(voice=voices[lender], strength=min(strength, 1.0))
    if not mood.weights:
        return None
    return Emotion(weights=limited([weight * strength for weight in mood.weights]))
