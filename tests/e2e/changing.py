"""A daemon that is changed while it is in use, and the one entry through which a house sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import aiohttp
import numpy as np
from numpy.typing import NDArray

from indextts_daemon.engines.fake import crc_of
from indextts_daemon.service.versions import FAKE_FILE
from indextts_daemon.speech import Emotion
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import DOMAIN, Paired, pair_by_hand
from tests.e2e.waiting import eventually

FOLLOWED_S = 10
LOSSLESS = {"preferred_format": "wav"}
HEADER = 44  # bytes of a wav


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What stands in the samples of the fake beside the words."""

    tag: int = 1  # of the voice that speaks unless another is chosen
    generation: int = 1  # of the version of the model
    emotion: Emotion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A daemon and the Home Assistant that it is paired with."""

    hass: HomeAssistant
    daemon: DaemonProcess
    paired: Paired
    entities: Mapping[str, str]  # ids, by `platform.key`

    @classmethod
    async def of(cls, hass: HomeAssistant, daemon: DaemonProcess, paired: Paired) -> Self:
        """Look up the entities."""
        listed = await hass.command("config/entity_registry/list")
        entities = {
            f"{one['entity_id'].partition('.')[0]}.{one['translation_key']}": one["entity_id"]
            for one in listed
            if one["config_entry_id"] == paired.entry_id
        }
        return cls(hass=hass, daemon=daemon, paired=paired, entities=entities)

    async def tell(self, method: str, path: str, status: int = 200, **request: Any) -> Any:
        """Return what the daemon's API answers its administrator."""
        async with (
            aiohttp.ClientSession(self.daemon.url, headers=self.daemon.credentials) as session,
            session.request(method, path, **request) as answer,
        ):
            answered = await answer.json()
            assert answer.status == status, answered
            return answered

    async def act(self, action: str, entity: str, **data: object) -> None:
        """Perform an action of Home Assistant on an entity. Raises CommandError."""
        domain, _, service = action.partition(".")
        await self.hass.command(
            "call_service",
            domain=domain,
            service=service,
            service_data=data,
            target={"entity_id": self.entities[entity]},
        )

    async def shown(self, entity: str) -> dict[str, Any]:
        """Return what Home Assistant shows of an entity."""
        states = await self.hass.command("get_states")
        return next(one for one in states if one["entity_id"] == self.entities[entity])

    async def follows(self, entity: str, wanted: str) -> float:
        """Wait until an entity is in a state, and return when it came to be (Unix)."""

        async def is_there() -> dict[str, Any] | None:
            now = await self.shown(entity)
            return now if now["state"] == wanted else None

        now = await eventually(is_there, what=f"{entity} {wanted}", within_s=FOLLOWED_S)
        return datetime.fromisoformat(now["last_changed"]).timestamp()

    async def spoken(self, message: str, **options: object) -> bytes:
        """Return what a player gets that may be given what was spoken before."""
        status, sound = await self.hass.speech(
            self.paired.entity_id, message, cache=True, **LOSSLESS, **options
        )
        assert status == 200
        return sound

    async def newest(self, scope: str) -> dict[str, Any]:
        """Return the daemon's last operation in a scope."""
        operations = (await self.tell("GET", "/v1/operations"))["operations"]
        return next(one for one in operations if one["scope"] == scope)

    async def repairs(self) -> list[dict[str, Any]]:
        issues = (await self.hass.command("repairs/list_issues"))["issues"]
        return [issue for issue in issues if issue["domain"] == DOMAIN and not issue["ignored"]]

    def setups(self) -> int:
        """Return how often Home Assistant has set up the entry, as its log has it."""
        return self.hass.output.read_text().count(f"Setting up {DOMAIN}.tts\n")


async def moved_in(hass: HomeAssistant, daemon: DaemonProcess) -> Home:
    """Pair a daemon so that Home Assistant shows its generation from the start.

    What is enabled only now would be taken up half a minute later, by a reload.
    """
    token = (daemon.data / "token").read_text().strip()
    before = await Home.of(hass, daemon, await pair_by_hand(hass, daemon, token))
    entity_id = before.entities["sensor.generation"]
    await hass.command("config/entity_registry/update", entity_id=entity_id, disabled_by=None)
    await hass.remove(before.paired.entry_id)
    return await Home.of(hass, daemon, await pair_by_hand(hass, daemon, token))


def put_version(daemon: DaemonProcess, name: str, options: str) -> None:
    """Give the daemon a model of the fake engine, or `model.version`, whole from its beginning."""
    folder = daemon.data / "models" / name
    folder.mkdir(parents=True)
    temporary = folder / f".{FAKE_FILE}"
    temporary.write_text(options)
    temporary.rename(folder / FAKE_FILE)


def check(sound: bytes, sentence: str, **heard: Any) -> None:
    """Fail unless every sample says just that."""
    wanted = Heard(**heard)
    assert_spoken_by_fake(
        _samples(sound),
        [sentence],
        tag=wanted.tag,
        generation=wanted.generation,
        emotion=wanted.emotion,
    )


def begins_as(sound: bytes, sentence: str, **heard: Any) -> bool:
    wanted = Heard(**heard)
    first = [wanted.tag, crc_of(0, sentence, wanted.emotion), wanted.generation]
    return bool(_samples(sound)[: len(first)].tolist() == first)


def generation_of(sound: bytes) -> int:
    """Return the number of the version that begins to say it."""
    return int(_samples(sound)[2])


def _samples(wav: bytes) -> NDArray[np.int16]:
    return np.frombuffer(wav[HEADER:], np.int16)
