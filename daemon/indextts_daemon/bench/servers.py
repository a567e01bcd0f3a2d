"""The processes of a run, and what the ones under test say of themselves."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
import secrets
import tempfile
from typing import Self

from indextts_daemon.errors import EngineUnavailableError

from .children import Child
from .exchange import OK, Connection, question

POLL_S = 0.02
_URL = "Listening on http://127.0.0.1:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the daemon has counted about itself."""

    answered: float
    jobs: float  # that its engine was given, as its worker counts them
    sentences: float
    steps: float
    audio_s: float  # in the frames that its worker sent
    engine_s: float  # that its worker says it took for them

    def since(self, before: "Figures") -> "Figures":
        """Return what has been added."""
        return Figures(
            answered=self.answered - before.answered,
            jobs=self.jobs - before.jobs,
            sentences=self.sentences - before.sentences,
            steps=self.steps - before.steps,
            audio_s=self.audio_s - before.audio_s,
            engine_s=self.engine_s - before.engine_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server under test."""

    name: str
    child: Child
    port: int
    token: str
    watch: Connection  # beside the clients'

    @classmethod
    async def reach(cls, name: str, child: Child, *, token: str = "") -> Self:
        """Wait until it listens."""
        port = int(await child.line_with(_URL))
        watch = await Connection.open(port)
        return cls(name=name, child=child, port=port, token=token, watch=watch)

    async def poll(self, over: asyncio.Event) -> list[float]:
        """Ask whether it lives, at least once, until `over`; return the seconds each took."""
        asked, took_s = question("GET", "/livez"), list[float]()
        while not (took_s and over.is_set()):
            try:
                answer = await self.watch.ask(asked)
            except (OSError, TimeoutError) as err:
                raise EngineUnavailableError(f"The {self.name} server does not answer.") from err
            if answer.status != OK:
                raise EngineUnavailableError(f"The {self.name} server says that it is not alive.")
            took_s.append(answer.total_s)
            await asyncio.sleep(POLL_S)
        return took_s

    async def figures(self) -> Figures:
        """Read the daemon's own counters."""
        answer = await self.watch.ask(question("GET", "/metrics", token=self.token))
        lines = answer.body.decode().splitlines()

        def total(name: str, label: str = "") -> float:
            series = (line for line in lines if line.startswith((f"{name} ", f"{name}{{")))
            return sum(float(line.rpartition(" ")[2]) for line in series if label in line)

        return Figures(
            answered=total("indextts_requests_total", 'outcome="ok"'),
            jobs=total("indextts_engine_jobs_started_total"),
            sentences=total("indextts_engine_sentences_total"),
            steps=total("indextts_engine_steps_total"),
            audio_s=total("indextts_synthesized_audio_seconds_total"),
            engine_s=total("indextts_synthesis_seconds_total"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everybody in a run."""

    clients: Child
    direct: Child
    naive: Server
    daemon: Server


async def start(engine: str, stack: AsyncExitStack) -> Cast:
    """Start them all; `stack` ends them. Raises EngineUnavailableError when one does not start."""

    async def spawn(module: str, *arguments: str, **environment: str) -> Child:
        child = await Child.spawn(module, *arguments, environment=environment)
        stack.push_async_callback(child.end)
        return child

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="indextts-bench-"))
    token = secrets.token_urlsafe(16)
    flags = ("--engine", engine, "--host", "127.0.0.1", "--port", "0", "--no-zeroconf")
    clients = await spawn("indextts_daemon.bench.clients")
    direct = await spawn("indextts_daemon.bench.direct", engine)
    naive = await spawn("indextts_daemon.bench.naive", engine)
    daemon = await spawn(
        *("indextts_daemon", "serve", *flags, "--data-dir", folder),
        INDEXTTS_TOKEN=token,
        INDEXTTS_LOG_LEVEL="warning",
    )
    cast = Cast(
        clients=clients,
        direct=direct,
        naive=await Server.reach("naive", naive),
        daemon=await Server.reach("daemon", daemon, token=token),
    )
    stack.callback(cast.naive.watch.close)
    stack.callback(cast.daemon.watch.close)
    await daemon.line_with("ready")
    return cast
