"""Nothing leaves the house, and nothing is kept that nobody asked for."""

import os
from pathlib import Path
import subprocess
import sys

from tests.daemon.running import RunningDaemon


def test_no_library_reports_on_the_household(tmp_path: Path) -> None:
    """The telemetry of onnxruntime keeps an id and a queue of reports in the user's home."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    speak = "from indextts_daemon import engines; from indextts_daemon.engines import registry; "
    run = f"{speak}registry.create('embedded', {{}}).close()"
    subprocess.run(
        [sys.executable, "-c", run], env=kept | {"HOME": str(home)}, check=True, timeout=120
    )
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_the_worker_is_told_so(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path) as daemon:
        environment = Path(f"/proc/{daemon.worker_pid()}/environ").read_bytes()
    assert b"ORT_DISABLE_TELEMETRY=1" in environment.split(b"\0")
