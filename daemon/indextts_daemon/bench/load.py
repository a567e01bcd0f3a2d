"""A load on a server, and what came of it: what goes to the load generator and comes back."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to ask of a server; no new request leaves after `limit_s`."""

    port: int
    path: str
    token: str
    format: str
    clients: int
    requests: int
    first: int  # the number of the first request: its line, and its seed
    limit_s: float


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of it; times of whole answers only."""

    first_s: list[float] = field(default_factory=list)
    total_s: list[float] = field(default_factory=list)
    audio_bytes: int = 0
    refused: int = 0
    failed: int = 0
    wall_s: float = 0.0  # from the first question to the last answer
    cpu_s: float = 0.0  # of this process meanwhile
