"""Who uses the processors, from /proc: what our own processes cost, and whether others disturb."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
import os
from pathlib import Path
import time

DISTURBING = 0.1  # of a core
WINDOW_S = 1.0  # the kernel counts in hundredths of a second: shorter looks say little
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process as the kernel counts it."""

    pid: int
    parent: int
    name: str
    born: int  # ticks after boot; tells two processes of one pid apart
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that ran up to a moment."""

    at: float
    busy_s: float  # all processors together, without interrupts and idling
    stolen_s: float  # wanted, but given to other guests of the same host
    processes: Mapping[int, Process]

    def family(self, pid: int) -> set[int]:
        """Return the process and all that descend from it."""
        found, size = {pid}, 0
        while size < len(found):
            size = len(found)
            found |= {one.pid for one in self.processes.values() if one.parent in found}
        return found

    def cpu_s(self, pids: Iterable[int]) -> float:
        """Return what these have used so far."""
        return sum(self.processes[pid].cpu_s for pid in pids if pid in self.processes)


def look(root: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic) -> Snapshot:
    """Read what is there now."""
    user, nice, system, _, _, _, _, stolen = map(
        int, (root / "stat").read_text("ascii").split("\n", 1)[0].split()[1:9]
    )
    found = [_process(folder) for folder in root.iterdir() if folder.name.isdecimal()]
    return Snapshot(
        at=clock(),
        busy_s=(user + nice + system) / _TICKS_PER_S,
        stolen_s=stolen / _TICKS_PER_S,
        processes={one.pid: one for one in found if one is not None},
    )


def _process(folder: Path) -> Process | None:
    try:
        line = (folder / "stat").read_text("utf-8", "replace")
    except OSError:  # it has ended
        return None
    name, _, rest = line.partition("(")[2].rpartition(")")  # a name may hold anything
    fields = rest.split()
    return Process(
        pid=int(folder.name),
        parent=int(fields[1]),
        name=name,
        born=int(fields[19]),
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
    )


class Neighbours:
    """Watches every process that does not descend from `own` while a run goes on."""

    def __init__(self, own: int, begin: Snapshot) -> None:
        self.worst: dict[str, float] = {}  # name to the largest share of a core in any window
        self._own = own
        self._begin = self._last = begin
        self._others_s = 0.0

    def note(self, now: Snapshot, *, final: bool = False) -> None:
        """Compare with the look before, unless that was only a moment ago."""
        seconds = now.at - self._last.at
        if seconds < WINDOW_S and not (final and seconds > 0):
            return
        own, ours_s = now.family(self._own) | self._last.family(self._own), 0.0
        for one in now.processes.values():
            before = self._last.processes.get(one.pid)
            known = before is not None and before.born == one.born
            used_s = one.cpu_s - (before.cpu_s if before is not None and known else 0.0)
            if one.pid in own:
                ours_s += used_s
            elif seconds >= WINDOW_S and used_s / seconds > DISTURBING:
                self.worst[one.name] = max(self.worst.get(one.name, 0.0), used_s / seconds)
        self._others_s += max(0.0, now.busy_s - self._last.busy_s - ours_s)
        self._last = now

    @property
    def others_share(self) -> float:
        """Cores that all others took together on average, those that came and went included."""
        return self._others_s / max(self._last.at - self._begin.at, WINDOW_S)

    @property
    def stolen_share(self) -> float:
        """Cores that the host gave to other guests on average."""
        seconds = max(self._last.at - self._begin.at, WINDOW_S)
        return (self._last.stolen_s - self._begin.stolen_s) / seconds
