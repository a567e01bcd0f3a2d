"""A data folder whose model is a tiny one as published, and whose voices were recorded by code."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from indextts_daemon.checkpoints.catalogue import PUBLISHED
from indextts_daemon.engines.pico import voices as pico_voices
from indextts_daemon.service.voices import VoiceStore
from indextts_daemon.speech import SpeechRequest
from tests.engine.official import write_official
from tests.engine.parity import ParitySet

WORDS = "Good morning. The front door is open, and somebody is waiting."


@dataclass(frozen=True)
class Furnished:
    """A data folder that others may read or copy, and what a worker is told of it."""

    golden: ParitySet
    data_dir: Path
    options: Mapping[str, Any]


Furnish = Callable[[str], Furnished]  # takes the name of a set


def furnish(golden: ParitySet, data_dir: Path) -> Path:
    """Put the set's model and two recordings into a data folder; return the model's folder."""
    model = write_official(golden, data_dir / "models" / model_id(golden))
    (data_dir / "voices").mkdir()
    record(data_dir / "voices" / "lena.wav", "en-GB")
    record(data_dir / "voices" / "otto.wav", "de")
    return model


def model_id(golden: ParitySet) -> str:
    return next(model.id for model in PUBLISHED if model.version == golden.version)


def record(file: Path, language: str, *, speed: float = 1.0) -> None:
    """Record the plain embedded voice of a language into a file."""
    speaker = next(one for one in pico_voices() if one.voice.languages[0] == language)
    request = SpeechRequest(language=language, speed=speed)
    pieces = [piece.chunk for piece in speaker.speak(WORDS, request, 0)]
    samples = np.concatenate([chunk.samples for chunk in pieces])
    soundfile.write(file, samples, pieces[0].sample_rate, subtype="PCM_16")


def enrolled(golden: ParitySet, data_dir: Path, model: Path) -> Mapping[str, Any]:
    """Enrol the recordings; return the options that the engine is told."""
    store = VoiceStore(data_dir / "voices", data_dir / "state" / "voices")
    languages = next(one.languages for one in PUBLISHED if one.id == model_id(golden))
    told = asyncio.run(store.prepare(model, languages=languages))
    return {**told, "model": str(model), "quality": "fast", "device": "cpu"}
