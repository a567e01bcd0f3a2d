"""The daemon as a process: comes up, is found, lives until a signal, and finishes its words."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
import logging
from pathlib import Path
import shutil
import signal
import sys

from aiohttp import web

from . import __version__
from .api.app import build_app
from .api.doors import Doors
from .api.keys import Services
from .compose import build
from .config import Settings
from .discovery import Announcer
from .doorless import first_words, language_trouble
from .identity import Pairing, open_identity
from .lookout import follow_files, look_around, remember, survived
from .posix import raise_file_limit
from .service.generation import Generation
from .service.reloading import Change
from .service.routing import FALLBACK
from .service.settings_file import SettingsFile
from .service.token_scope import TokenScope
from .storage import sweep
from .whereabouts import forget, tell
from .worker.handle import WorkerState

LOGGER = logging.getLogger(__name__)

SELF_TEST_RETRY_S = 1.0
VOICES_S = 30.0  # that being ready waits for the recordings to be listened to
SLOW_ENGINES = frozenset({"indextts"})  # while they load, another is made ready to speak at once


async def listen(services: Services, settings: Settings, stack: AsyncExitStack) -> Doors:
    """Open the doors, which follow the settings from then on. Raises SettingsError."""
    runner = web.AppRunner(
        build_app(services), access_log=None, handler_cancellation=True, shutdown_timeout=1.0
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    doors = Doors(runner, services.metrics)
    await doors.open(settings.server)
    services.followers.add(doors)
    return doors


@dataclass(frozen=True, slots=True)
class _Afterwards:
    """Follows the settings in what cannot fail, once they count.

    It may take a while until somebody hears: what is told is always what counts by then.
    """

    services: Services
    announcer: Announcer
    doors: Doors
    data_dir: Path
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def follow(self, settings: Settings) -> Change:
        """Log as much, be found and be announced as the settings have it."""

        def apply(generation: Generation) -> Generation:
            logging.getLogger().setLevel(settings.log_level.upper())
            return generation

        async def after() -> None:
            await self.tell_where()
            await self.announcer.follow(self.services.pool.settings, self.doors.port)
            if trouble := await language_trouble(self.services):
                LOGGER.warning("%s", trouble)

        return Change(apply=apply, after=after)

    async def tell_where(self) -> None:
        """Let the command line know where to ask."""
        async with self.turn:
            await asyncio.to_thread(tell, self.data_dir, host=self.doors.host, port=self.doors.port)


async def run(
    settings: Settings,
    *,
    data_dir: Path,
    settings_file: SettingsFile,
    token: str | None,
    say: Callable[[str], None],
) -> None:
    """Serve until a signal, then finish what is being spoken, within bounds; a second cuts it off.

    `say` gets the lines that are for the person at the terminal. Raises SettingsError when the
    data folder or the port cannot be had.
    """
    identity = open_identity(data_dir, token=token)
    raise_file_limit()
    await asyncio.to_thread(sweep, data_dir, depth=3)  # what writers left who were killed
    async with AsyncExitStack() as stack:
        services = build(
            settings, identity, Pairing(data_dir), data_dir=data_dir, settings_file=settings_file
        )
        stack.callback(services.encoders.shutdown, wait=False)
        stack.push_async_callback(services.pool.close)
        services.reloader.add(TokenScope(identity, data_dir, given=token))
        signals = _signals(services)
        doors = await listen(services, settings, stack)
        for url in doors.urls:
            say(f"Listening on {url}")
        _begin_to_load(services)
        announcer = Announcer(
            host_name=services.name, instance_id=identity.instance_id, version=__version__, say=say
        )
        afterwards = _Afterwards(services, announcer, doors, data_dir)
        stack.callback(forget, data_dir)
        await afterwards.tell_where()
        services.followers.add(afterwards)
        async with asyncio.TaskGroup() as tasks:
            living = [
                tasks.create_task(look_around(services)),
                tasks.create_task(remember(services)),
                tasks.create_task(follow_files(services)),
                tasks.create_task(_come_up(services, announcer, doors, say)),
            ]
            await signals.get()
            say("Stopping: what is being spoken is finished first; once more cuts it off.")
            draining = tasks.create_task(_drain(services, signals))
            living.pop().cancel()
            with survived("withdrawing the announcement"):
                await announcer.stop()
            await draining
            for task in living:
                task.cancel()
        await services.reloader.close()
        await services.sharing.close()
        await remember(services, once=True)  # it may have been told within the last second


def _signals(services: Services) -> asyncio.Queue[None]:
    """Return where the wish to stop arrives; SIGHUP is one only from a terminal that closes."""
    signals: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, None)

    def hung_up() -> None:
        if sys.__stdin__ is not None and sys.__stdin__.isatty():
            signals.put_nowait(None)
            return
        for scope in services.reloader.scopes:
            services.reloader.follow(scope, who="signal")

    loop.add_signal_handler(signal.SIGHUP, hung_up)
    return signals


def _begin_to_load(services: Services) -> None:
    """Load the default model; what speaks meanwhile as well, if that one takes its time."""
    default, fallback = services.pool.default, services.pool.get(FALLBACK)
    here = services.sharing.may_use_gpu(default)
    if here:
        default.keep()
    if not here or default.spec.engine in SLOW_ENGINES:
        fallback.keep()


async def _come_up(
    services: Services, announcer: Announcer, doors: Doors, say: Callable[[str], None]
) -> None:
    """Speak to itself, and only then say that it is ready and let the LAN know."""
    with survived("coming up"):
        await _speak_to_itself(services)
        default = services.pool.default
        down = default.state is not WorkerState.ready
        why = default.reason or "It is still loading."
        only = f", but only with {FALLBACK} so far: {why}" if down else ""
        say(f"ready{only}")
        if trouble := await language_trouble(services):
            say(trouble)
        _offer_pairing(services, say)
        await announcer.start(services.pool.settings, doors.port)


async def _speak_to_itself(services: Services) -> None:
    """Try until it sounds, and meanwhile load what tells languages apart."""
    loading = asyncio.create_task(services.synthesizer.load())
    while trouble := await first_words(services):
        if trouble != services.health.spoke:
            LOGGER.error("not ready: %s", trouble)
        services.health.spoke = trouble
        await asyncio.sleep(SELF_TEST_RETRY_S)
    with survived("loading what tells languages apart"):
        await loading
    with suppress(TimeoutError):  # nobody who asks for a recording's voice is told of none
        async with asyncio.timeout(VOICES_S):
            await services.reloader.settled("voices")
    services.health.spoke = ""


def _offer_pairing(services: Services, say: Callable[[str], None]) -> None:
    """Show a code if nobody has paired yet."""
    pairing = services.pairing
    if services.about.auth and not (pairing.ever_paired or pairing.is_open):
        code = pairing.open()
        say(f"Pairing code for Home Assistant: {code} (ten minutes; later: {own_command()} pair)")


def own_command() -> str:
    """Return what to type to run us: the name, or the path where that is not enough."""
    path = Path(sys.argv[0])
    known = path.name != "indextts-daemon" or shutil.which(path.name)
    return "indextts-daemon" if known else str(path.absolute())


async def _drain(services: Services, signals: asyncio.Queue[None]) -> None:
    services.events.publish("state", state="draining")
    timeout_s = services.pool.settings.server.drain_timeout_s
    drain = asyncio.create_task(services.synthesizer.drain(timeout_s=timeout_s))
    impatience = asyncio.create_task(signals.get())
    await asyncio.wait({drain, impatience}, return_when=asyncio.FIRST_COMPLETED)
    if not (drain.done() and drain.result()):
        LOGGER.warning("what was still being spoken is cut off")
    for task in (drain, impatience):
        task.cancel()
    services.events.publish("closing")
