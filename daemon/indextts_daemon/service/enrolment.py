"""The process that listens to recordings for a model, as the event loop sees it.

It runs once for all recordings that are new, at low priority and on the CPU, and ends with us.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
import json
import logging
import os
from pathlib import Path
import sys
from typing import Any

from indextts_daemon.audio.coach import Report
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.worker.process import child_environment

LOGGER = logging.getLogger(__name__)

ENROL = "indextts_daemon.engines.indextts.enrol"
RECORD = "indextts_daemon.engines.reference"
SILENCE_S = 600.0  # without a line from it, after which it hangs: loading from a slow disk is long
RECORD_S = 120.0
_MOST_THREADS = 4
_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One voice that is to be enrolled."""

    voice: str
    key: str  # what its file is to be called
    file: Path
    content: str  # sha256 of the recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """How it went with one voice: it has a file, or it says why not."""

    key: str
    report: Report | None  # where it could be listened to
    sha256: str = ""  # of the voice's file; nothing where it was refused
    refusal: str = ""
    passing: bool = False  # whether the refusal is no fault of the recording


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentProgress:
    """How far it has come: stages, of all voices together."""

    key: str | None  # of the voice; none while the networks are loaded
    stage: str
    done: int
    total: int


class EnrolmentError(EngineUnavailableError):
    """Nothing could be enrolled any more; what is missing is missing."""

    code = "enrolment_failed"


async def record_reference(file: Path) -> None:
    """Have the embedded voice recorded. Raises EnrolmentError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", RECORD, str(file)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=child_environment(),
    )
    try:
        async with asyncio.timeout(RECORD_S):
            code = await process.wait()
    except TimeoutError as err:
        raise EnrolmentError("The built-in voice took too long to be recorded.") from err
    finally:
        await _end(process)
    if code:
        raise EnrolmentError("The built-in voice could not be recorded.")


async def enrol(
    model: Path, revision: str, enrolled: Path, wanted: Sequence[Wanted]
) -> AsyncGenerator[EnrolmentProgress | Enrolled]:
    """Run the process, and tell how it goes; closing this ends it. Raises EnrolmentError."""
    threads = max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // 2))
    job = {
        "model": str(model),
        "revision": revision,
        "enrolled": str(enrolled),
        "threads": threads,
        "recordings": [asdict(one) | {"file": str(one.file)} for one in wanted],
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", ENROL),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        env={**child_environment(), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(threads)},
    )
    try:
        async for message in _messages(process, job):
            yield message
    except TimeoutError as err:
        raise EnrolmentError("The process that listens to recordings hangs.") from err
    except (OSError, ValueError, TypeError, LookupError) as err:
        raise EnrolmentError("The process that listens to recordings is confused.") from err
    finally:
        await _end(process)


async def _messages(
    process: asyncio.subprocess.Process, job: Mapping[str, Any]
) -> AsyncIterator[EnrolmentProgress | Enrolled]:
    assert process.stdin is not None  # noqa: S101 both were asked for
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(json.dumps(job).encode() + b"\n")
    while True:
        async with asyncio.timeout(SILENCE_S):
            line = await process.stdout.readline()
        if not line:
            break
        said = json.loads(line)
        if "failure" in said:
            raise EnrolmentError(said["failure"], code=said["code"])
        yield _message(said)
    if code := await process.wait():
        LOGGER.warning("enrolment ended with code %s", code)
        raise EnrolmentError("The process that listens to recordings ended before it was done.")


def _message(said: dict[str, Any]) -> EnrolmentProgress | Enrolled:
    if "stage" in said:
        return EnrolmentProgress(**said)
    report = said.pop("report")
    return Enrolled(report=None if report is None else Report.of_json(report), **said)


async def _end(process: asyncio.subprocess.Process) -> None:
    """See it dead, whatever happens to us."""
    if process.returncode is None:
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await asyncio.shield(process.wait())
