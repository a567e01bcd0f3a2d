"""The daemon as a process: comes up, is found, lives until a signal, and finishes its words."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
import errno
from ipaddress import ip_address
import logging
from pathlib import Path
import shutil
import signal
import sys
import time

from aiohttp import web

from . import __version__
from .api.app import build_app
from .api.connection import Site
from .api.keys import Services
from .compose import build, first_words, language_trouble
from .config import Settings
from .discovery import Announcement, stay_announced
from .errors import SettingsError, place_of
from .identity import Pairing, open_identity
from .posix import raise_file_limit
from .service.routing import FALLBACK
from .worker.handle import WorkerState

LOGGER = logging.getLogger(__name__)

TICK_S = 1.0
SELF_TEST_RETRY_S = 1.0
PATIENCE_S = 5.0  # with a default model that cannot speak, before another is made ready


async def listen(services: Services, settings: Settings, stack: AsyncExitStack) -> list[str]:
    """Open the door on every address, and return their URLs. Raises SettingsError."""
    runner = web.AppRunner(
        build_app(services), access_log=None, handler_cancellation=True, shutdown_timeout=1.0
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    port = settings.server.port
    for host in settings.server.host:
        site = Site(runner, services.metrics, host=host, port=port)
        try:
            await site.start()
        except OSError as err:
            if lacks_ipv6(host, err):
                LOGGER.info("this machine has no IPv6; listening without it")
                continue
            raise SettingsError(_why_not(host, port, err)) from err
        port = port or runner.addresses[-1][1]
    if not runner.addresses:
        raise SettingsError("This machine has no IPv6. Choose another address with --host.")
    return [_url(address[0], address[1]) for address in runner.addresses]


def lacks_ipv6(host: str, err: OSError) -> bool:
    """Whether `host` means every IPv6 address, and this machine has none."""
    everywhere = ":" in host and ip_address(host).is_unspecified
    return everywhere and err.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


async def run(
    settings: Settings, *, data_dir: Path, token: str | None, say: Callable[[str], None]
) -> None:
    """Serve until a signal, then finish what is being spoken, within bounds; a second cuts it off.

    `say` gets the lines that are for the person at the terminal. Raises SettingsError when the
    data folder or the port cannot be had.
    """
    identity = open_identity(data_dir, token=token)
    raise_file_limit()
    signals: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # the last: a closed terminal
        loop.add_signal_handler(number, signals.put_nowait, None)
    async with AsyncExitStack() as stack:
        services = build(settings, identity, Pairing(data_dir), data_dir=data_dir, remember=True)
        stack.callback(services.encoders.shutdown, wait=False)
        stack.push_async_callback(services.pool.close)
        urls = await listen(services, settings, stack)
        for url in urls:
            say(f"Listening on {url}")
        services.pool.default.keep()
        announcement = Announcement(
            name=services.about.name,
            instance_id=identity.instance_id,
            version=__version__,
            auth=settings.server.auth,
        )
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(services))
            remembering = tasks.create_task(_remember(services))
            coming_up = tasks.create_task(_come_up(services, settings, announcement, urls, say))
            await signals.get()
            say("Stopping: what is being spoken is finished first; once more cuts it off.")
            draining = tasks.create_task(_drain(services, settings, signals))
            coming_up.cancel()
            with _survived("withdrawing the announcement"):
                await announcement.withdraw()
            await draining
            watching.cancel()
            remembering.cancel()
        with _survived("remembering the revision"):
            await services.pool.revisions.save()  # it may have been told within the last second


async def _come_up(
    services: Services,
    settings: Settings,
    announcement: Announcement,
    urls: list[str],
    say: Callable[[str], None],
) -> None:
    """Speak to itself, and only then say that it is ready and let the LAN know."""
    with _survived("coming up"):
        await _speak_to_itself(services)
        default = services.pool.default
        down = default.state is not WorkerState.ready
        why = default.reason or "It is still loading."
        only = f", but only with {FALLBACK} so far: {why}" if down else ""
        say(f"ready{only}")
        if trouble := await language_trouble(services):
            say(trouble)
        _offer_pairing(services, say)
        if settings.discovery.enabled:
            port = int(urls[0].rpartition(":")[2])
            await stay_announced(announcement, settings.server.host, port, say=say)


async def _speak_to_itself(services: Services) -> None:
    """Try until it sounds, and meanwhile load what tells languages apart."""
    loading = asyncio.create_task(services.synthesizer.load())
    while trouble := await first_words(services):
        if trouble != services.health.spoke:
            LOGGER.error("not ready: %s", trouble)
        services.health.spoke = trouble
        await asyncio.sleep(SELF_TEST_RETRY_S)
    with _survived("loading what tells languages apart"):
        await loading
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


async def _drain(services: Services, settings: Settings, signals: asyncio.Queue[None]) -> None:
    services.events.publish("state", state="draining")
    drain = asyncio.create_task(
        services.synthesizer.drain(timeout_s=settings.server.drain_timeout_s)
    )
    impatience = asyncio.create_task(signals.get())
    await asyncio.wait({drain, impatience}, return_when=asyncio.FIRST_COMPLETED)
    if not (drain.done() and drain.result()):
        LOGGER.warning("what was still being spoken is cut off")
    for task in (drain, impatience):
        task.cancel()
    services.events.publish("closing")


async def _watch(services: Services) -> None:
    """Look around once a second; a look that fails is logged, and the next one follows."""
    told: dict[str, dict[str, object]] = {}
    ready_at = time.monotonic()
    while True:
        due = time.monotonic() + TICK_S
        await asyncio.sleep(TICK_S)
        services.metrics.event_loop_lag.observe(max(0.0, time.monotonic() - due))
        with _survived("looking around"):
            default = services.pool.default
            if default.state is WorkerState.ready:
                ready_at = time.monotonic()
            if default.load_failed or time.monotonic() - ready_at > PATIENCE_S:
                services.pool.get(FALLBACK).keep()  # the next request should find it
            _tell_news(services, told)
            _keep_figures(services)


async def _remember(services: Services) -> None:
    """Keep the revision on the disk; one that is slow holds up nothing else."""
    while True:
        await asyncio.sleep(TICK_S)
        with _survived("remembering the revision"):
            await services.pool.revisions.save()


def _tell_news(services: Services, told: dict[str, dict[str, object]]) -> None:
    """Tell subscribers what has changed since it was told."""
    now: dict[str, dict[str, object]] = {
        "state": {"state": services.health.report().state},
        "queue": {"waiting": services.pool.waiting, "in_flight": services.pool.in_flight},
    }
    if (revision := services.pool.revision()) is not None:
        now["revision"] = {"revision": revision}
    for name, data in now.items():
        if told.get(name) != data:
            services.events.publish(name, **data)
    told |= now


def _keep_figures(services: Services) -> None:
    services.metrics.voices.labels("ready").set(len(services.pool.voices()))
    for model in services.pool:
        if model.worker is not None and model.worker.heartbeat_at is not None:
            services.metrics.worker_heartbeat.labels(model.id).set(model.worker.heartbeat_at)


@contextmanager
def _survived(doing: str) -> Iterator[None]:
    """Log what goes wrong inside, by its type and place; the daemon lives on."""
    try:
        yield
    except Exception as err:  # noqa: BLE001 whatever it is, speech does not hang on it
        LOGGER.error("%s failed: %s", doing, place_of(err))  # noqa: TRY400


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _why_not(host: str, port: int, err: OSError) -> str:
    if err.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken, perhaps by another daemon. "
            "Stop that one, or choose another port with --port."
        )
    if err.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host}. Choose another with --host."
    return f"Cannot listen on {host}, port {port} ({err.strerror}). Choose others."
