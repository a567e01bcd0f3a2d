"""Nothing golden goes unlooked at."""

from pathlib import Path

import pytest

from tests.engine import parity
from tests.engine.conftest import NOWHERE, RECORD, SETS


def test_a_folder_without_golden_vectors_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        monkeypatch.setenv(parity.VARIABLE, str(place))
        with pytest.raises(FileNotFoundError, match="golden vectors"):
            parity.set_names()


def test_every_golden_tensor_is_compared(request: pytest.FixtureRequest) -> None:
    """Runs last; with only some of the test files selected it asks about what those began."""
    place = parity.folder()
    if place is None:
        pytest.skip(NOWHERE)
    assert SETS
    rows = request.config.stash[RECORD].rows
    sets = {name: parity.ParitySet(place / name, parity.Record()) for name in SETS}
    collected = {item.path for item in request.session.items}
    looked_at = {(row.set, row.file) for row in rows}
    lacking = parity.missing(sets, rows)
    if not collected.issuperset(Path(__file__).parent.glob("test_parity_*.py")):
        lacking = [line for line in lacking if tuple(line.split()[:2]) in looked_at]
    assert not lacking
