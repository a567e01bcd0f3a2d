"""A set's whole model, written as it is published, loaded by the loader, and its recordings."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
import tempfile
from typing import Any, TypeVar

import soundfile
import torch
from torch import Tensor

from indextts_daemon.engines.indextts.conditioning import (
    ReferenceNetworks,
    VoiceConditioning,
    encode_emotion,
    encode_reference,
)
from indextts_daemon.engines.indextts.loader import Weights, open_weights
from indextts_daemon.engines.indextts.networks import (
    RenderNetworks,
    enrolment_networks,
    render_networks,
)
from indextts_daemon.engines.indextts.text_front import TextFrontEnd
from tests.engine.official import write_official
from tests.engine.parity import ParitySet, Record

CPU = torch.device("cpu")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Everything between a recording, a text and a waveform."""

    weights: Weights
    render: RenderNetworks
    listen: ReferenceNetworks
    text: TextFrontEnd
    voice: VoiceConditioning
    emotion: Tensor  # (1, D), of the set's emotion recording


def chain_of(golden: ParitySet) -> Chain:
    """Return the set's model; made once."""
    return _made(golden.path)


@cache
def _made(path: Path) -> Chain:
    golden = ParitySet(path, Record())
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        weights = open_weights(write_official(golden, Path(folder) / "official"))
        listen = enrolment_networks(weights, device=CPU)
        speaker, speaker_rate = recording(path / "spk.wav")
        feeling, feeling_rate = recording(path / "emo.wav")
        return Chain(
            weights=weights,
            render=render_networks(weights, device=CPU),
            listen=listen,
            text=TextFrontEnd(weights.variant, weights.tokenizer),
            voice=done(encode_reference(listen, weights.variant, speaker, speaker_rate)),
            emotion=encode_emotion(listen, feeling, feeling_rate),
        )


def recording(path: Path) -> tuple[Tensor, int]:
    """Read a mono recording as (1, N) and its rate."""
    samples, rate = soundfile.read(path, dtype="float32")
    return torch.from_numpy(samples)[None], rate


def done(work: Generator[Any, None, Made]) -> Made:
    """Let a generator run to its end, and return what it made."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: Made = end.value
            return made
