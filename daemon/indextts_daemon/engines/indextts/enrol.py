"""The process that enrols voices: `python -m ...`, a job in, a line for every step out.

It reads one line of JSON, keeps the CPU and the memory for others, and ends when its parent does. A
recording that is no good costs only itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import hashlib
import json
import os
from pathlib import Path
import signal
import sys
from threading import Thread
from typing import Any, Self, TextIO

import torch

from indextts_daemon.audio import coach, recording
from indextts_daemon.audio.coach import Report
from indextts_daemon.audio.recording import Recording
from indextts_daemon.errors import EngineUnavailableError, InvalidRequestError, place_of
from indextts_daemon.posix import go_first, lower_priority

from . import voice_file
from .conditioning import STAGES, ReferenceNetworks, VoiceConditioning, encode_reference
from .joints import require_match
from .loader import Weights, open_weights
from .networks import enrolment_networks

NICE = 10
LOADING, LISTENING = "loading", "listening"  # stages before those of the conditioning

Tell = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One recording, and what its voice's file is to be called."""

    voice: str
    key: str
    file: Path
    content: str  # sha256

    def read(self) -> bytes:
        """Return the recording. Raises OSError, also where it is another one by now."""
        content = self.file.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.content:
            raise OSError(None, "it was replaced meanwhile")
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done."""

    model: Path
    revision: str
    enrolled: Path
    threads: int
    recordings: tuple[Wanted, ...]

    @classmethod
    def of(cls, line: bytes) -> Self:
        """Read the line that the parent writes."""
        told = json.loads(line)
        return cls(
            model=Path(told["model"]),
            revision=told["revision"],
            enrolled=Path(told["enrolled"]),
            threads=told["threads"],
            recordings=tuple(
                Wanted(**{**one, "file": Path(one["file"])}) for one in told["recordings"]
            ),
        )


def main() -> int:
    """Do the job that stands on standard input; return the exit code."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no message
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent decides
    lower_priority(NICE)
    go_first()
    parent = sys.stdin.fileno()
    with os.fdopen(os.dup(parent), "rb", buffering=0) as lines:
        job = Job.of(lines.readline())
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(job.threads)
    try:
        enrol(job, lambda said: _write(out, said))
    except EngineUnavailableError as err:
        _write(out, {"failure": err.message, "code": err.error_code})
    return 0


def enrol(job: Job, tell: Tell) -> None:
    """Listen to every recording, and write the voices' files. Raises EngineUnavailableError."""
    total = len(job.recordings) * (1 + len(STAGES))
    tell({"key": None, "stage": LOADING, "done": 0, "total": total})
    weights = open_weights(job.model)
    if weights.revision != job.revision:
        raise EngineUnavailableError("The model was replaced meanwhile.", code="model_changed")
    require_match(weights)
    networks = enrolment_networks(weights, device=torch.device("cpu"))
    for index, wanted in enumerate(job.recordings):
        done = index * (1 + len(STAGES))

        def begun(stage: str, number: int, key: str = wanted.key, done: int = done) -> None:
            tell({"key": key, "stage": stage, "done": done + number, "total": total})

        tell({"key": wanted.key, **_enrolled(job, wanted, weights, networks, begun)})


def _enrolled(
    job: Job,
    wanted: Wanted,
    weights: Weights,
    networks: ReferenceNetworks,
    begun: Callable[[str, int], None],
) -> dict[str, Any]:
    """Listen to one recording; return how that went."""
    report: Report | None = None
    begun(LISTENING, 0)
    try:
        report, reference = coach.examine(recording.read(wanted.read()))
        if report.refused:
            return _said(report, refusal=" ".join(one.message for one in report.refusals))
        conditioning = _conditioned(networks, weights, reference, begun)
        told = {
            "model": weights.variant.id,
            "revision": weights.revision,
            "content": wanted.content,
            "report": report.as_json(),
        }
        content = voice_file.encoded(conditioning, key=wanted.key, told=told)
        voice_file.store(job.enrolled, wanted.key, content)
    except InvalidRequestError as err:
        return _said(report, refusal=err.message)
    except voice_file.VoiceFileError as err:
        return _said(report, refusal=err.message, passing=True)
    except OSError as err:
        return _said(report, refusal=f"A file is in the way: {err.strerror}.", passing=True)
    except Exception as err:  # noqa: BLE001 one recording must not cost the others their voices
        return _said(report, refusal=f"It could not be listened to: {place_of(err)}.", passing=True)
    return _said(report, sha256=hashlib.sha256(content).hexdigest())


@torch.inference_mode()
def _conditioned(
    networks: ReferenceNetworks,
    weights: Weights,
    reference: Recording,
    begun: Callable[[str, int], None],
) -> VoiceConditioning:
    samples = torch.from_numpy(reference.samples)[None]
    stages = encode_reference(networks, weights.variant, samples, reference.sample_rate)
    while True:
        try:
            stage = next(stages)
        except StopIteration as done:
            conditioning: VoiceConditioning = done.value
            return conditioning
        begun(stage, 1 + STAGES.index(stage))


def _said(
    report: Report | None, *, sha256: str = "", refusal: str = "", passing: bool = False
) -> dict[str, Any]:
    heard = None if report is None else report.as_json()
    return {"report": heard, "sha256": sha256, "refusal": refusal, "passing": passing}


def _write(out: TextIO, said: Mapping[str, Any]) -> None:
    print(json.dumps(said), file=out, flush=True)


def _end_with(parent: int) -> None:
    """End at once when the parent is gone, or wants no more of this."""
    os.read(parent, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
