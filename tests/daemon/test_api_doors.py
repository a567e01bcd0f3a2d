"""The doors follow the settings, and none is shut before another one is open."""

from collections.abc import AsyncIterator
import errno
import socket

import aiohttp
from aiohttp import web
import pytest

from indextts_daemon.api.doors import Doors
from indextts_daemon.config import Settings, load_settings
from indextts_daemon.errors import SettingsError
from indextts_daemon.metrics import Metrics
from tests.daemon.household import free_port


def wanted(*hosts: str, port: int = 0) -> Settings:
    flags = {"server.host": list(hosts), "server.port": port}
    return load_settings(file=None, environment={}, flags=flags)


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    doors = Doors(runner, Metrics())
    await doors.open(wanted("127.0.0.1").server)
    yield doors
    await runner.cleanup()


@pytest.fixture
def without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.create_server

    def create(address: tuple[str, int], *, family: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(address, family=family)

    monkeypatch.setattr(socket, "create_server", create)


async def answers(url: str) -> bool:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url) as response:
                return response.status == 404
        except aiohttp.ClientConnectionError:
            return False


@pytest.mark.usefixtures("without_ipv6")
@pytest.mark.parametrize("moves", [False, True])
async def test_doors_that_the_machine_cannot_have_leave_those_that_it_has(
    doors: Doors, *, moves: bool
) -> None:
    before = doors.urls
    with pytest.raises(SettingsError, match="has no IPv6"):
        await doors.follow(wanted("::", port=free_port() if moves else 0))
    assert doors.urls == before
    assert await answers(before[0])


@pytest.mark.usefixtures("without_ipv6")
async def test_a_wildcard_that_the_machine_lacks_is_left_out_beside_another_door(
    doors: Doors,
) -> None:
    before = doors.urls
    assert await doors.follow(wanted("127.0.0.1", "::")) is not None
    assert doors.urls == before
    assert await answers(before[0])


@pytest.mark.parametrize("hosts", [("127.0.0.2",), ("127.0.0.1", "127.0.0.2")])
async def test_a_change_that_is_given_up_leaves_the_doors_as_they_were(
    doors: Doors, hosts: tuple[str, ...]
) -> None:
    before = doors.urls
    change = await doors.follow(wanted(*hosts))
    assert change is not None
    assert all([await answers(url) for url in doors.urls])
    stranger = next(url for url in doors.urls if "127.0.0.2" in url)
    await change.give_up()
    assert doors.urls == before
    assert (await answers(before[0]), await answers(stranger)) == (True, False)


async def test_the_old_door_is_shut_once_the_new_one_counts(doors: Doors) -> None:
    (before,) = doors.urls
    change = await doors.follow(wanted("127.0.0.1", port=free_port()))
    assert change is not None
    (after,) = doors.urls
    assert (await answers(before), await answers(after)) == (True, True)
    await change.after()
    assert (await answers(before), await answers(after)) == (False, True)
