"""A stand-in for the process that listens to recordings: each says itself how it will go.

Run as a module: a job on standard input, or a file to be recorded as an argument. It imports
little, so that it is quick.
"""

import hashlib
import json
import os
from pathlib import Path
import sys
import time
from typing import Any

LAUNCHES = "launches"  # in the model's folder: a line for every process, with its number
MODULE = "tests.daemon.enrolling"


GOOD: dict[str, Any] = {
    "duration_s": 9.0,
    "window_s": (0.0, 8.0),
    "fast_window_s": (1.0, 7.0),
    "speech_s": 7.0,
    "silence_share": 0.1,
    "level_dbfs": -25.0,
    "snr_db": 50.0,
    "hum_share": 0.0,
    "clipped_share": 0.0,
    "bandwidth_hz": 8000.0,
    "fall_db": 30.0,
    "apartness": 1.0,
    "findings": [],
}
REFUSED = GOOD | {
    "findings": [{"code": "no_speech", "severity": "refuse", "message": "Nobody speaks."}]
}


def launches(model: Path) -> list[dict[str, Any]]:
    """Return what each process was asked for."""
    file = model / LAUNCHES
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def listen(job: dict[str, Any]) -> None:
    voices = [one["voice"] for one in job["recordings"]]
    launch = {
        "pid": os.getpid(),
        "voices": voices,
        "threads": job["threads"],
        "omp": os.environ.get("OMP_NUM_THREADS"),
        "cards": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
    with (Path(job["model"]) / LAUNCHES).open("a") as file:
        print(json.dumps(launch), file=file)
    tell({"key": None, "stage": "loading", "done": 0, "total": len(voices)})
    for done, one in enumerate(job["recordings"]):
        kind = Path(one["file"]).read_text().split()[0]
        if kind == "failing":
            tell({"failure": "The model is no good.", "code": "checkpoint_invalid"})
            return
        tell({"key": one["key"], "stage": "listening", "done": done, "total": len(voices)})
        if kind == "replacing":
            Path(one["file"]).write_text("good instead")
            kind = "passing"
        tell(
            {"key": one["key"], **heard(kind, Path(job["enrolled"]) / f"{one['key']}.safetensors")}
        )


def heard(kind: str, file: Path) -> dict[str, Any]:
    match kind:
        case "refused":
            return {"report": REFUSED, "sha256": "", "refusal": "Nobody speaks."}
        case "passing":
            return {"report": None, "sha256": "", "refusal": "It was replaced.", "passing": True}
        case "odd":
            return {"what": "is this?"}
        case "crash":
            os.abort()
        case "hang":
            time.sleep(600)
    content = f"voice file {file.name}".encode()
    file.write_bytes(content)
    return {"report": GOOD, "sha256": hashlib.sha256(content).hexdigest()}


def tell(said: dict[str, Any]) -> None:
    print(json.dumps(said), flush=True)  # noqa: T201 this is how it talks


if __name__ == "__main__":
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text("good heart")
    else:
        listen(json.loads(sys.stdin.readline()))
