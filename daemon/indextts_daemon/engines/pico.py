"""The embedded voices of the other languages: SVOX Pico, plain but clear and never missing."""

from collections.abc import Iterator
from dataclasses import dataclass
import re
from threading import Lock
import time

import numpy as np
from py_nanotts import NanoTTS  # type: ignore[import-untyped]

from indextts_daemon.posix import zeroed_malloc
from indextts_daemon.speech import AudioChunk, SpeechRequest, Voice

from .packaged import checked, folder, revision_of
from .pieces import FASTEST, SLOWEST, Piece, bounded, breakable

SAMPLE_RATE = 16000
_LONGEST = 120  # characters: ten seconds of speech, 40 ms during which it holds the GIL
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f<>\ud800-\udfff]")  # NUL ends it; <...> would be obeyed
_REPEATED_MARKS = re.compile(r"([^\w\s])[^\w\s]+")  # it names or pauses at every single one
_WORD = re.compile(r"\w")
_LEVEL = 0.25  # brings it down to the level of `heart`
_SILENT = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class PicoModel:
    """One of Pico's languages."""

    id: str
    name: str
    language: str
    pico_name: str
    digests: dict[str, str]


MODELS = (
    PicoModel(
        id="pico-de",
        name="Pico Deutsch",
        language="de",
        pico_name="de-DE",
        digests={
            "de-DE_gl0_sg.bin": "39147b816d08bbbe64b23797804cf691a761ab73a7689ca9e2b6f87ace722654",
            "de-DE_ta.bin": "df292826754713d5efb6c95d60582c17753e95856b4c735c3150db722b2c218a",
        },
    ),
    PicoModel(
        id="pico-es",
        name="Pico Español",
        language="es",
        pico_name="es-ES",
        digests={
            "es-ES_ta.bin": "b18c60baf249466bf8785d333d8cb4cf1f6b62e5545986f621c66568f1851961",
            "es-ES_zl0_sg.bin": "82e724d3c788767ec95f0d22b0ab738e677ad397f26ec0bbbf2c07aafdf29000",
        },
    ),
    PicoModel(
        id="pico-fr",
        name="Pico Français",
        language="fr",
        pico_name="fr-FR",
        digests={
            "fr-FR_nk0_sg.bin": "85e2d63cf9f5522ea2a483d25ddd1cb0c6bfeecc39c92884aecfe7d3f179837a",
            "fr-FR_ta.bin": "d9da5eb3cd7aac7071ab8ff7fee8d716f58572ee5393c1f0a8db946d6bf32f97",
        },
    ),
    PicoModel(
        id="pico-it",
        name="Pico Italiano",
        language="it",
        pico_name="it-IT",
        digests={
            "it-IT_cm0_sg.bin": "c48be4dc1f5a3c77a3dc4c8a457949b69bc433d674fac4fac91d49c01770e7e4",
            "it-IT_ta.bin": "9b243c3470660293691d0d4e000901d7c5d0fa71976b33986e92e93a860ade33",
        },
    ),
    PicoModel(
        id="pico-en-gb",
        name="Pico British",
        language="en-GB",
        pico_name="en-GB",
        digests={
            "en-GB_kh0_sg.bin": "8f9f5d13a920a9f3371517178d42ce89b835f1e587760c2db280beb593c388fa",
            "en-GB_ta.bin": "57998f6423236dea25cd572a73b13f371e64155840e31b571eba7fca0b521b7e",
        },
    ),
)


class PicoVoice:
    """Speaks one language at 16 kHz; without chance, so every seed sounds the same."""

    def __init__(self, model: PicoModel, turn: Lock) -> None:
        checked(folder("py_nanotts", "lang"), model.digests)
        self.voice = Voice(
            id=model.id,
            name=model.name,
            languages=(model.language,),
            models=("embedded",),
            revision=revision_of(model.digests),
        )
        self._pico_name = model.pico_name
        self._pico = NanoTTS()
        self._turn = turn  # shared: it holds the GIL, and its memory is set up for one at a time

    def speak(self, text: str, request: SpeechRequest, _number: int) -> Iterator[Piece]:
        """Speak a sentence, in one piece unless it is very long."""
        pace = ""
        if request.speed != 1:
            percent = round(100 * min(max(request.speed, SLOWEST), FASTEST))
            pace = f"<speed level='{percent}'>"  # closed, it would pause before the last word
        parts = [part for part in bounded(_tidied(text), _LONGEST) if _WORD.search(part)]
        for index, part in enumerate(parts, 1):
            begun = time.perf_counter()
            # It reads memory that it never wrote: only zeroed, it says the same thing twice.
            with self._turn, zeroed_malloc():
                pcm = self._pico.speak(pace + part, voice=self._pico_name)
            samples = np.frombuffer(pcm, "<i2").astype(np.float32)
            samples *= _LEVEL / (1 << 15)
            if not np.any(np.abs(samples) > _SILENT):
                continue  # words of a script that it cannot read
            stages = {"vocoder": time.perf_counter() - begun}
            chunk = AudioChunk(samples=samples, sample_rate=SAMPLE_RATE, stages=stages)
            yield Piece(chunk=chunk, last=index == len(parts))


def _tidied(text: str) -> str:
    """Take away what Pico obeys, stumbles over or never comes back from."""
    plain = _REPEATED_MARKS.sub(r"\1", _NOT_TEXT.sub(" ", text))
    return breakable(plain)


def voices() -> list[PicoVoice]:
    """Load all of Pico's voices."""
    turn = Lock()
    return [PicoVoice(model, turn) for model in MODELS]
