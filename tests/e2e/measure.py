"""How soon speech comes through Home Assistant, its oldest and its newest, beside the daemon alone.

Every sentence is spoken by all in turn, each time another one first, so that what disturbs the
machine disturbs all alike.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json
import os
import sys

from indextts_daemon.bench.figures import Spread
from indextts_daemon.bench.sentences import sentence
from tests.e2e.asking import ALONE, Asker, Speaker, Trial, speakers

ASKERS = (
    Asker(name="browser, Cast", format="mp3"),
    Asker(name="Voice PE", format="flac", sample_rate=48000),
    Asker(name="satellite", format="wav", sample_rate=16000),
    Asker(name="Wyoming satellite", format="wav", sample_rate=22050),
    Asker(name="player of Ogg", format="ogg"),
)
AIM_MS = 150
LEGEND = f"""
Milliseconds, median / p95, from the question to the first audio and to the last. "added" is the
first audio less that of the daemon's WebSocket in the same turn; the aim is at most {AIM_MS}.
ffmpeg: sentences for which Home Assistant started it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one speaker did for one asker."""

    asker: str
    format: str
    speaker: str
    first_ms: Spread
    whole_ms: Spread
    added_ms: Spread | None
    conversions: int | None  # sentences for which ffmpeg was started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="scripts/measure_home_assistant", description=__doc__)
    parser.add_argument("--sentences", type=int, default=20, help="of fifty")
    parser.add_argument("--json", action="store_true", help="print figures for machines")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    rows = asyncio.run(measure(asked.sentences))
    if asked.json:
        figures = {"load_before": load, "rows": [asdict(row) for row in rows]}
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        sys.stdout.write(f"{as_table(rows)}\n{LEGEND}Load of the machine before: {load:.2f}\n")


async def measure(num_sentences: int) -> list[Row]:
    """Let each speaker say every sentence to each asker."""
    async with speakers() as those:
        return [row for asker in ASKERS for row in await _rows(asker, those, num_sentences)]


async def _rows(asker: Asker, those: Sequence[Speaker], num_sentences: int) -> list[Row]:
    trials: dict[str, list[Trial]] = {speaker.name: [] for speaker in those}
    for speaker in those:  # for the first time of all, code is still fetched
        await speaker.trial(asker, "Good evening, everybody.")
    for number in range(num_sentences):
        first = number % len(those)
        for speaker in [*those[first:], *those[:first]]:
            trials[speaker.name].append(await speaker.trial(asker, sentence(number)))
    return [_row(asker, speaker, trials[speaker.name], trials[ALONE]) for speaker in those]


def _row(asker: Asker, speaker: Speaker, own: list[Trial], alone: list[Trial]) -> Row:
    added = [mine.first_s - base.first_s for mine, base in zip(own, alone, strict=True)]
    return Row(
        asker=asker.name,
        format=f"{asker.format} {asker.sample_rate or ''}".strip(),
        speaker=speaker.name,
        first_ms=Spread.of([trial.first_s for trial in own]),
        whole_ms=Spread.of([trial.whole_s for trial in own]),
        added_ms=Spread.of(added) if speaker.conversions else None,
        conversions=sum(trial.conversions > 0 for trial in own) if speaker.conversions else None,
    )


def as_table(rows: Sequence[Row]) -> str:
    """Return the rows in Markdown."""
    lines = [
        "| asker | format | who speaks | first audio | whole | added | ffmpeg |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        conversions = "" if row.conversions is None else row.conversions
        lines.append(
            f"| {row.asker} | {row.format} | {row.speaker} | {_ms(row.first_ms)} "
            f"| {_ms(row.whole_ms)} | {_ms(row.added_ms)} | {conversions} |"
        )
    return "\n".join(lines)


def _ms(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.p50:.0f} / {spread.p95:.0f}"


if __name__ == "__main__":
    main()
