"""Runs a Home Assistant of one's own: a real process, fresh, and set up by its own API."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import secrets

import aiohttp

from tests.e2e.daemon_process import free_port
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.waiting import eventually

START_S = 90
STOP_S = 30
CONFIGURATION = """\
homeassistant:
  name: Home
  country: DE
  language: en
  unit_system: metric
  time_zone: Europe/Berlin
  internal_url: {url}
frontend:
config:
media_source:
zeroconf:
assist_pipeline:
logger:
  default: info
media_player:
  - platform: loudspeaker
"""
# Core's own step of the onboarding would set up integrations that look for the internet.
ONBOARDING = {
    "version": 4,
    "minor_version": 1,
    "key": "onboarding",
    "data": {"done": ["core_config"]},
}


@asynccontextmanager
async def running_hass(
    program: Path, folder: Path, components: Mapping[str, Path]
) -> AsyncIterator[HomeAssistant]:
    """Run a fresh Home Assistant with these custom components; end it whatever comes."""
    port = free_port("127.0.0.1")
    url = f"http://127.0.0.1:{port}"
    _furnish(folder, url, components)
    async with aiohttp.ClientSession() as session:
        hass = HomeAssistant(session, url, folder)
        with hass.output.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                program,
                *("--config", folder, "--skip-pip", "--log-no-color"),
                env=os.environ | {"SETUP_PORT": str(port)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            await _come_up(hass, process, session)
            yield hass
            process.terminate()
            status = await asyncio.wait_for(process.wait(), STOP_S)
            assert status == 0, f"Home Assistant ended with {status}"
            LogExpectations().check(hass.complaints())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _furnish(folder: Path, url: str, components: Mapping[str, Path]) -> None:
    (folder / "configuration.yaml").write_text(CONFIGURATION.format(url=url))
    for name, source in components.items():
        link = folder / "custom_components" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(source)
    storage = folder / ".storage"
    storage.mkdir()
    (storage / "onboarding").write_text(json.dumps(ONBOARDING))


async def _come_up(
    hass: HomeAssistant, process: asyncio.subprocess.Process, session: aiohttp.ClientSession
) -> None:
    async def answers() -> bool | None:
        assert process.returncode is None, hass.output.read_text()
        try:
            async with session.get(f"{hass.url}/api/onboarding") as response:
                return response.ok or None
        except aiohttp.ClientConnectionError:
            return None

    async def runs() -> bool | None:
        return (await hass.request("GET", "api/config"))["state"] == "RUNNING" or None

    await eventually(answers, what="Home Assistant's HTTP", within_s=START_S)
    await _onboard(hass)
    await eventually(runs, what="Home Assistant's start", within_s=START_S)


async def _onboard(hass: HomeAssistant) -> None:
    """Create the owner and take the remaining steps, as the first page in a browser would."""
    client_id = f"{hass.url}/"
    # The port is open to the network while the tests run: nobody shall guess the password.
    person = {"name": "Owner", "username": "owner", "password": secrets.token_urlsafe()}
    asked = person | {"client_id": client_id, "language": "en"}
    await hass.log_in((await hass.request("POST", "api/onboarding/users", json=asked))["auth_code"])
    await hass.request("POST", "api/onboarding/analytics", json={})
    place = {"client_id": client_id, "redirect_uri": client_id}
    await hass.request("POST", "api/onboarding/integration", json=place)
