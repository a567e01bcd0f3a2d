"""What the handlers may reach, passed in by the composition root."""

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from aiohttp import web

from indextts_daemon.identity import Identity, Pairing
from indextts_daemon.metrics import Metrics
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.feelings import Mood
from indextts_daemon.service.health import Health
from indextts_daemon.service.models import ModelPool
from indextts_daemon.service.synthesizer import Synthesizer


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the daemon says of itself."""

    name: str
    version: str
    engine: str
    engine_reason: str
    language: str
    auth: bool
    announced: bool  # by zeroconf, as far as the settings go
    idle_client_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The rooms below, as the handlers see them."""

    about: About
    identity: Identity
    pairing: Pairing
    pool: ModelPool
    synthesizer: Synthesizer
    health: Health
    events: EventBus
    metrics: Metrics
    encoders: Executor
    moods: Mapping[str, Mood]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SERVICES = web.AppKey("services", Services)
REQUEST_ID = web.RequestKey("request_id", str)
GUARDED = web.AppKey("guarded", frozenset[Handler])  # handlers that need the token
