"""How much memory a worker's process holds, beside the card and on it."""

from collections.abc import Callable
from dataclasses import dataclass

from indextts_daemon.posix import resident_bytes

GpuBytes = Callable[[int], int | None]  # of a process; None if nobody can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a process holds, in bytes."""

    resident: int  # of the machine's own memory
    gpu: int | None = None

    @property
    def scarce(self) -> int:
        """What a budget is about: the card's memory where it has any, else the machine's."""
        return self.gpu or self.resident


def measured(pid: int, gpu_bytes: GpuBytes | None = None) -> Footprint | None:
    """Look at a process; None if it has ended."""
    resident = resident_bytes(pid)
    if resident is None:
        return None
    return Footprint(resident=resident, gpu=gpu_bytes(pid) if gpu_bytes else None)
