"""Which addresses are announced, and that the LAN hears the announcement and its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
import socket
import uuid

import pytest
from zeroconf import BadTypeInNameException, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from indextts_daemon import discovery
from indextts_daemon.config import Settings, load_settings
from indextts_daemon.discovery import (
    SERVICE_TYPE,
    Announcement,
    Announcer,
    announced_addresses,
    stay_announced,
)

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
HOUSE = [
    ("lo", "127.0.0.1"),
    ("lo", "::1"),
    ("wlan0", "192.168.1.20"),
    ("eth0", "192.168.1.3"),
    ("eth0", "fe80::1"),
    ("eth0", "169.254.7.7"),
    ("eth0", "fd00::3"),
    ("docker0", "172.17.0.1"),
    ("br-0a1b2c", "172.18.0.1"),
    ("veth99", "10.9.9.9"),
    ("tun0", "10.8.0.2"),
    ("wg0", "10.7.0.2"),
    ("tailscale0", "100.64.0.2"),
    ("virbr0", "192.168.122.1"),
]
V4 = ["192.168.1.3", "192.168.1.20"]


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (EVERYWHERE, [*V4, "fd00::3"]),
        (["0.0.0.0"], V4),  # noqa: S104
        (["::"], ["fd00::3"]),
        (["192.168.1.20"], ["192.168.1.20"]),
        (["192.168.1.20", "::"], ["192.168.1.20", "fd00::3"]),
        (["fd00::3"], ["fd00::3"]),
        (["FD00:0:0::3"], ["fd00::3"]),
        (["127.0.0.1"], []),
        (["::1"], []),
        (["10.0.0.99"], []),
        (["fe80::1"], []),
        (["172.17.0.1"], []),
    ],
)
def test_what_is_announced_is_what_the_bind_covers_and_the_lan_can_reach(
    hosts: list[str], expected: list[str]
) -> None:
    assert announced_addresses(hosts, HOUSE) == expected
    assert announced_addresses(hosts, reversed(HOUSE)) == expected


@pytest.mark.parametrize("name", ["docker0", "br-1", "veth1", "tun0", "tap0", "wg0", "zt7", "lxc1"])
def test_containers_and_tunnels_are_left_out(name: str) -> None:
    assert announced_addresses(EVERYWHERE, [(name, "10.1.1.1")]) == []


@pytest.mark.parametrize("name", ["eth0", "enp3s0", "wlan0", "wlp2s0", "br0", "bond0", "end0"])
def test_the_interfaces_of_a_house_are_kept(name: str) -> None:
    assert announced_addresses(EVERYWHERE, [(name, "10.1.1.1")]) == ["10.1.1.1"]


def test_the_default_routes_address_comes_first() -> None:
    for preferred in (*V4, "fd00::3"):
        first, *others = announced_addresses(EVERYWHERE, HOUSE, preferred=preferred)
        assert first == preferred
        assert sorted([first, *others]) == sorted([*V4, "fd00::3"])
    assert announced_addresses(EVERYWHERE, HOUSE, preferred="203.0.113.9") == [*V4, "fd00::3"]


def test_this_machines_own_addresses_are_found_and_its_default_route_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = announced_addresses(EVERYWHERE)
    assert own
    assert announced_addresses(["127.0.0.1", "::1"]) == []
    v4 = [address for address in own if ":" not in address]
    for address in v4:
        monkeypatch.setattr(discovery, "_default_route_address", lambda address=address: address)
        assert announced_addresses(EVERYWHERE)[0] == address


def test_a_machine_without_ipv4_is_announced_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_ipv4(*_: object) -> socket.socket:
        raise OSError(97, "Address family not supported by protocol")

    own = [("eth0", "fd00::3")]
    monkeypatch.setattr(discovery, "_own_addresses", lambda: own)
    monkeypatch.setattr(socket, "socket", without_ipv4)
    assert announced_addresses(EVERYWHERE) == ["fd00::3"]


class Listener:
    """What the LAN hears of our services, on this machine's interfaces."""

    def __init__(self, zeroconf: AsyncZeroconf) -> None:
        self.present: set[str] = set()
        self._zeroconf = zeroconf
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        gone = state_change is ServiceStateChange.Removed
        (self.present.discard if gone else self.present.add)(name)
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until(self, names: set[str], *, absent: bool = False) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(
                lambda: not names & self.present if absent else names <= self.present
            )

    async def look_up(self, name: str) -> AsyncServiceInfo:
        found = await self._zeroconf.async_get_service_info(SERVICE_TYPE, name, timeout=10_000)
        assert found is not None
        return found

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    async with AsyncZeroconf(interfaces=announced_addresses(["0.0.0.0"])) as zeroconf:  # noqa: S104
        listener = Listener(zeroconf)
        browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE_TYPE, handlers=[listener.hear])
        try:
            yield listener
        finally:
            await browser.async_cancel()


