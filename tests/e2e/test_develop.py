"""scripts/develop gives a developer a Home Assistant that speaks, and leaves nothing running."""

import asyncio
from pathlib import Path
import re
import signal

import aiohttp
import pytest

from tests.e2e.daemon_process import free_port
from tests.e2e.hass_process import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

START_S = 150
STOP_S = 30


async def test_it_prints_addresses_that_answer_and_ends_both_at_ctrl_c(tmp_path: Path) -> None:
    ports = (free_port("127.0.0.1"), free_port("127.0.0.1"))
    script = await asyncio.create_subprocess_exec(
        ROOT / "scripts" / "develop",
        *("--engine=fake", f"--folder={tmp_path}"),
        *(f"--port={ports[0]}", f"--daemon-port={ports[1]}"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert script.stdout is not None
        said = await asyncio.wait_for(script.stdout.readuntil(b"Ready."), START_S)
        hass, daemon = re.findall(r"http://\S+", said.decode())

        async with aiohttp.ClientSession() as session:
            for address in (hass, f"{daemon}/livez"):
                async with session.get(address) as response:
                    assert response.status == 200
            script.send_signal(signal.SIGINT)
            await script.stdout.read()
            assert await asyncio.wait_for(script.wait(), STOP_S) == 0
            for address in (hass, daemon):
                with pytest.raises(aiohttp.ClientConnectionError):
                    await session.get(address)
    finally:
        if script.returncode is None:
            script.kill()
            await script.wait()
