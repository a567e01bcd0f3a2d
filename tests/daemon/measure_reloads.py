"""Measures reloads of a real daemon with the fake engine, for scripts/measure_reloads."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from indextts_daemon.bench.figures import Spread
from tests.daemon.household import House, Household, living_in
from tests.daemon.reloads import BEGINNING, Reloads
from tests.daemon.soon_heard import listening_in

PEOPLE = 4
QUIET_S = 10.0  # of speech before the first swap
TIMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAudio:
    """How soon answers sounded that were asked for before any swap, and during one."""

    before: Spread
    during: Spread
    swaps: int

    @property
    def penalty(self) -> float:
        """How many times as long the slow end took."""
        return self.during.p95 / self.before.p95

    @classmethod
    def of(cls, home: Household, *, quiet_until: float) -> "FirstAudio":
        """Sort by when they were asked for: a swap lasts from the wish to the commit."""
        swaps = [
            (one["started_at"], one["ended_at"])
            for one in home.ledger.ended.values()
            if one["details"].get("mode") == "side_by_side" and one["result"] == "applied"
        ]
        return cls(
            before=Spread.of([s for asked_at, s in home.first_audio if asked_at < quiet_until]),
            during=Spread.of(
                [
                    s
                    for asked_at, s in home.first_audio
                    if any(begin <= asked_at <= end for begin, end in swaps)
                ]
            ),
            swaps=len(swaps),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapping:
    """What came of people who speak while models replace each other."""

    answers: int
    lost: int
    mixed: int
    first_audio: FirstAudio


async def swapping(data_dir: Path, *, times: int, quiet_s: float = QUIET_S) -> Swapping:
    """Speak without pause, and change the model side by side."""
    async with living_in(House(data_dir, BEGINNING)) as home:
        changes = Reloads(home=home, people=PEOPLE, chance=random.Random(0))  # noqa: S311
        changes.furnish()
        with home.house:
            home.move_in()
            async with home.talking(PEOPLE, seed=0):
                await asyncio.sleep(quiet_s)
                quiet_until = max(asked_at for asked_at, _ in home.first_audio)
                for _ in range(times):
                    await changes.activate()
                    await asyncio.sleep(0.5)
    return Swapping(
        answers=home.answers,
        lost=len(home.lost),
        mixed=len(home.mixed),
        first_audio=FirstAudio.of(home, quiet_until=quiet_until),
    )


async def hearing(data_dir: Path, *, times: int) -> dict[str, list[float]]:
    """Return for each kind of edit the seconds until it was heard, the first one left out."""
    async with listening_in(data_dir) as ear:
        return {what: [await way() for _ in range(times + 1)][1:] for what, way in ear.ways.items()}


def table(swaps: Swapping, heard: Mapping[str, Sequence[float]]) -> str:
    """Return the figures for people."""
    first = swaps.first_audio
    lines = [
        f"{swaps.answers} answers, {first.swaps} swaps side by side.",
        f"{swaps.lost} lost, {swaps.mixed} mixed.",
        "",
        f"{'First audio, ms':24}{'p50':>8}{'p95':>8}",
        f"{'before the swaps':24}{first.before.p50:8.0f}{first.before.p95:8.0f}",
        f"{'during the swaps':24}{first.during.p50:8.0f}{first.during.p95:8.0f}",
        f"{'times as long':24}{'':8}{first.penalty:8.2f}",
        "",
        f"{'From edit to sound, s':24}{'median':>8}{'slowest':>9}",
        *(f"{what:24}{median(took):8.1f}{max(took):9.1f}" for what, took in heard.items()),
    ]
    return "\n".join(lines)


def figures(swaps: Swapping, heard: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the figures for machines."""
    seconds = {
        what: {"median": round(median(took), 2), "all": [round(one, 2) for one in took]}
        for what, took in heard.items()
    }
    return {"swaps": asdict(swaps), "heard_after_s": seconds}


def main() -> None:
    """Measure, and print."""
    asked = argparse.ArgumentParser(prog="scripts/measure_reloads")
    asked.add_argument("--json", action="store_true", help="print figures for machines")
    asked.add_argument("--times", type=int, default=TIMES, help="of each (default: %(default)s)")
    given = asked.parse_args()
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        swaps = asyncio.run(swapping(Path(one), times=given.times))
        heard = asyncio.run(hearing(Path(other), times=given.times))
    told = figures(swaps, heard)
    print(json.dumps(told, indent=1) if given.json else table(swaps, heard))  # noqa: T201 its purpose


if __name__ == "__main__":
    main()
