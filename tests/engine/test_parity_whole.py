"""Nothing golden goes unlooked at."""

from pathlib import Path

import pytest

from tests.engine import parity
from tests.engine.conftest import RECORD, SETS


def test_every_golden_tensor_is_compared(request: pytest.FixtureRequest) -> None:
    """Runs last; with only some of the test files selected it asks about what those began."""
    place = parity.folder()
    if place is None:
        pytest.skip(f"no golden vectors: {parity.VARIABLE} names no folder")
    rows = request.config.stash[RECORD].rows
    sets = {name: parity.ParitySet(place / name, parity.Record()) for name in SETS}
    collected = {item.path for item in request.session.items}
    looked_at = {(row.set, row.file) for row in rows}
    lacking = parity.missing(sets, rows)
    if not collected.issuperset(Path(__file__).parent.glob("test_parity_*.py")):
        lacking = [line for line in lacking if tuple(line.split()[:2]) in looked_at]
    assert not lacking
