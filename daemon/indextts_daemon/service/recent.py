"""How the last orders went, for whoever looks now; the metrics keep the long view."""

from collections import deque
from dataclasses import dataclass
from math import ceil

REMEMBERED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What one order took that was spoken whole."""

    first_audio_s: float | None  # None where nobody noted it
    audio_s: float
    engine_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentFigures:
    """The last orders in a few numbers; None where there is nothing to tell from."""

    requests: int
    first_audio_p50_s: float | None
    first_audio_p95_s: float | None
    real_time_factor: float | None  # of all their audio together


class Recent:
    """Remembers the last orders that were spoken whole, and sums them up."""

    def __init__(self) -> None:
        self._spoken: deque[Spoken] = deque(maxlen=REMEMBERED)

    def add(self, spoken: Spoken) -> None:
        """Remember one more, and forget the oldest beyond the last hundred."""
        self._spoken.append(spoken)

    def figures(self) -> RecentFigures:
        """Sum up what is remembered."""
        first = sorted(one.first_audio_s for one in self._spoken if one.first_audio_s is not None)
        audio_s = sum(one.audio_s for one in self._spoken)
        engine_s = sum(one.engine_s for one in self._spoken)
        return RecentFigures(
            requests=len(self._spoken),
            first_audio_p50_s=_percentile(first, 50),
            first_audio_p95_s=_percentile(first, 95),
            real_time_factor=engine_s / audio_s if audio_s else None,
        )


def _percentile(ascending: list[float], percent: int) -> float | None:
    """Return the smallest value that `percent` of them do not exceed."""
    if not ascending:
        return None
    return ascending[ceil(len(ascending) * percent / 100) - 1]
