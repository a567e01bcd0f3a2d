"""Recordings that are listened to in a process of their own, before anything is made of them."""

import asyncio
from dataclasses import dataclass, field
import hashlib
import json
import sys
from typing import Any

from indextts_daemon.audio.coach import Report
from indextts_daemon.audio.recording import RecordingError
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.worker.process import child_environment

HEAR = "indextts_daemon.audio.hearing"
HEARING_S = 300.0  # at most, however busy the machine is
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A recording that can be read, and what the coach says of it."""

    content: bytes = field(repr=False)
    suffix: str  # of a file that holds it
    report: Report

    @property
    def sha256(self) -> str:
        """What names exactly this content."""
        return hashlib.sha256(self.content).hexdigest()


async def hear(content: bytes) -> Heard:
    """Listen to the content of a file. Raises RecordingError and EngineUnavailableError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", HEAR),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**child_environment(), "CUDA_VISIBLE_DEVICES": "", **ONE_THREAD},
        )
    except OSError as err:
        raise EngineUnavailableError(
            f"Nothing can be listened to now ({err.strerror}).", code="enrolment_failed"
        ) from err
    try:
        async with asyncio.timeout(HEARING_S):
            said, _ = await process.communicate(content)
    except TimeoutError as err:
        raise RecordingError("It takes too long to listen to. Save it anew, as wav.") from err
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    if process.returncode:
        raise RecordingError("The file cannot be listened to: it is damaged. Save it anew, as wav.")
    return _heard(content, json.loads(said))


def _heard(content: bytes, said: dict[str, Any]) -> Heard:
    if "refusal" in said:
        raise RecordingError(said["refusal"], code=said["code"])
    return Heard(content=content, suffix=said["suffix"], report=Report.of_json(said["report"]))
