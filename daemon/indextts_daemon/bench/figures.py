"""From times to figures: percentiles of a phase, medians over the rounds, aims met or missed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
import math
from statistics import median
from typing import TypeVar

T = TypeVar("T")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all do not exceed; NaN without any."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The middle and the slow end, in milliseconds."""

    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread":
        """Summarise the times of one phase."""
        return cls(p50=percentile(seconds, 0.5) * 1e3, p95=percentile(seconds, 0.95) * 1e3)

    @classmethod
    def middle(cls, spreads: Iterable["Spread"]) -> "Spread":
        """Return the medians over the rounds."""
        found = list(spreads)
        return cls(p50=_median(s.p50 for s in found), p95=_median(s.p95 for s in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a phase measured: who spoke, to how many at once, as what."""

    server: str  # library, engine, naive, daemon
    clients: int
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One phase of one round, or the medians of all of a subject's."""

    answers: int  # spoken whole; refused and failed ones are not among them
    refused: int
    failed: int
    first_ms: Spread
    whole_ms: Spread
    per_s: float
    audio_s: float | None  # of an answer, where the format's size tells
    livez_ms: Spread | None  # of a server meanwhile
    cpu_ms: float  # of the server, for an answer
    load_share: float  # of a core, by the load generator

    @classmethod
    def middle(cls, trials: Sequence["Trial"]) -> "Trial":
        """Return the medians over the rounds; refusals and failures are added up."""
        return cls(
            answers=sum(t.answers for t in trials),
            refused=sum(t.refused for t in trials),
            failed=sum(t.failed for t in trials),
            first_ms=Spread.middle(t.first_ms for t in trials),
            whole_ms=Spread.middle(t.whole_ms for t in trials),
            per_s=_median(t.per_s for t in trials),
            audio_s=_known(_median, [t.audio_s for t in trials]),
            livez_ms=_known(Spread.middle, [t.livez_ms for t in trials]),
            cpu_ms=_median(t.cpu_ms for t in trials),
            load_share=_median(t.load_share for t in trials),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Something the daemon should reach, and what it reached here."""

    name: str
    limit: float
    value: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether it was reached; never when there is no value."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit


Trials = dict[Subject, list[Trial]]  # a subject's, round by round


def aims(trials: Trials) -> list[Aim]:
    """Hold the daemon against its aims; ratios are taken within a round, then their median."""

    def of(server: str, clients: int) -> list[Trial]:
        return trials.get(Subject(server=server, clients=clients, format="wav"), [])

    def compared(clients: int, figure: Callable[[Trial], float]) -> float:
        pairs = zip(of("daemon", clients), of("naive", clients), strict=True)
        return _median(_ratio(figure(ours), figure(theirs)) for ours, theirs in pairs)

    alone = of("daemon", 1)
    loads = sorted({subject.clients for subject in trials if subject.server == "daemon"})
    livez = [Trial.middle(of("daemon", clients)).livez_ms for clients in loads]
    return [
        Aim(
            name="first audio alone, naive = 1",
            limit=1.0,
            value=compared(1, lambda trial: trial.first_ms.p50),
        ),
        Aim(
            name="first audio alone, p95 in ms",
            limit=25.0,
            value=_median(trial.first_ms.p95 for trial in alone),
        ),
        *(
            Aim(
                name=f"answers a second at {clients} clients, naive = 1",
                limit=0.95,
                value=compared(clients, lambda trial: trial.per_s),
                at_most=False,
            )
            for clients in loads
            if clients >= 16  # noqa: PLR2004 below, the clients are what is waited for
        ),
        Aim(
            name="/livez p95 in ms, at the worst load",
            limit=5.0,
            value=max((spread.p95 for spread in livez if spread), default=math.nan),
        ),
    ]


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else math.nan


def _known(middle: Callable[[list[T]], T], values: Iterable[T | None]) -> T | None:
    """Return the middle of the values that there are."""
    found = [value for value in values if value is not None]
    return middle(found) if found else None


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return median(found) if found else math.nan
