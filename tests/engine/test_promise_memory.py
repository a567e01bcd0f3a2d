"""Promise: a model that has left the GPU leaves all of its memory to others."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from indextts_daemon import gpu
from tests.daemon.running import RunningDaemon
from tests.engine.parity import ParitySet
from tests.engine.serving import furnish, model_id
from tests.engine.test_served import ready

pytestmark = pytest.mark.gpu

MIB = 1 << 20
MOST_LEFT = 256 * MIB
CYCLES = 5
LOOKS = 100  # a tenth of a second apart: the driver may take a moment


@pytest.fixture(autouse=True)
def _card() -> None:
    if not gpu.look().there:
        pytest.skip("no NVIDIA GPU here")


def used() -> int:
    """Return how much of the card anybody holds."""
    seen = gpu.usage((), failed=lambda: None)
    assert seen is not None
    return seen.used_bytes


async def post(session: aiohttp.ClientSession, path: str) -> None:
    async with session.post(path) as response:
        assert response.status == 200, await response.text()


async def test_the_card_is_as_empty_after_a_model_as_it_was_before(
    golden: ParitySet, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    before = used()
    furnish(golden, tmp_path)
    settings = {"indextts": {"quality": "fast", "device": "cuda"}}
    with RunningDaemon(tmp_path, "--engine", "indextts", settings=settings) as daemon:
        async with daemon.session() as session:
            await ready(session)
            for cycle in range(CYCLES):
                await post(session, f"/v1/models/{model_id(golden)}/load?wait=true")
                loaded = used()
                assert loaded - before > MOST_LEFT / 2  # else nobody would see that it stays
                await post(session, f"/v1/models/{model_id(golden)}/unload?wait=true")
                for _ in range(LOOKS):
                    if (after := used()) - before <= MOST_LEFT:
                        break
                    await asyncio.sleep(0.1)
                told = f"{before // MIB} -> {loaded // MIB} -> {after // MIB}"
                record_property(f"card_mib_{cycle}", told)
                assert after - before <= MOST_LEFT
