"""The line-up: which models there are, in which version, and which one speaks by default."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from indextts_daemon.worker.handle import WorkerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """What the settings, the folders and the last activation come to."""

    default: str
    specs: Mapping[str, WorkerSpec]  # by the model's id
    reason: str  # why that is the default
    unfit: Mapping[str, str] = field(default_factory=dict)  # what is wrong with files, by model


def same(one: WorkerSpec, other: WorkerSpec) -> bool:
    """Whether both would sound the same, whatever their limits are."""
    limits = {"load_timeout_s": 0.0, "step_timeout_s": 0.0, "nice": 0}
    return replace(one, **limits) == replace(other, **limits)  # type: ignore[arg-type]
