"""The timbre: alike for one voice at any pace, less alike for another, none where nobody speaks."""

import itertools

import numpy as np
import pytest

from indextts_daemon.audio.timbre import FIGURES, Timbre, timbre
from indextts_daemon.engines.pico import voices
from indextts_daemon.speech import Samples, SpeechRequest

WORDS = "Good morning. The kitchen light is on."


def said(speed: float) -> dict[str, tuple[Samples, int]]:
    """Have every plain embedded voice say the same words."""
    found = {}
    for speaker in voices():
        request = SpeechRequest(language=speaker.voice.languages[0], speed=speed)
        chunks = [piece.chunk for piece in speaker.speak(WORDS, request, 0)]
        samples = np.concatenate([chunk.samples for chunk in chunks])
        found[speaker.voice.id] = samples, chunks[0].sample_rate
    return found


def heard(samples: Samples, sample_rate: int) -> Timbre:
    found = timbre(samples, sample_rate)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def plain() -> dict[str, tuple[Samples, int]]:
    return said(1.0)


def test_the_same_sound_is_wholly_alike(plain: dict[str, tuple[Samples, int]]) -> None:
    for sound in plain.values():
        assert heard(*sound).likeness(heard(*sound)) == 1
        assert len(heard(*sound).mean) == len(heard(*sound).scatter) == FIGURES


def test_a_voice_at_another_pace_is_more_like_itself_than_any_two_voices_are(
    plain: dict[str, tuple[Samples, int]],
) -> None:
    quick = said(1.3)
    same = [heard(*plain[name]).likeness(heard(*quick[name])) for name in plain]
    other = [
        heard(*plain[one]).likeness(heard(*plain[two]))
        for one, two in itertools.permutations(plain, 2)
    ]
    assert min(same) > 0.85
    assert max(other) < 0.75


def test_neither_loudness_nor_the_rate_makes_another_voice(
    plain: dict[str, tuple[Samples, int]],
) -> None:
    for samples, rate in plain.values():
        whole = heard(samples, rate)
        assert whole.likeness(heard(samples / 4, rate)) > 0.95
        assert whole.likeness(heard(np.repeat(samples, 2), 2 * rate)) > 0.8


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.zeros(48_000, np.float32),
        np.random.default_rng(1).normal(0, 0.1, 48_000).astype(np.float32),
        np.sin(np.arange(2000) / 20).astype(np.float32),
    ],
    ids=["nothing", "silence", "noise", "a moment"],
)
def test_where_nobody_speaks_there_is_no_timbre(samples: Samples) -> None:
    assert timbre(samples, 24_000) is None
