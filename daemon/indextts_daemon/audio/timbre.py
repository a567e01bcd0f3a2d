"""How a voice sounds on the whole, in a few numbers, and how alike two of them are."""

from dataclasses import dataclass
import math

import numpy as np
import soxr  # type: ignore[import-untyped]

from indextts_daemon.speech import Samples

from . import pitch
from .recording import FRAME, HEARD_RATE

FIGURES = 17  # sixteen of timbre, one of pitch

_QUIET = 1e-3  # of the loudest frame's power, below which no voice is looked for
_FEWEST = 12  # voiced frames, 0.4 s
_LEAST_SCATTER = 0.1  # a figure that hardly moves within a sentence says no more than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Timbre:
    """The mean of timbre and pitch over what is voiced, and how much each figure scatters."""

    mean: tuple[float, ...]
    scatter: tuple[float, ...]

    def likeness(self, other: "Timbre") -> float:
        """Return 1 for the same sound, 0.5 where they differ by as much as its sounds do.

        Of the same sentence: about 0.9 for a voice at another pace, 0.6 and less for another voice.
        """
        apart = [
            (one - two) / max(scatter, _LEAST_SCATTER)
            for one, two, scatter in zip(self.mean, other.mean, self.scatter, strict=True)
        ]
        return 1 / (1 + math.hypot(*apart) / math.sqrt(len(apart)))


def timbre(samples: Samples, sample_rate: int) -> Timbre | None:
    """Return the timbre of what is said; None if too little of it has a pitch."""
    heard = np.asarray(soxr.resample(samples, sample_rate, HEARD_RATE), np.float32)
    heard = np.pad(heard, (0, -len(heard) % FRAME))
    if not len(heard):
        return None
    power = np.square(heard.reshape(-1, FRAME)).mean(axis=1)
    tones = pitch.pitch(heard)
    voiced = (tones > 0) & (power > _QUIET * power.max())
    if voiced.sum() < _FEWEST:
        return None
    looks = np.column_stack([pitch.cepstra(heard)[voiced], np.log2(tones[voiced])])
    return Timbre(mean=_rounded(looks.mean(axis=0)), scatter=_rounded(looks.std(axis=0)))


def _rounded(figures: pitch.Floats) -> tuple[float, ...]:
    return tuple(round(float(figure), 4) for figure in figures)
