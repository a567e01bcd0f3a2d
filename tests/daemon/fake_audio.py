"""Checks every sample of the fake engine's audio, as a client can from wav or pcm."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from indextts_daemon.engines.fake import FRAME, crc_of
from indextts_daemon.speech import Emotion


def assert_spoken_by_fake(  # noqa: PLR0913 all that goes into a sample
    samples: NDArray[np.float32] | NDArray[np.int16],
    sentences: Sequence[str],
    *,
    tag: int,
    seed: int = 0,
    generation: int = 0,
    emotion: Emotion | None = None,
) -> None:
    """Fail unless the samples are these sentences, whole, in order, by that voice.

    `sentences` are as the engine got them (raw); each must have lasted for at least one frame.
    """
    pcm = samples
    if samples.dtype != np.int16:
        pcm = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
    assert pcm.size
    assert pcm.size % FRAME == 0
    frames = pcm.reshape(-1, FRAME)
    assert set(frames[:, 0].tolist()) == {tag}
    assert set(frames[:, 2].tolist()) == {generation}
    assert np.array_equal(frames[:, 3], np.arange(len(frames)) % 32768)
    changes = np.flatnonzero(np.diff(frames[:, 1])) + 1
    heard = frames[np.concatenate([[0], changes]), 1].tolist()
    said = (crc_of(seed, sentence, emotion) for sentence in sentences)
    assert heard == [crc for crc, _ in groupby(said)]  # two in a row may have the same
