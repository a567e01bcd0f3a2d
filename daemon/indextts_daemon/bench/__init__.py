"""`indextts-daemon bench`: how soon and how fast the daemon speaks here, beside what it could be.

Measures over loopback, against the bare engine and against the plainest HTTP handler, in the same
run. Engines run in processes of their own; this one never imports any.
"""

import asyncio
import signal
import sys

from . import report
from .rounds import FULL, QUICK, Measurement, Plan, measure

TERMINATED = 128 + signal.SIGTERM


def bench(*, quick: bool, as_json: bool, engine: str = "embedded") -> int:
    """Measure, print what was found, and return the exit code; an aim that is missed is no error.

    Raises SpeechError when something does not start.
    """
    try:
        found = asyncio.run(_measure(QUICK if quick else FULL, engine))
    except asyncio.CancelledError:
        return TERMINATED
    sys.stdout.write((report.as_json(found) if as_json else report.as_table(found)) + "\n")
    return 0


async def _measure(plan: Plan, engine: str) -> Measurement:
    """Measure; SIGTERM ends it as ^C does, with every process that it started."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await measure(plan, engine, say=_say)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
