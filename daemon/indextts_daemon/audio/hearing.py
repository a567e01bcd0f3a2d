"""The process that listens to one recording: a file on standard input, a line about it out.

Libraries in C read what people send: whatever a file does to them costs this process only.
"""

import json
import sys
from typing import Any

from indextts_daemon.audio import coach, recording
from indextts_daemon.audio.recording import MAX_BYTES, RecordingError
from indextts_daemon.posix import bound_process, go_first, lower_priority

MEMORY_BYTES = 2 << 30  # of addresses; ten minutes of sound need a quarter of it
CPU_S = 120
NICE = 10


def main() -> int:
    """Listen, and say how good it is; return the exit code."""
    lower_priority(NICE)
    go_first()
    bound_process(memory_bytes=MEMORY_BYTES, cpu_s=CPU_S)
    print(json.dumps(_heard(sys.stdin.buffer.read(MAX_BYTES + 1))))  # noqa: T201 how it talks
    return 0


def _heard(content: bytes) -> dict[str, Any]:
    try:
        found = recording.read(content)
    except RecordingError as err:
        return {"refusal": err.message, "code": err.error_code}
    report, _ = coach.examine(found)
    return {"report": report.as_json(), "suffix": found.suffix}


if __name__ == "__main__":
    sys.exit(main())
