"""Announces the daemon on the LAN by zeroconf, on the addresses that it listens on."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
import re
import socket

import ifaddr
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from .config import Settings

SERVICE_TYPE = "_indextts._tcp.local."
LOOK_S = 10.0  # how soon a network that comes up or changes is noticed
# Bridges and tunnels to where no Home Assistant listens: containers, machines, VPNs.
INNER_INTERFACES = re.compile(
    r"(docker|br-|veth|virbr|vnet|cni|flannel|cali|podman|lxc|lxd|tun|tap|wg|tailscale|zt|utun|ifb)"
)

LABEL_BYTES = 58  # of the 63 that a label may have
NAME_BYTES = 250  # a TXT entry has 255, `name=` included

Address = IPv4Address | IPv6Address


def announced_addresses(
    hosts: Sequence[str],
    adapters: Iterable[tuple[str, str]] | None = None,
    *,
    preferred: str | None = None,
) -> list[str]:
    """Return the machine's addresses that binding `hosts` covers, the best first.

    `adapters` are (interface, address) pairs, the machine's own if absent; `preferred` is the
    address that leads to the default route. Loopback, link-local and inner interfaces are out.
    """
    pairs = list(_own_addresses()) if adapters is None else list(adapters)
    bound = {ip_address(host) for host in hosts}
    found: list[Address] = []
    for interface, text in pairs:
        address = ip_address(text)
        outside = not (address.is_loopback or address.is_link_local)
        if outside and not INNER_INTERFACES.match(interface) and _covers(bound, address):
            found.append(address)
    first = preferred if adapters is not None or preferred else _default_route_address()
    return [
        str(address)
        for address in sorted(found, key=lambda one: (str(one) != first, one.version, one))
    ]


class Announcement:
    """The service record: registered once, withdrawn at the end."""

    def __init__(self, *, name: str, instance_id: str, version: str, auth: bool) -> None:
        self._name = name
        self._properties = {
            "id": instance_id,
            "api": "1",
            "ver": version,
            "auth": str(int(auth)),
            "tls": "0",
            "path": "/v1",
            "name": name.encode()[:NAME_BYTES].decode(errors="ignore"),
        }
        self._zeroconf: AsyncZeroconf | None = None
        self._addresses: list[str] = []

    async def update(self, addresses: list[str], port: int) -> None:
        """Be announced on these addresses and no others. Raises what `register` raises."""
        if addresses == self._addresses:
            return
        self._addresses = []
        await self.withdraw()
        if addresses:
            await self.register(addresses, port)
        self._addresses = addresses

    async def register(self, addresses: Sequence[str], port: int) -> None:
        """Announce `port` on `addresses`; a name that is taken gets a number.

        Raises OSError, zeroconf.Error, and RuntimeError when an address has just gone.
        """
        info = AsyncServiceInfo(
            SERVICE_TYPE,
            f"{self._label()}.{SERVICE_TYPE}",
            port=port,
            parsed_addresses=list(addresses),
            properties=self._properties,
            server=f"indextts-{self._properties['id'][:12]}.local.",
        )
        zeroconf = AsyncZeroconf(
            interfaces=list(addresses),
            ip_version=IPVersion.All if any(":" in one for one in addresses) else IPVersion.V4Only,
        )
        try:
            await (await zeroconf.async_register_service(info, allow_name_change=True))
        except BaseException:  # the daemon may be told to stop meanwhile
            await zeroconf.async_close()
            raise
        self._zeroconf = zeroconf

    def _label(self) -> str:
        """Return the name as one label of at most 63 bytes, with room for a number."""
        return self._name.replace(".", "-").encode()[:LABEL_BYTES].decode(errors="ignore")

    async def withdraw(self) -> None:
        """Say goodbye; harmless when nothing was announced."""
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            await zeroconf.async_close()  # which unregisters everything first


class Announcer:
    """Keeps the daemon announced as the settings have it, from `start` until `stop`."""

    def __init__(
        self, *, host_name: str, instance_id: str, version: str, say: Callable[[str], None]
    ) -> None:
        self._host_name = host_name
        self._instance_id = instance_id
        self._version = version
        self._say = say
        self._begun = False
        self._turn = asyncio.Lock()  # of who announces or withdraws
        self._told: tuple[object, ...] | None = None  # what is announced
        self._announcement: Announcement | None = None
        self._staying: asyncio.Task[None] | None = None

    async def start(self, settings: Settings, port: int) -> None:
        """Announce what the settings say."""
        self._begun = True
        await self.follow(settings, port)

    async def follow(self, settings: Settings, port: int) -> None:
        """Announce anew if anything that is announced has changed; of two calls the later counts.

        Before the start, and once it is to stop, nothing is announced.
        """
        told = _told(settings, port)
        async with self._turn:
            if not self._begun or told == self._told:
                return
            await self._withdraw()
            self._told = told
            if not settings.discovery.enabled:
                return
            self._announcement = Announcement(
                name=settings.discovery.name or self._host_name,
                instance_id=self._instance_id,
                version=self._version,
                auth=settings.server.auth,
            )
            self._staying = asyncio.create_task(
                stay_announced(self._announcement, settings.server.host, port, say=self._say)
            )

    async def stop(self) -> None:
        """Say goodbye; harmless when nothing was announced."""
        self._begun = False
        async with self._turn:
            await self._withdraw()

    async def _withdraw(self) -> None:
        self._told = None
        if self._staying is not None:
            self._staying.cancel()
            await asyncio.wait({self._staying})
        if self._announcement is not None:
            await self._announcement.withdraw()
        self._staying = self._announcement = None


def _told(settings: Settings, port: int) -> tuple[object, ...]:
    server, discovery = settings.server, settings.discovery
    return (discovery.enabled, discovery.name, server.auth, server.host, port)


async def stay_announced(
    announcement: Announcement, hosts: Sequence[str], port: int, *, say: Callable[[str], None]
) -> None:
    """Follow the machine's addresses with the announcement, for good; say every change once."""
    said = ""
    while True:
        try:
            addresses = announced_addresses(hosts)
            await announcement.update(addresses, port)
            news = (
                f"Announced by zeroconf on {', '.join(addresses)}"
                if addresses
                else "Not announced: it listens on no address that the LAN can reach."
            )
        except Exception as err:  # noqa: BLE001 whatever a network may do, speech goes on without
            news = f"Announcing by zeroconf fails, and is tried again: {err or type(err).__name__}"
        if news != said:
            say(news)
        said = news
        await asyncio.sleep(LOOK_S)


def _own_addresses() -> Iterable[tuple[str, str]]:
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            yield adapter.name, address.partition("%")[0]


def _covers(bound: set[Address], address: Address) -> bool:
    """Whether a socket bound to one of `bound` answers on `address`."""
    return address in bound or any(
        host.is_unspecified and host.version == address.version for host in bound
    )


def _default_route_address() -> str | None:
    """Return the address from which the world beyond the LAN is reached; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737): connecting only asks the table
            return str(probe.getsockname()[0])
    except OSError:
        return None
