"""Whether a model's files are whole: every byte is read, and every network is built of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from indextts_daemon.checkpoints.integrity import changed_files
from indextts_daemon.checkpoints.layout import Found, LayoutError, find

from .convert import Meter, Progress
from .joints import require_match
from .loader import Weights
from .networks import require_fit
from .spelling.rules import CheckpointError
from .text_front import TextFrontEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a model, in a sentence; `where` is a file or a stage."""

    where: str
    message: str


def verify(folder: Path, progress: Progress) -> list[Fault]:
    """Read the model in a folder whole and return what is wrong with it: nothing, one hopes.

    Of a converted model every changed bit is found. Of a published one those in files that torch
    saved as a zip, by its checksums; elsewhere only what leaves no number, or no network.
    """
    try:
        found = find(folder)
        weights = Weights.of(found)
    except (LayoutError, CheckpointError) as err:
        return [Fault(where="folder", message=err.message)]
    meter = Meter(sum(path.stat().st_size for path in found.files.values()), progress)
    faults = [*_changed_files(found, meter), *_unfit_stages(weights, meter)]
    return faults or list(_strangers(weights))


def _changed_files(found: Found, meter: Meter) -> Iterator[Fault]:
    for where, message in changed_files(found, meter.counting):
        yield Fault(where=where, message=message)


def _unfit_stages(weights: Weights, meter: Meter) -> Iterator[Fault]:
    for stage in weights.stages:
        meter.counting(stage)(0)
        try:
            require_fit(weights, stage, weights.stage(stage))
        except CheckpointError as err:
            yield Fault(where=stage, message=err.message)


def _strangers(weights: Weights) -> Iterator[Fault]:
    try:
        require_match(weights, TextFrontEnd(weights.variant, weights.tokenizer))
    except CheckpointError as err:
        yield Fault(where="model", message=err.message)
