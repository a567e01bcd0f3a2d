"""What stands before every handler: no page from elsewhere changes anything here."""

from collections.abc import AsyncIterator
import re

import pytest

from indextts_daemon.api.routes import ROUTES
from tests.daemon.door import Door, Opener

CHANGING = sorted(
    (route.method, re.sub(r"\{\w+\}", "fake", route.path))
    for route in ROUTES
    if route.method not in {"GET", "HEAD", "OPTIONS"}
)
FOREIGN = ("http://evil.example", "https://evil.example:8818", "null", "")


@pytest.fixture
async def open_house(open_door: Opener) -> AsyncIterator[Door]:
    """Run a daemon that asks nobody for a token."""
    async with open_door(**{"server.auth": False}) as door:
        del door.session.headers["Authorization"]
        yield door


async def told(door: Door, method: str, path: str, origin: str | None) -> tuple[int, object]:
    """Send what no handler can use, as a page may without being asked."""
    headers = {"Content-Type": "text/plain"} | ({} if origin is None else {"Origin": origin})
    async with door.session.request(method, path, data=b"{", headers=headers) as response:
        body = await response.json()
        return response.status, body.get("error", {}).get("code")


def test_there_is_something_to_change() -> None:
    assert len(CHANGING) >= 20
    assert {method for method, _ in CHANGING} == {"POST", "PUT", "DELETE"}


async def test_a_page_from_elsewhere_changes_nothing_anywhere(open_house: Door) -> None:
    for method, path in CHANGING:
        for origin in FOREIGN:
            answer = await told(open_house, method, path, origin)
            assert answer == (403, "foreign_origin"), (method, path, origin)
    assert {one.who for one in open_house.services.operations.listed()} <= {"start"}
    assert open_house.services.sharing.paused is None
    metrics = open_house.services.metrics.registry
    refused = metrics.get_sample_value("indextts_rejections_total", {"reason": "auth"})
    assert refused == len(CHANGING) * len(FOREIGN)


async def test_the_daemons_own_pages_and_programs_may(open_house: Door) -> None:
    for method, path in CHANGING:
        for origin in (None, open_house.url.rstrip("/")):
            _, code = await told(open_house, method, path, origin)
            assert code != "foreign_origin", (method, path, origin)
    async with open_house.session.post("/v1/pause", headers={"Origin": open_house.url}) as response:
        assert response.status == 200
