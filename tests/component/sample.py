"""The daemon that the component's tests talk to: what it says of itself."""

from ipaddress import ip_address

from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo

from custom_components.indextts.client import (
    Info,
    Language,
    Languages,
    Pairing,
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
STATUS = Status(
    state="ready",
    model_name="Embedded voices",
    waiting=0,
    in_flight=0,
    first_audio_p95_s=0.03,
    real_time_factor=0.05,
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
