"""The way from a daemon to an entity in Home Assistant, by the steps that a person takes."""

from dataclasses import dataclass
from typing import Any

from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.waiting import eventually

DOMAIN = "indextts"
FOUND_S = 30
# What Assist asks a text-to-speech entity for, on behalf of a voice satellite.
SATELLITE = {
    "preferred_format": "wav",
    "preferred_sample_rate": 16000,
    "preferred_sample_channels": 1,
    "preferred_sample_bytes": 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """A daemon that Home Assistant speaks through."""

    entry_id: str
    entity_id: str
    device_id: str


async def found(hass: HomeAssistant, daemon: DaemonProcess) -> dict[str, Any]:
    """Wait for the discovered flow that the dashboard shows as a card."""
    return await eventually(
        lambda: hass.discovered(daemon.name), what="the discovery", within_s=FOUND_S
    )


async def pair_by_hand(
    hass: HomeAssistant, daemon: DaemonProcess, credential: str | None = None
) -> Paired:
    """Type where a daemon runs, then its code, or its token if that is given."""
    flow = await hass.start_flow(DOMAIN)
    asked = await hass.answer_flow(flow["flow_id"], host=daemon.host, port=daemon.port)
    assert asked["step_id"] == "pair", asked
    return await pair(hass, daemon, flow["flow_id"], credential)


async def pair(
    hass: HomeAssistant, daemon: DaemonProcess, flow_id: str, credential: str | None = None
) -> Paired:
    """Type the code that the daemon's owner is shown, or its token, and wait for the entity."""
    made = await hass.answer_flow(flow_id, credential=credential or await daemon.pairing_code())
    assert made["type"] == "create_entry", made
    entry_id = made["result"]["entry_id"]
    entities = await hass.command("config/entity_registry/list")
    [entity] = [
        one
        for one in entities
        if one["config_entry_id"] == entry_id and one["entity_id"].startswith("tts.")
    ]
    return Paired(entry_id=entry_id, entity_id=entity["entity_id"], device_id=entity["device_id"])
