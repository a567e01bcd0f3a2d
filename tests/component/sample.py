"""The daemon that the component's tests talk to: what it says of itself."""

from dataclasses import replace
from ipaddress import ip_address

from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo

from custom_components.indextts.client import (
    Info,
    Language,
    Languages,
    Model,
    Operation,
    Pairing,
    Paused,
    Readiness,
    Status,
    Voice,
)

INSTANCE_ID = "0123456789abcdef0123456789abcdef"
HOST = "192.168.1.20"
PORT = 8818
TOKEN = "a-token"  # noqa: S105

INFO = Info(
    instance_id=INSTANCE_ID,
    name="nas",
    version="0.1.0",
    engine="embedded",
    model_name="Embedded voices",
    auth=True,
    revision="00112233aabbccdd",
)
READY = Readiness(ready=True, state="ready")
DEGRADED = Readiness(ready=True, state="degraded")
LOADING = Readiness(ready=False, state="loading")
LANGUAGES = Languages(
    default="en",
    languages=(
        Language(code="en", name="English", voices=("heart", "gone")),
        Language(code="en-GB", name="English (United Kingdom)", voices=("pico-en-gb", "heart")),
        Language(code="de", name="German", voices=("pico-de",)),
    ),
)
VOICES = (
    Voice(
        id="heart",
        name="Heart",
        languages=("en", "en-GB"),
        moods=("bedtime", "cheerful", "grumpy"),
    ),
    Voice(id="pico-en-gb", name="Pico", languages=("en-GB",)),
    Voice(id="pico-de", name="Pico deutsch", languages=("de",)),
)
MOODS = ("cheerful", "bedtime")  # the household's; Heart has recorded one more, Pico has none
MODELS = (
    Model(id="embedded", state="ready", version="main"),
    Model(id="indextts-2", state="unloaded", version="main"),
)
STATUS = Status(
    state="ready",
    model="embedded",
    model_name="Embedded voices",
    waiting=0,
    in_flight=0,
    first_audio_p95_s=0.03,
    real_time_factor=0.05,
    generation=7,
)
OLD_STATUS = replace(STATUS, generation=None)  # of a daemon from before anything could be reloaded
PAUSE = Paused(reason="chess", who="api", until=1_800_000_000.0)
OPERATION = Operation(
    id="0011223344aa",
    scope="models",
    action="activate",
    who="api",
    subject="indextts-2",
    result="applied",
    code="",
    started_at=1_700_000_000.0,
    ended_at=1_700_000_020.5,
    generation=7,
)
PAIRING = Pairing(token=TOKEN)


def announcement(
    *addresses: str, port: int | None = PORT, instance_id: str | None = INSTANCE_ID
) -> ZeroconfServiceInfo:
    """Return what Home Assistant hears from a daemon in the network."""
    places = [ip_address(address) for address in addresses or (HOST,)]
    properties = {"id": instance_id, "api": "1", "ver": "0.1.0", "auth": "1", "name": "nas"}
    return ZeroconfServiceInfo(
        ip_address=places[0],
        ip_addresses=places,
        port=port,
        hostname="nas.local.",
        type="_indextts._tcp.local.",
        name="nas._indextts._tcp.local.",
        properties={key: value for key, value in properties.items() if value is not None},
    )
