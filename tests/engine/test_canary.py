"""A tiny published model before the canary: random weights sound, and sound the same again."""

from pathlib import Path

import pytest

from indextts_daemon.checkpoints.catalogue import PUBLISHED
from indextts_daemon.service.baselines import Baselines
from indextts_daemon.service.canary import CanaryReport, sing
from indextts_daemon.worker.handle import WorkerHandle, WorkerSpec
from tests.engine import parity
from tests.engine.conftest import SETS
from tests.engine.parity import ParitySet, Record
from tests.engine.serving import enrolled, furnish, model_id

pytestmark = pytest.mark.skipif(not SETS, reason="no golden vectors")


@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.long] * (name != SETS[-1])) for name in SETS]
)
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> WorkerSpec:
    place = parity.folder()
    assert place is not None
    golden = ParitySet(place / request.param, Record())
    options = enrolled(golden, tmp_path, furnish(golden, tmp_path))
    return WorkerSpec(model=model_id(golden), engine="indextts", options=options)


async def heard(worker: WorkerHandle, baselines: Baselines) -> CanaryReport:
    assert worker.info is not None
    return await sing(worker, worker.info, worker.info.voices, baselines, lambda _: None)


async def test_it_is_let_in_in_every_language_and_is_like_itself_again(spec: WorkerSpec) -> None:
    worker, baselines = WorkerHandle(spec), Baselines()
    try:
        await worker.start()
        first = await heard(worker, baselines)
        baselines.learn(first.said)
        again = await heard(worker, baselines)
    finally:
        await worker.stop(timeout_s=0)
    [published] = [model for model in PUBLISHED if model.id == spec.model]
    assert {line.language for line in first.lines} == set(published.languages)
    for line in again.lines:
        assert line.duration_ratio == 1
        assert line.likeness is None or line.likeness > 0.99
