"""The front process stays small and quick: what is heavy lives in the worker."""

from pathlib import Path
import subprocess
import sys

BUILD_THE_FRONT = """
from pathlib import Path
import sys
from indextts_daemon.api.app import build_app
from indextts_daemon.compose import build
from indextts_daemon.config import load_settings
from indextts_daemon.identity import Pairing, open_identity
import indextts_daemon.cli
import indextts_daemon.serve

folder = Path(sys.argv[1])
settings = load_settings(file=None, environment={}, flags={})
build_app(build(settings, open_identity(folder, token=None), Pairing(folder), data_dir=folder))
print(*sys.modules, sep="\\n")
"""
HEAVY = {"hibari", "onnxruntime", "torch", "torchaudio"}


def test_building_the_app_loads_no_engine(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-c", BUILD_THE_FRONT, str(tmp_path)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    modules = built.stdout.split()
    assert {"indextts_daemon.api.app", "indextts_daemon.serve"} <= set(modules)
    assert not [name for name in modules if name.startswith("indextts_daemon.engines")]
    assert not HEAVY & {name.partition(".")[0] for name in modules}
