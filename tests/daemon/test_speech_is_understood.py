"""The words that go in are the words that come out, for whoever listens."""

from collections.abc import Iterator
import io
import logging
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.daemon.recognition import (
    SENTENCES,
    Audio,
    Whisper,
    at_recognition_rate,
    heard_by_pocketsphinx,
    word_error_rate,
)
from tests.daemon.running import RunningDaemon

LOGGER = logging.getLogger(__name__)  # the figures: pytest --log-cli-level=info


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with RunningDaemon(tmp_path_factory.mktemp("data"), "--engine", "embedded") as daemon:
        yield daemon


async def spoken(daemon: RunningDaemon, text: str, **fields: Any) -> Audio:
    body = {"input": text, "response_format": "mp3"} | fields
    async with (
        daemon.session() as session,
        session.post("/v1/audio/speech", json=body) as response,
    ):
        assert response.status == 200
        with av.open(io.BytesIO(await response.read())) as file:
            frames = [frame.to_ndarray()[0] for frame in file.decode(audio=0)]
            rate = file.streams.audio[0].rate
    return at_recognition_rate(np.concatenate(frames), rate)


async def test_english_is_understood_and_reversed_english_is_not(embedded: RunningDaemon) -> None:
    audio = [await spoken(embedded, sentence) for sentence in SENTENCES]
    rate = word_error_rate(SENTENCES, [heard_by_pocketsphinx(one) for one in audio])
    backwards = word_error_rate(SENTENCES, [heard_by_pocketsphinx(one[::-1]) for one in audio])
    LOGGER.info("WER %.3f, reversed %.3f", rate, backwards)
    assert rate <= 0.20
    assert backwards > 0.8


@pytest.mark.long
async def test_whisper_understands_english(embedded: RunningDaemon, tmp_path: Path) -> None:
    whisper = Whisper(tmp_path)
    audio = [await spoken(embedded, sentence) for sentence in SENTENCES]
    rate = word_error_rate(SENTENCES, [whisper.heard(one, language="en") for one in audio])
    backwards = word_error_rate(
        SENTENCES, [whisper.heard(one[::-1].copy(), language="en") for one in audio]
    )
    LOGGER.info("WER %.3f, reversed %.3f", rate, backwards)
    assert rate <= 0.05
    assert backwards > 0.8
