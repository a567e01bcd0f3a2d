"""Listens to encoded speech as a stranger would: any decoder, then a recogniser."""

from io import BytesIO

import av
import numpy as np

from tests.daemon.recognition import (
    SAMPLE_RATE,
    Audio,
    heard_by_pocketsphinx,
    word_error_rate,
)


def decoded(stream: bytes) -> tuple[str, Audio]:
    """Return the container's name, and the sound in it at the recogniser's rate."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    with av.open(BytesIO(stream)) as container:
        frames = [
            part.to_ndarray()[0]
            for frame in [*container.decode(audio=0), None]
            for part in resampler.resample(frame)
        ]
        return container.format.name, np.concatenate(frames)


def misheard(sentence: str, sound: Audio) -> float:
    """Return the share of the sentence's words that were not understood."""
    return word_error_rate([sentence], [heard_by_pocketsphinx(sound)])