def announcement(name: str, *, auth: bool = True) -> Announcement:
    return Announcement(name=name, instance_id=uuid.uuid4().hex, version="0.1.0", auth=auth)


async def test_the_lan_hears_the_announcement_and_its_goodbye() -> None:
    name = f"Küche {uuid.uuid4().hex[:8]}.attic"
    ours = Announcement(name=name, instance_id="f" * 32, version="1.2.3", auth=True)
    addresses = announced_addresses(["0.0.0.0"])  # noqa: S104
    service = f"{name.replace('.', '-')}.{SERVICE_TYPE}"
    async with listening() as listener:
        await ours.register(addresses, 8818)
        try:
            await listener.until({service})
            found = await listener.look_up(service)
        finally:
            await ours.withdraw()
        await listener.until({service}, absent=True)
    assert found.port == 8818
    assert found.parsed_addresses() == addresses
    assert found.decoded_properties == {
        "id": "f" * 32,
        "api": "1",
        "ver": "1.2.3",
        "auth": "1",
        "tls": "0",
        "path": "/v1",
        "name": name,
    }


@pytest.mark.parametrize(("name", "label"), [("twin", "twin"), ("🔊" * 55, "🔊" * 12)])
async def test_two_daemons_of_one_name_are_both_found_however_long_it_is(
    name: str, label: str
) -> None:
    ours = uuid.uuid4().hex[:8]
    name, label = f"{ours}{name}", f"{ours}{label}"
    addresses = announced_addresses(["0.0.0.0"])  # noqa: S104
    services = {f"{label}.{SERVICE_TYPE}", f"{label}-2.{SERVICE_TYPE}"}
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(listening())
        for port, auth in ((8818, True), (8819, False)):
            twin = announcement(name, auth=auth)
            await twin.register(addresses, port)
            stack.push_async_callback(twin.withdraw)
        await listener.until(services)
        found = [await listener.look_up(service) for service in sorted(services)]
    assert {info.port for info in found} == {8818, 8819}
    assert len({info.server for info in found}) == 2
    assert {info.decoded_properties["auth"] for info in found} == {"0", "1"}
    assert all(info.parsed_addresses() == addresses for info in found)
    assert {info.decoded_properties["name"] for info in found} == {name}


