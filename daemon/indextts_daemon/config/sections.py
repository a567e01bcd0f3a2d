"""What can be set, as the rooms above see it: frozen, and whole."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the daemon listens and whom it admits."""

    host: tuple[str, ...]
    port: int
    auth: bool
    drain_timeout_s: float
    idle_client_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """How much may wait."""

    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How long a model process may take."""

    load_timeout_s: float
    step_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsSettings:
    """Which models stay in memory, and how one takes the place of another."""

    keep_alive_s: float
    pinned: tuple[str, ...]
    memory_budget_gib: float | None
    max_hold_s: float
    drain_timeout_s: float
    probation_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingSettings:
    """How the GPU is shared with other programs."""

    game_mode: bool
    while_away: str
    free_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverySettings:
    """How the daemon announces itself."""

    enabled: bool
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTTSSettings:
    """Which model the `indextts` engine loads, and how well it speaks."""

    model: str | None
    quality: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSettings:
    """Behaviour of the `fake` engine, for trying clients."""

    load: str
    step_s: float
    voices: tuple[tuple[str, int], ...]  # id and tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set."""

    engine: str
    language: str
    log_level: str
    server: ServerSettings
    queue: QueueSettings
    worker: WorkerSettings
    models: ModelsSettings
    sharing: SharingSettings
    discovery: DiscoverySettings
    indextts: IndexTTSSettings
    fake: FakeSettings
