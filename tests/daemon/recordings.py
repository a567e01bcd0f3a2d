"""Recordings as people make them, made by code: the embedded voices speak, and much goes wrong."""

from collections.abc import Callable, Mapping
from functools import cache
import io
from threading import Lock
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
import soundfile
import soxr

from indextts_daemon.engines.heart import HeartVoice
from indextts_daemon.engines.pico import MODELS, PicoVoice
from indextts_daemon.speech import SpeechRequest

RATE = 24000  # Hz, of what is made
TEXT = (
    "Good evening, this is the voice of the house. "
    "When the washing machine has finished, I will say so. "
    "I will also tell you when somebody is at the door, or when a window is still open."
)

Sound = NDArray[np.float32]


@cache
def heart() -> Sound:
    """Return ten seconds of the voice `heart`."""
    return _spoken(HeartVoice(), TEXT)


@cache
def two_people() -> Sound:
    """Return two voices that take turns, as people do: one after the other."""
    heart, pico = HeartVoice(), PicoVoice(MODELS[-1], Lock())
    turns = []
    for sentence in TEXT.split(". "):
        turns.append(_spoken(heart, sentence + "."))
        turns.append(np.asarray(soxr.resample(_spoken(pico, sentence + "."), 16000, RATE)))
    return np.concatenate(turns, dtype=np.float32)


def _spoken(voice: HeartVoice | PicoVoice, text: str) -> Sound:
    pieces = voice.speak(text, SpeechRequest(language="en"), 0)
    return np.concatenate([piece.chunk.samples for piece in pieces])


def encoded(
    samples: NDArray[np.floating], *, rate: int = RATE, container: str = "WAV", subtype: str = ""
) -> bytes:
    """Return the bytes of a sound file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype or None)
    return file.getvalue()


def noise(decibels: float) -> Sound:
    """Return noise this much below the voice of `heart`."""
    voice = heart()
    level = float(np.sqrt(np.square(voice[np.abs(voice) > 0.01]).mean())) * 10 ** (-decibels / 20)
    chance = np.random.default_rng(0)
    return (level * chance.standard_normal(len(voice))).astype(np.float32)


def _hum() -> Sound:
    """Return what a bad cable picks up: the mains, and a constant."""
    t = np.arange(len(heart())) / RATE
    wave = 0.02 * np.sin(2 * np.pi * 50 * t) + 0.01 * np.sin(2 * np.pi * 150 * t) + 0.1
    return wave.astype(np.float32)


def _in_a_bare_room() -> Sound:
    """Return `heart` in a stairwell: the echo takes a second to fade."""
    voice, t = heart(), np.arange(RATE) / RATE
    echo = np.random.default_rng(0).standard_normal(RATE) * 10 ** (-3 * t)
    echo[:100] = 0
    echo *= 0.7 / np.linalg.norm(echo)
    echo[0] = 1
    long = len(voice) + RATE
    return np.fft.irfft(np.fft.rfft(voice, long) * np.fft.rfft(echo, long)).astype(np.float32)[
        :long
    ]


def _with_pauses() -> Sound:
    parts = np.array_split(heart(), 5)
    return np.concatenate([np.append(part, np.zeros(3 * RATE, np.float32)) for part in parts])


def _telephone() -> Sound:
    return np.asarray(soxr.resample(heart(), RATE, 8000))


MADE: Mapping[str, Callable[[], bytes]] = MappingProxyType(
    {
        "clean": lambda: encoded(heart()),
        "clean mp3": lambda: encoded(heart(), container="MP3"),
        "clean ogg": lambda: encoded(heart(), container="OGG"),
        "clean flac, stereo": lambda: encoded(
            np.stack([heart(), 0.5 * heart()], axis=1), container="FLAC"
        ),
        "a fan behind it": lambda: encoded(heart() + noise(10)),
        "drowned in noise": lambda: encoded(heart() + noise(3)),
        "mains hum and DC": lambda: encoded(heart() + _hum()),
        "too loud": lambda: encoded(np.clip(4 * heart(), -1, 1)),
        "far too loud": lambda: encoded(np.clip(20 * heart(), -1, 1)),
        "quiet": lambda: encoded(0.1 * heart(), subtype="PCM_24"),
        "hardly there": lambda: encoded(0.01 * heart(), subtype="PCM_24"),
        "three words": lambda: encoded(heart()[: int(1.2 * RATE)]),
        "one sentence": lambda: encoded(heart()[: int(3.2 * RATE)]),
        "long pauses": lambda: encoded(_with_pauses()),
        "a telephone call": lambda: encoded(_telephone(), rate=8000),
        "a bare room": lambda: encoded(_in_a_bare_room()),
        "two people": lambda: encoded(two_people()),
        "silence": lambda: encoded(np.zeros(5 * RATE)),
        "noise alone": lambda: encoded(noise(0)),
    }
)