@pytest.mark.parametrize("error", [BadTypeInNameException, OSError, asyncio.CancelledError])
async def test_an_announcement_that_fails_or_is_given_up_holds_nothing_open(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[AsyncZeroconf] = []
    real = discovery.AsyncZeroconf

    def remembering(**how: object) -> AsyncZeroconf:
        made.append(real(**how))
        return made[-1]

    async def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(discovery, "AsyncZeroconf", remembering)
    monkeypatch.setattr(real, "async_register_service", refuse)
    ours = announcement("refused")
    with pytest.raises(error):
        await ours.register(announced_addresses(["0.0.0.0"]), 8818)  # noqa: S104
    assert [zeroconf.zeroconf.done for zeroconf in made] == [True]
    await ours.withdraw()


async def test_withdrawing_what_was_never_announced_is_harmless() -> None:
    ours = announcement("silent")
    await ours.withdraw()
    await ours.withdraw()


class Network:
    """The machine's addresses as they come and go, and what is said of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.own: list[str] | Exception = []
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        monkeypatch.setattr(discovery, "LOOK_S", 0.01)
        monkeypatch.setattr(discovery, "_own_addresses", self._adapters)

    def _adapters(self) -> list[tuple[str, str]]:
        if isinstance(self.own, Exception):
            raise self.own
        return [("eth0", address) for address in self.own]

    async def says(self) -> str:
        async with asyncio.timeout(20):
            return await self.lines.get()


@asynccontextmanager
async def followed(network: Network, ours: Announcement) -> AsyncIterator[None]:
    following = asyncio.create_task(
        stay_announced(ours, EVERYWHERE, 8818, say=network.lines.put_nowait)
    )
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait({following})
        await ours.withdraw()


async def test_a_network_that_comes_late_and_goes_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"late {uuid.uuid4().hex[:8]}"
    own = announced_addresses(["0.0.0.0"])  # noqa: S104
    async with listening() as listener:
        network = Network(monkeypatch)
        async with followed(network, announcement(name)):
            assert (await network.says()).startswith("Not announced")
            network.own = own
            assert await network.says() == f"Announced by zeroconf on {', '.join(own)}"
            await listener.until({f"{name}.{SERVICE_TYPE}"})
            network.own = []
            assert (await network.says()).startswith("Not announced")
            await listener.until({f"{name}.{SERVICE_TYPE}"}, absent=True)
    assert network.lines.empty()


async def test_addresses_that_change_are_announced_anew_and_others_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[object] = []

    async def register(_: Announcement, addresses: list[str], port: int) -> None:
        done.append((addresses, port))

    async def withdraw(_: Announcement) -> None:
        done.append("withdrawn")

    monkeypatch.setattr(Announcement, "register", register)
    monkeypatch.setattr(Announcement, "withdraw", withdraw)
    ours = announcement("moving")
    for addresses in (V4, V4, [*V4, "fd00::3"], [], [], V4):
        await ours.update(addresses, 8818)
    assert [step for step in done if step != "withdrawn"] == [
        (V4, 8818),
        ([*V4, "fd00::3"], 8818),
        (V4, 8818),
    ]
    assert done[2] == done[4] == "withdrawn"
    assert done.count("withdrawn") == 4


def gone(**_: object) -> None:
    raise RuntimeError("No adapter found for IP address fd00::3")


async def test_a_network_that_fails_is_said_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = announced_addresses(["0.0.0.0"])  # noqa: S104
    network = Network(monkeypatch)
    network.own = OSError(12, "Cannot allocate memory")
    async with followed(network, announcement("patient")):
        assert "Cannot allocate memory" in await network.says()
        with monkeypatch.context() as broken:
            broken.setattr(discovery, "AsyncZeroconf", gone)
            network.own = own
            assert "No adapter found" in await network.says()
            await asyncio.sleep(0.1)
            assert network.lines.empty()
        assert (await network.says()).startswith("Announced by zeroconf on ")


class Announced:
    """What is announced, by name; a goodbye takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.goodbye = asyncio.Event()
        monkeypatch.setattr(discovery, "stay_announced", self._stay)
        monkeypatch.setattr(Announcement, "withdraw", self._withdraw)
        self.announcer = Announcer(
            host_name="home", instance_id="f" * 32, version="1.2.3", say=lambda _: None
        )

    async def _stay(self, ours: Announcement, *_: object, **__: object) -> None:
        self.names.append(ours._name)
        await asyncio.Event().wait()

    async def _withdraw(self, *_: object) -> None:
        await self.goodbye.wait()
        self.names.clear()


def called(name: str, *, announced: bool = True) -> Settings:
    flags = {"discovery.name": name, "discovery.enabled": announced}
    return load_settings(file=None, environment={}, flags=flags)


async def rest() -> None:
    for _ in range(9):
        await asyncio.sleep(0)


@pytest.mark.parametrize("announced", [False, True])
async def test_the_last_settings_are_announced_though_those_before_are_still_being_withdrawn(
    monkeypatch: pytest.MonkeyPatch, *, announced: bool
) -> None:
    lan = Announced(monkeypatch)
    await lan.announcer.start(called("attic"), 8818)
    await rest()
    assert lan.names == ["attic"]
    edits = [called("cellar"), called("kitchen", announced=announced)]
    following = [asyncio.ensure_future(lan.announcer.follow(edit, 8818)) for edit in edits]
    await rest()
    lan.goodbye.set()
    await asyncio.gather(*following)
    await rest()
    assert lan.names == (["kitchen"] if announced else [])
    await lan.announcer.stop()


async def test_nothing_is_announced_before_the_start_or_once_it_is_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lan = Announced(monkeypatch)
    await lan.announcer.follow(called("early"), 8818)
    await lan.announcer.start(called("attic"), 8818)
    await rest()
    assert lan.names == ["attic"]
    following = asyncio.ensure_future(lan.announcer.follow(called("cellar"), 8818))
    await rest()
    stopping = asyncio.ensure_future(lan.announcer.stop())
    await rest()
    lan.goodbye.set()
    await asyncio.gather(following, stopping)
    await lan.announcer.follow(called("late"), 8818)
    await rest()
    assert lan.names == []
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
