"""What the handlers may reach, passed in by the composition root."""

from asyncio import Semaphore
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from aiohttp import web

from indextts_daemon.identity import Identity, Pairing
from indextts_daemon.metrics import Metrics
from indextts_daemon.service.documents import Documents
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.followers import Followers
from indextts_daemon.service.generation import Generations
from indextts_daemon.service.health import Health
from indextts_daemon.service.memory import MemoryGuard
from indextts_daemon.service.operations import Operations
from indextts_daemon.service.pool import ModelPool
from indextts_daemon.service.reloading import Reloader
from indextts_daemon.service.settings_file import SettingsFile
from indextts_daemon.service.sharing import Sharing
from indextts_daemon.service.swapping import Swapper
from indextts_daemon.service.synthesizer import Synthesizer
from indextts_daemon.service.versions import Versions
from indextts_daemon.service.voices import VoiceStore
from indextts_daemon.service.watching import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the daemon says of itself, and how patient it is with clients."""

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

    name: str  # of the machine
    version: str
    identity: Identity
    pairing: Pairing
    pool: ModelPool
    synthesizer: Synthesizer
    health: Health
    events: EventBus
    metrics: Metrics
    encoders: Executor
    listening: Semaphore  # how many recordings are listened to at a time
    generations: Generations
    operations: Operations
    reloader: Reloader
    swapper: Swapper
    sharing: Sharing
    memory: MemoryGuard
    voices: VoiceStore
    versions: Versions
    documents: Documents
    settings_file: SettingsFile
    followers: Followers
    watch: Watch | None

    @property
    def about(self) -> About:
        """What the daemon says of itself now."""
        generation = self.generations.current
        settings, default = generation.settings, generation.models[generation.default]
        return About(
            name=settings.discovery.name or self.name,
            version=self.version,
            engine=default.spec.engine,
            engine_reason=generation.reason,
            language=settings.language,
            auth=settings.server.auth,
            announced=settings.discovery.enabled,
            idle_client_timeout_s=settings.server.idle_client_timeout_s,
        )


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SERVICES = web.AppKey("services", Services)
REQUEST_ID = web.RequestKey("request_id", str)
GUARDED = web.AppKey("guarded", frozenset[Handler])  # handlers that need the token
