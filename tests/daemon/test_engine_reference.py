"""The built-in reference: a recording like any other, and a good one."""

from pathlib import Path
import subprocess
import sys

from indextts_daemon.audio import coach, recording
from indextts_daemon.service import enrolment
from indextts_daemon.worker.process import child_environment


async def test_the_recorded_voice_is_good_and_always_the_same(tmp_path: Path) -> None:
    one, two = tmp_path / "one.wav", tmp_path / "two.wav"
    await enrolment.record_reference(one)
    subprocess.run(  # noqa: ASYNC221 nothing else waits
        [sys.executable, "-m", enrolment.RECORD, str(two)], env=child_environment(), check=True
    )
    assert one.read_bytes() == two.read_bytes()
    report, _ = coach.examine(recording.read(one.read_bytes()))
    assert report.words == "good"
    assert 5 < report.speech_s < 15
