"""Runs a Home Assistant of one's own: a real process, set up by its own API, kept in a folder."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
import json
import os
from pathlib import Path

import aiohttp

from tests.e2e.daemon_process import free_port
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.waiting import ended, eventually

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NEWEST = ROOT / ".venv-hass" / "bin" / "hass"
OLDEST = ROOT / ".venv-ha" / "bin" / "hass"  # of those that the integration supports
START_S = 90
STOP_S = 30
OWNER = "owner"
COMPONENTS = {
    "indextts": ROOT / "custom_components" / "indextts",
    "loudspeaker": HERE / "loudspeaker",
    "parrot": HERE / "parrot",
}
CONFIGURATION = """\
# Written anew at each start.
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
parrot:
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
    program: Path,
    folder: Path,
    *,
    password: str,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[HomeAssistant]:
    """Run a Home Assistant on what is kept in a folder, its owner logged in; end it whatever comes.

    The port is open to the network while it runs: nobody shall guess the password.
    """
    port = port or free_port("127.0.0.1")
    url = f"http://127.0.0.1:{port}"
    _furnish(folder, url)
    async with aiohttp.ClientSession() as session:
        hass = HomeAssistant(session, url, folder)
        with hass.output.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                program,
                *("--config", folder, "--skip-pip", "--log-no-color"),
                env={**os.environ, **(environment or {}), "SETUP_PORT": str(port)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the Ctrl-C of a terminal is for whoever runs this
            )
        try:
            await _come_up(hass, process, session, password)
            yield hass
        finally:
            await hass.hang_up()
            status = await ended(process, within_s=STOP_S)
        assert status == 0, f"Home Assistant ended with {status}"


def _furnish(folder: Path, url: str) -> None:
    (folder / "configuration.yaml").write_text(CONFIGURATION.format(url=url))
    for name, source in COMPONENTS.items():
        link = folder / "custom_components" / name
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(source)
    storage = folder / ".storage"
    if not storage.exists():
        storage.mkdir()
        (storage / "onboarding").write_text(json.dumps(ONBOARDING))
    (storage / "http").unlink(missing_ok=True)  # it would insist on the port of the first start


async def _come_up(
    hass: HomeAssistant,
    process: asyncio.subprocess.Process,
    session: aiohttp.ClientSession,
    password: str,
) -> None:
    async def serves() -> bool | None:
        assert process.returncode is None, hass.output.read_text()
        try:
            async with session.get(f"{hass.url}/manifest.json") as response:
                return response.ok or None  # its frontend comes after the onboarding
        except aiohttp.ClientConnectionError:
            return None

    async def runs() -> bool | None:
        return (await hass.request("GET", "api/config"))["state"] == "RUNNING" or None

    await eventually(serves, what="Home Assistant's HTTP", within_s=START_S)
    async with session.get(f"{hass.url}/api/onboarding") as response:
        known = response.status == HTTPStatus.NOT_FOUND
    await (_log_in(hass, password) if known else _onboard(hass, password))
    await eventually(runs, what="Home Assistant's start", within_s=START_S)


async def _onboard(hass: HomeAssistant, password: str) -> None:
    """Create the owner and take the remaining steps, as the first page in a browser would."""
    client_id = f"{hass.url}/"
    person = {"name": "Owner", "username": OWNER, "password": password}
    asked = person | {"client_id": client_id, "language": "en"}
    await hass.log_in((await hass.request("POST", "api/onboarding/users", json=asked))["auth_code"])
    await hass.request("POST", "api/onboarding/analytics", json={})
    place = {"client_id": client_id, "redirect_uri": client_id}
    await hass.request("POST", "api/onboarding/integration", json=place)


async def _log_in(hass: HomeAssistant, password: str) -> None:
    client = {"client_id": f"{hass.url}/"}
    asked = client | {"handler": ["homeassistant", None], "redirect_uri": f"{hass.url}/"}
    flow = await hass.request("POST", "auth/login_flow", json=asked)
    person = client | {"username": OWNER, "password": password}
    done = await hass.request("POST", f"auth/login_flow/{flow['flow_id']}", json=person)
    await hass.log_in(done["result"])
