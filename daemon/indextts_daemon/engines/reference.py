"""Records the built-in voice for models that need a recording: `python -m ... FILE`."""

import io
from pathlib import Path
import sys

import numpy as np
import soundfile  # type: ignore[import-untyped]

from indextts_daemon.speech import SpeechRequest
from indextts_daemon.storage import atomic_write

from .heart import HeartVoice
from .waveform import SAMPLE_RATE

TEXT = (
    "Good evening, this is the voice of the house. "
    "When the washing machine has finished, I will say so. "
    "I will also tell you when somebody is at the door, or when a window is still open."
)


def record(file: Path) -> None:
    """Write what the voice says into a WAV file. Raises EngineUnavailableError and OSError."""
    pieces = HeartVoice().speak(TEXT, SpeechRequest(language="en"), 0)
    samples = np.concatenate([piece.chunk.samples for piece in pieces])
    content = io.BytesIO()
    soundfile.write(content, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    atomic_write(file, content.getvalue())


if __name__ == "__main__":
    record(Path(sys.argv[1]))
