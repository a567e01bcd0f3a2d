"""The engine's world: torch, and the golden vectors where they are."""

from collections.abc import Iterator
from functools import cache
import os

import pytest
import torch

from tests.engine import parity
from tests.engine.serving import Furnish, Furnished, enrolled, furnish

RECORD = pytest.StashKey[parity.Record]()
SETS = parity.set_names()


def pytest_configure(config: pytest.Config) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # of daemons too: with more, sums are rounded otherwise
    torch.set_num_threads(1)
    config.stash[RECORD] = parity.Record()


NOWHERE = f"no golden vectors: {parity.VARIABLE} names none, and none are beside the project"


@pytest.fixture(params=SETS or [pytest.param("", marks=pytest.mark.skip(reason=NOWHERE))])
def golden(request: pytest.FixtureRequest) -> parity.ParitySet:
    """Each set of golden vectors in turn."""
    place = parity.folder()
    assert place is not None
    return parity.ParitySet(place / request.param, request.config.stash[RECORD])


@pytest.fixture
def one_golden(request: pytest.FixtureRequest) -> parity.ParitySet:
    """Return one set of golden vectors, for what does not hang on the version."""
    place = parity.folder()
    if not SETS or place is None:
        pytest.skip(NOWHERE)
    return parity.ParitySet(place / SETS[0], request.config.stash[RECORD])


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Furnish:
    """Return what furnishes a folder with a set's model and two voices that are enrolled, once."""

    @cache
    def of(name: str) -> Furnished:
        place = parity.folder()
        assert place is not None
        golden = parity.ParitySet(place / name, parity.Record())
        data_dir = tmp_path_factory.mktemp("furnished")
        options = enrolled(golden, data_dir, furnish(golden, data_dir))
        return Furnished(golden, data_dir, options)

    return of


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask last whether all was compared."""
    items.sort(key=lambda item: "every_golden_tensor" in item.name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = terminalreporter.config.stash[RECORD].rows
    if rows:
        terminalreporter.section("parity")
        for line in parity.table(rows):
            terminalreporter.write_line(line)
