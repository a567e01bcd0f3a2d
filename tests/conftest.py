"""Leaves out the worlds that cannot run here, and says so: only scripts/test insists on all."""

from importlib.util import find_spec
from pathlib import Path
from shutil import which

ROOT = Path(__file__).parent.parent
NEEDS = {
    "component": ["pytest_homeassistant_custom_component"],
    "contract": ["pytest_homeassistant_custom_component", ".venv/bin/indextts-daemon"],
    "daemon": ["hibari"],
    "engine": ["torch", "torchaudio"],
    "e2e": ["playwright", ".venv-hass/bin/hass", "ffmpeg", "chromium"],
}
PROGRAMS = {"ffmpeg", "chromium"}


def missing(need: str) -> bool:
    if need in PROGRAMS:
        return which(need) is None
    return not (ROOT / need).exists() if "/" in need else find_spec(need) is None


LEFT_OUT = {
    world: absent for world, needs in NEEDS.items() if (absent := [*filter(missing, needs)])
}
collect_ignore = list(LEFT_OUT)


def pytest_report_header() -> list[str]:
    return [f"left out: tests/{world}, no {absent[0]} here" for world, absent in LEFT_OUT.items()]
