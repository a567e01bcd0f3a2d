"""The addresses that the daemon listens on; they may change while it speaks."""

from collections.abc import Iterable, Mapping
import errno
from ipaddress import ip_address
import logging

from aiohttp import web

from indextts_daemon.config import ServerSettings, Settings
from indextts_daemon.errors import SettingsError
from indextts_daemon.metrics import Metrics
from indextts_daemon.service.reloading import Change

from .connection import Site

LOGGER = logging.getLogger(__name__)


class Doors:
    """Listens on every address of the settings; who is inside stays when a door is closed."""

    def __init__(self, runner: web.AppRunner, metrics: Metrics) -> None:
        self._runner = runner
        self._metrics = metrics
        self._sites: dict[str, Site] = {}  # by host
        self._wanted: tuple[tuple[str, ...], int] = ((), 0)
        self.port = 0

    @property
    def urls(self) -> list[str]:
        """Where it listens now."""
        return [_url(host, self.port) for host in self._sites]

    @property
    def host(self) -> str:
        """The first address it listens on."""
        return next(iter(self._sites))

    async def open(self, server: ServerSettings) -> None:
        """Open the first doors. Raises SettingsError."""
        self._sites, self.port = await self._opened(server.host, server.port)
        _insist_on_one(self._sites)
        self._wanted = (server.host, server.port)

    async def follow(self, settings: Settings) -> Change | None:
        """Open what the settings want beside what is open; None where that is the same.

        Raises SettingsError, and then the old doors are open and no others.
        """
        hosts, port = wanted = settings.server.host, settings.server.port
        if wanted == self._wanted:
            return None
        port = self.port if port == self._wanted[1] else port
        stays = port == self.port
        kept = {h: site for h, site in self._sites.items() if stays and h in hosts}
        stale = {h: site for h, site in self._sites.items() if h not in kept}
        if stays:  # a wildcard cannot be bound beside one of its addresses
            await _close(stale.values())
        try:
            opened, port = await self._opened([h for h in hosts if h not in kept], port)
            _insist_on_one(kept | opened)
        except SettingsError:
            if stays:
                await self._reopen(stale)
            raise
        fresh = opened | kept
        old = self._sites, self._wanted, self.port
        self._sites, self._wanted, self.port = fresh, wanted, port

        async def closed() -> None:
            await _close(site for site in stale.values() if site not in fresh.values())
            for host in fresh:
                LOGGER.info("listening on %s", _url(host, port))

        async def given_up() -> None:
            self._sites, self._wanted, self.port = old
            await _close(site for site in fresh.values() if site not in old[0].values())
            await self._reopen({h: s for h, s in stale.items() if port == old[2]})

        return Change(apply=lambda generation: generation, after=closed, give_up=given_up)

    async def _opened(self, hosts: Iterable[str], port: int) -> tuple[dict[str, Site], int]:
        opened: dict[str, Site] = {}
        for host in hosts:
            site = Site(self._runner, self._metrics, host=host, port=port)
            try:
                await site.start()
            except OSError as err:
                if lacks_ipv6(host, err):
                    LOGGER.info("this machine has no IPv6; listening without it")
                    continue
                await _close(opened.values())
                raise SettingsError(_why_not(host, port, err)) from err
            opened[host] = site
            port = port or site.port
        return opened, port

    async def _reopen(self, stale: dict[str, Site]) -> None:
        again, _ = await self._opened(stale, self.port)
        self._sites = self._sites | again


async def _close(sites: Iterable[Site]) -> None:
    for site in list(sites):
        if site.open:
            await site.stop()


def _insist_on_one(doors: Mapping[str, Site]) -> None:
    """Raise SettingsError where only doors were wanted that this machine cannot have."""
    if not doors:
        raise SettingsError("This machine has no IPv6. Choose another address with --host.")


def lacks_ipv6(host: str, err: OSError) -> bool:
    """Whether `host` means every IPv6 address, and this machine has none."""
    everywhere = ":" in host and ip_address(host).is_unspecified
    return everywhere and err.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


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
