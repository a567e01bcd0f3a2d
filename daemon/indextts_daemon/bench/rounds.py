"""The run: one load after another in rounds, everybody in turn, and what came of it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
import os
import time

from .figures import Spread, Subject, Trial, Trials
from .load import Load, Outcome
from .proc import Neighbours, look
from .servers import Cast, Figures, Server, start

WAV_BYTES_PER_S = 48_000
OTHER_FORMATS = ("pcm", "mp3", "opus", "flac")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is asked in each round, and when enough is enough."""

    rounds: int
    alone: int  # requests, one after another
    loads: tuple[tuple[int, int], ...]  # clients and requests, as wav
    formats: tuple[tuple[int, int], ...] = ()  # clients and requests, for each other format
    phase_limit_s: float = 10.0
    run_limit_s: float  # no further round begins after it


FULL = Plan(
    rounds=5,
    alone=50,
    loads=((4, 100), (16, 150), (64, 256)),
    formats=((1, 25), (16, 48)),
    run_limit_s=170.0,
)
QUICK = Plan(
    rounds=2,
    alone=15,
    loads=((4, 20), (16, 32), (64, 96)),
    formats=((1, 5), (16, 16)),
    run_limit_s=15.0,
)
WARM_UP = Plan(rounds=1, alone=10, loads=((4, 16),), run_limit_s=10.0)


@dataclass(slots=True, kw_only=True)
class Measurement:
    """Everything a run found out."""

    engine: str
    cores: int
    rounds: int = 0
    seconds: float = 0.0
    trials: Trials = field(default_factory=dict)
    sent: int = 0  # requests to the daemon
    reached: Figures | None = None
    disturbing: dict[str, float] = field(default_factory=dict)  # process to its worst share
    others_share: float = 0.0
    stolen_share: float = 0.0


async def measure(plan: Plan, engine: str, *, say: Callable[[str], None]) -> Measurement:
    """Carry out the plan; every process is ended before this returns or raises.

    Raises EngineUnavailableError when one of them does not start or ends early.
    """
    async with AsyncExitStack() as stack:
        cast = await start(engine, stack)
        await _Run(cast, engine).all(WARM_UP, lambda _: None)
        return await _Run(cast, engine).all(plan, say)


class _Run:
    """A plan being carried out."""

    def __init__(self, cast: Cast, engine: str) -> None:
        self._cast = cast
        self._found = Measurement(engine=engine, cores=os.cpu_count() or 1)
        self._neighbours = Neighbours(os.getpid(), look())
        self._next = 0  # the number of the next request; each has a seed of its own

    async def all(self, plan: Plan, say: Callable[[str], None]) -> Measurement:
        """Go round after round."""
        found, neighbours = self._found, self._neighbours
        before, since = await self._cast.daemon.figures(), time.monotonic()
        while found.rounds < plan.rounds and time.monotonic() - since < plan.run_limit_s:
            found.rounds += 1
            say(f"round {found.rounds} of {plan.rounds}")
            await self._round(plan)
        found.seconds = time.monotonic() - since
        found.reached = (await self._cast.daemon.figures()).since(before)
        neighbours.note(look(), final=True)
        found.disturbing = dict(neighbours.worst)
        found.others_share = neighbours.others_share
        found.stolen_share = neighbours.stolen_share
        return found

    async def _round(self, plan: Plan) -> None:
        """Go once through everything: the engine alone, the servers in turn, the other formats."""
        for what in ("library", "engine"):
            await self._call(what, plan.alone)
        self._next += plan.alone
        for clients, requests in ((1, plan.alone), *plan.loads):
            for server in (self._cast.naive, self._cast.daemon):
                await self._serve(server, "wav", clients, requests, plan.phase_limit_s)
            self._next += requests
        for clients, requests in plan.formats:
            for form in OTHER_FORMATS:
                await self._serve(self._cast.daemon, form, clients, requests, plan.phase_limit_s)
                self._next += requests

    async def _call(self, what: str, requests: int) -> None:
        """Let an engine speak directly; nobody else has anything to do meanwhile."""
        order = {"what": what, "requests": requests, "first": self._next}
        outcome = Outcome(**await self._cast.direct.ask(order))
        self._neighbours.note(look())
        self._keep(
            Subject(server=what, clients=1, format="wav"),
            _trial(outcome, raw=True, server_s=outcome.cpu_s, load_s=0.0),
        )

    async def _serve(
        self, server: Server, form: str, clients: int, requests: int, limit_s: float
    ) -> None:
        """Put a load on a server, and ask it meanwhile whether it lives."""
        load = Load(
            port=server.port,
            path="/v1/audio/speech",
            token=server.token,
            format=form,
            clients=clients,
            requests=requests,
            first=self._next,
            limit_s=limit_s,
        )
        before, over = look(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(server.poll(over))
            outcome = Outcome(**await self._cast.clients.ask(asdict(load)))
            over.set()
        after = look()
        self._neighbours.note(after)
        pids = before.family(server.child.pid)
        self._keep(
            Subject(server=server.name, clients=clients, format=form),
            _trial(
                outcome,
                raw=form in ("wav", "pcm"),
                server_s=after.cpu_s(pids) - before.cpu_s(pids),
                load_s=outcome.cpu_s,
                livez_s=polling.result(),
            ),
        )
        if server is self._cast.daemon:
            self._found.sent += len(outcome.total_s) + outcome.refused + outcome.failed

    def _keep(self, subject: Subject, trial: Trial) -> None:
        self._found.trials.setdefault(subject, []).append(trial)


def _trial(
    outcome: Outcome,
    *,
    raw: bool,
    server_s: float,
    load_s: float,
    livez_s: list[float] | None = None,
) -> Trial:
    answers = len(outcome.total_s)
    return Trial(
        answers=answers,
        refused=outcome.refused,
        failed=outcome.failed,
        first_ms=Spread.of(outcome.first_s),
        whole_ms=Spread.of(outcome.total_s),
        per_s=answers / outcome.wall_s,
        audio_s=outcome.audio_bytes / WAV_BYTES_PER_S / max(1, answers) if raw else None,
        livez_ms=Spread.of(livez_s) if livez_s else None,
        cpu_ms=server_s * 1e3 / max(1, answers),
        load_share=load_s / outcome.wall_s,
    )
