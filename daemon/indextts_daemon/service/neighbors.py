"""Who else uses the card: when it is to be left to them, and when there is room again.

Knows no models and does nothing: it judges what the driver says.
"""

from collections.abc import Hashable
from dataclasses import dataclass
import math

from indextts_daemon.gpu import GpuUsage

HALF_GIB = 2**29  # less than this is a desktop going about its day
PRESSED_S = 2.0  # for how long, when it cannot be said who takes the memory
CALM_S = 10.0
QUIET = 0.25  # below this load of the card nobody plays
ATTEMPTS_S = 60.0  # between two returns
BLIND_S = 60.0  # without an answer of the driver, nobody can be seen to need the card
HEADROOM = 1.15  # of what a model needed the last time


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenancy:
    """What we hold of the card and would like to, as far as we know ourselves."""

    resident: frozenset[Hashable]  # what of ours is there, or on its way
    held_bytes: int | None  # by them, as measured before; None while they come or go
    need_bytes: int  # of what is to come back
    spare_bytes: int  # that others shall find free


class Neighbors:
    """Remembers what others held when we came, and judges by that what they do now."""

    def __init__(self, others_bytes: int | None = None) -> None:
        self.others_bytes = others_bytes  # what others held when we came
        self._known: frozenset[int] = frozenset()  # who they were
        self._resident: frozenset[Hashable] = frozenset()
        self._driver_tells = False  # which processes are ours
        self._players: frozenset[int] = frozenset()  # whom we left for
        self._since: float | None = None  # pressed, or calm while we are away
        self._returned_at = -math.inf

    def left(self) -> None:
        """Note that we are leaving, for whomever; when we come back counts anew."""
        self._resident, self._since = frozenset(), None

    def press(self, seen: GpuUsage, tenancy: Tenancy, now: float) -> bool:
        """Whether to leave: others have taken so much that too little is free for them."""
        ours = self._ours(seen, tenancy)
        if ours is None:
            self._since = None
            return False
        others = seen.used_bytes - ours
        if tenancy.resident - self._resident:
            self.others_bytes, self._known = others, _pids(seen)
        self._resident = tenancy.resident
        if not self._lack(seen, others, tenancy):
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        newcomers = self._newcomers(seen)
        if not newcomers and now - self._since < PRESSED_S:
            return False
        self._players, self._since = newcomers, None
        return True

    def calm(self, seen: GpuUsage | None, tenancy: Tenancy, now: float) -> bool:
        """Whether to come back: there has been room for a while, and nobody plays."""
        if seen is not None and not self._room(seen, tenancy):
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        patience_s = BLIND_S if seen is None else CALM_S
        if now - self._since < patience_s or now - self._returned_at < ATTEMPTS_S:
            return False
        self._returned_at, self._since = now, None
        return True

    def _ours(self, seen: GpuUsage, tenancy: Tenancy) -> int | None:
        self._driver_tells = self._driver_tells or bool(seen.ours_bytes)
        return seen.ours_bytes if self._driver_tells else tenancy.held_bytes

    def _lack(self, seen: GpuUsage, others: int, tenancy: Tenancy) -> bool:
        """Whether there is too little, and it is others who took it."""
        wanted = 0 if tenancy.resident else tenancy.need_bytes
        if seen.free_bytes >= max(tenancy.spare_bytes, wanted):
            return False
        taken = others - self.others_bytes if self.others_bytes is not None else others
        return taken >= min(HALF_GIB, max(1, seen.free_bytes))

    def _newcomers(self, seen: GpuUsage) -> frozenset[int]:
        """Return who was not there when we came and holds much, where the driver tells that."""
        if not self._driver_tells:
            return frozenset()
        return frozenset(
            process.pid
            for process in seen.foreign or ()
            if process.pid not in self._known
            and (process.memory_bytes is None or process.memory_bytes >= HALF_GIB)
        )

    def _room(self, seen: GpuUsage, tenancy: Tenancy) -> bool:
        others = seen.used_bytes - (seen.ours_bytes or 0)
        if self.others_bytes is not None and others < self.others_bytes + HALF_GIB:
            return True  # we fitted beside that
        if seen.free_bytes < tenancy.need_bytes * HEADROOM + tenancy.spare_bytes:
            return False
        gone = seen.foreign is not None and self._players and not self._players & _pids(seen)
        return bool(gone) or seen.load is None or seen.load < QUIET


def _pids(seen: GpuUsage) -> frozenset[int]:
    return frozenset(process.pid for process in seen.foreign or ())
