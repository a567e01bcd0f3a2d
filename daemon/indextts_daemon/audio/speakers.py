"""Guesses whether two people speak: by what pitch and timbre are in each stretch of speech."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from . import pitch
from .recording import Recording

Floats = NDArray[np.float64]

_PAUSE = 8  # frames, a quarter of a second: somebody else may begin to speak after it
_PIECE = 40  # voiced frames, 1.3 s: long enough that the vowels in it even out
_SHORTEST = 12
_FEWEST = 4
_LEAST_SHARE = 0.15  # of the speech, below which it is rather a cough than a second person
_SHRINKAGE = 0.02
_ROUNDS = 10


def apartness(recording: Recording) -> float:
    """Return how far apart the two most different voices in it are; 0 if too little is said.

    The unit is how much one voice varies from sound to sound; one person stays near 1.
    """
    tones = pitch.pitch(recording.heard)
    looks = np.column_stack([pitch.cepstra(recording.heard), np.log2(np.maximum(tones, 1.0))])
    pieces = _pieces(recording.speech, tones > 0)
    if len(pieces) < _FEWEST:
        return 0.0
    return _split(_whitened(looks, pieces), np.array([len(piece) for piece in pieces], np.float64))


def _pieces(speech: NDArray[np.bool_], voiced: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Return the voiced frames of each stretch of speech, long ones in several pieces."""
    spoken = np.flatnonzero(speech)
    stretches = np.split(spoken, np.flatnonzero(np.diff(spoken) > _PAUSE) + 1)
    found = []
    for stretch in stretches:
        sung = stretch[voiced[stretch]]
        if len(sung) >= _SHORTEST:
            found += np.array_split(sung, max(1, round(len(sung) / _PIECE)))
    return found


def _whitened(looks: Floats, pieces: list[NDArray[np.intp]]) -> Floats:
    """Return the mean of each piece, in units of how its frames scatter."""
    scatter = np.concatenate([looks[piece] - looks[piece].mean(axis=0) for piece in pieces])
    spread = scatter.T @ scatter / len(scatter)
    spread += _SHRINKAGE * np.trace(spread) / len(spread) * np.eye(len(spread))
    means = np.array([looks[piece].mean(axis=0) for piece in pieces])
    return np.linalg.solve(np.linalg.cholesky(spread), means.T).T


def _split(means: Floats, weights: Floats) -> float:
    """Part the pieces in two as well as can be; return how far apart the two parts are."""
    best, apart = np.inf, 0.0
    for pair in combinations(range(len(means)), 2):
        centres = means[list(pair)]
        for _ in range(_ROUNDS):
            distances = np.square(means[:, None] - centres).sum(axis=2)
            second = distances[:, 1] < distances[:, 0]
            if second.all() or not second.any():
                break
            centres = np.array(
                [
                    np.average(means[part], axis=0, weights=weights[part])
                    for part in (~second, second)
                ]
            )
        else:
            cost = float(weights @ distances.min(axis=1))
            share = weights[second].sum() / weights.sum()
            if cost < best:
                best = cost
                enough = min(share, 1 - share) >= _LEAST_SHARE
                apart = float(np.linalg.norm(centres[0] - centres[1])) if enough else 0.0
    return apart
