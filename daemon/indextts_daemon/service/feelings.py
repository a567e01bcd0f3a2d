"""How words are to feel: as a mood of the household says, or as a client does."""

from collections.abc import Mapping
from dataclasses import dataclass

from indextts_daemon.errors import InvalidRequestError
from indextts_daemon.speech import Emotion, Voice
from indextts_daemon.text.feelings import borne, limited, weights_of


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


def felt(
    order: FeelingOrder,
    voices: Mapping[str, Voice],
    intensity: float = 1.0,
    *,
    judges: bool = False,
) -> Emotion:
    """Read what was asked; words stay with it where the engine `judges` them itself.

    Raises InvalidRequestError for a voice that the model lacks.
    """
    if order.voice is not None:
        if order.voice not in voices:
            raise InvalidRequestError(
                "The model has no such voice to take the feeling from. GET /v1/voices lists them.",
                param="emotion.voice",
            )
        return Emotion(voice=voices[order.voice], strength=min(order.strength * intensity, 1.0))
    text, strength = order.text or "", order.strength * intensity
    weights = borne(order.weights or weights_of(text), strength)
    if judges and text:
        return Emotion(weights=weights, text=text, strength=strength)
    return Emotion(weights=weights)


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
