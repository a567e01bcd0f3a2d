"""What a run found out, as a table for people and as JSON for machines."""

from dataclasses import asdict
import json
import math
from typing import Any

from .figures import Aim, Spread, Subject, Trial, aims
from .proc import DISTURBING
from .rounds import Measurement

_COLUMNS = (
    *("who", "clients", "format", "answers", "first audio ms", "whole ms", "per s", "audio s"),
    *("/livez ms", "CPU ms", "load CPU"),
)
_LEGEND = """\
Times are p50 / p95 of a round, then the median over the rounds. library: hibari called directly;
engine: ours called directly; naive: a plain HTTP handler around the library; daemon: this daemon.
CPU ms: of the server's processes, for an answer. load CPU: share of a core that asking took."""


def as_table(found: Measurement) -> str:
    """Return the figures, what may have disturbed them, and the aims."""
    rows = [_COLUMNS, *(_cells(subject, trial) for subject, trial in _middles(found))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    table = ["  ".join(map(str.rjust, row, widths)) for row in rows]
    verdicts = [_verdict(aim) for aim in aims(found.trials)]
    title = (
        f"Engine {found.engine}, {found.cores} cores, {found.rounds} rounds in "
        f"{found.seconds:.0f} s, one machine, over loopback."
    )
    blocks = [[title], table, [_LEGEND], [_reached(found)], _disturbances(found), verdicts]
    return "\n\n".join("\n".join(block) for block in blocks)


def as_json(found: Measurement) -> str:
    """Return the same; a figure that there is not is null."""
    rows = [{**asdict(subject), **asdict(trial)} for subject, trial in _middles(found)]
    whole = {
        "engine": found.engine,
        "cores": found.cores,
        "rounds": found.rounds,
        "seconds": found.seconds,
        "rows": rows,
        "engine_requests": {"sent": found.sent, **(asdict(found.reached) if found.reached else {})},
        "others": {
            "disturbing": found.disturbing,
            "share": found.others_share,
            "stolen_share": found.stolen_share,
        },
        "aims": [{**asdict(aim), "met": aim.met} for aim in aims(found.trials)],
    }
    return json.dumps(_without_nan(whole), indent=2)


def _middles(found: Measurement) -> list[tuple[Subject, Trial]]:
    return [(subject, Trial.middle(trials)) for subject, trials in found.trials.items()]


def _cells(subject: Subject, trial: Trial) -> tuple[str, ...]:
    lost = trial.refused + trial.failed
    served = subject.server in ("naive", "daemon")
    return (
        subject.server,
        str(subject.clients) if served else "-",
        subject.format,
        f"{trial.answers}" + (f" ({lost} lost)" if lost else ""),
        _spread(trial.first_ms),
        _spread(trial.whole_ms),
        f"{trial.per_s:.1f}",
        "-" if trial.audio_s is None else f"{trial.audio_s:.2f}",
        _spread(trial.livez_ms),
        f"{trial.cpu_ms:.1f}",
        f"{trial.load_share:.0%}" if served else "-",
    )


def _spread(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.p50:.1f} / {spread.p95:.1f}"


def _reached(found: Measurement) -> str:
    if found.reached is None:
        return "The daemon did not say what reached its engine."
    reached = found.reached
    return (
        f"Of {found.sent} requests to the daemon, {reached.answered:.0f} were spoken. Its worker "
        f"counted {reached.jobs:.0f} jobs with {reached.sentences:.0f} sentences in "
        f"{reached.steps:.0f} steps of the engine, made {reached.audio_s:.0f} s of audio and says "
        f"that it took {reached.engine_s:.0f} s. Each request had a seed of its own: no answer "
        "came from a cache."
    )


def _disturbances(found: Measurement) -> list[str]:
    lines = [
        f"Disturbed: {name} took {share:.1f} of a core for a second or more."
        for name, share in sorted(found.disturbing.items(), key=lambda item: -item[1])
    ]
    if not lines and found.others_share > DISTURBING:
        lines.append(f"Disturbed: short processes took {found.others_share:.1f} of a core.")
    if found.stolen_share > DISTURBING:
        lines.append(f"Disturbed: the host kept back {found.stolen_share:.1f} of a core.")
    return lines or [f"No other process took more than {DISTURBING} of a core."]


def _verdict(aim: Aim) -> str:
    sign = "<=" if aim.at_most else ">="
    return (
        f"{'met' if aim.met else 'missed':6}  {aim.name}: {aim.value:.2f} (aim {sign} {aim.limit})"
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
