"""The page at `/`: honest about the state, private, and strict about what it loads."""

import base64
import hashlib
from html.parser import HTMLParser
import re
from typing import Any

import aiohttp
import pytest

from indextts_daemon import __version__
from indextts_daemon.doorless import first_words
from tests.daemon.door import TOKEN, Door, Opener, until


class Elements(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def looks_again_after_s(self) -> int:
        (seconds,) = (
            seen["content"] for _, seen in self.seen if seen.get("http-equiv") == "refresh"
        )
        return int(seconds or 0)


async def page(door: Door) -> str:
    async with aiohttp.request("GET", door.url + "/") as response:  # a stranger asks
        assert (response.status, response.content_type) == (200, "text/html")
        return await response.text()


def words(text: str) -> str:
    """Return what a person reads."""
    body = text.partition("<body>")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


async def test_it_names_the_daemon_and_says_what_it_can_do(open_door: Opener) -> None:
    async with open_door(**{"discovery.name": "Attic"}) as door:
        read = words(await page(door))
    for part in (
        *("Attic", "Ready to speak", "by Fake .", "English 6 voices", "German 5 voices"),
        *("Chinese 5 voices", __version__, "0" * 32, "indextts-daemon pair", "With a token"),
    ):
        assert part in read, part


async def test_it_is_well_formed_and_brings_no_script_and_nothing_from_elsewhere(
    door: Door,
) -> None:
    elements = Elements(await page(door))
    links = [
        value
        for _, attributes in elements.seen
        for name, value in attributes.items()
        if name in {"href", "src", "action"} and value is not None
    ]
    assert [link for link in links if not link.startswith("data:")] == ["v1/openapi.yaml"]
    names = {name for _, attributes in elements.seen for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert "script" not in {tag for tag, _ in elements.seen}


async def test_the_policy_allows_its_own_style_and_nothing_else(door: Door) -> None:
    async with door.session.get("/") as response:
        policy = response.headers["Content-Security-Policy"]
        style = re.findall(r"<style>(.*?)</style>", await response.text(), re.DOTALL)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("style-src") == f"'sha256-{digest}'"
    assert rules.pop("img-src") == "data:"
    assert set(rules.values()) == {"'none'"}


async def test_whatever_the_daemon_is_called_is_only_text(open_door: Opener) -> None:
    name = "</title><script>alert(1)</script>&\"'"
    async with open_door(**{"discovery.name": name}) as door:
        text = await page(door)
    assert "script" not in {tag for tag, _ in Elements(text).seen}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#x27;" in text


async def test_nothing_private_is_on_it(door: Door) -> None:
    code = door.services.pairing.open()
    await door.speak("The zebra is out.")
    text = await page(door)
    for secret in (TOKEN, code, "zebra", "fake-01", "Fake 1"):
        assert secret not in text


@pytest.mark.parametrize("spoke", [None, "The model made <silence>."])
async def test_while_it_loads_it_says_why_and_looks_again_soon(
    door: Door, spoke: str | None
) -> None:
    usual_s = Elements(await page(door)).looks_again_after_s()
    door.services.health.spoke = spoke
    text = await page(door)
    assert 0 < Elements(text).looks_again_after_s() < usual_s
    for part in ("Getting ready", "It cannot speak yet.", "They show while it can speak."):
        assert part in words(text)
    assert ("It has not spoken yet." if spoke is None else "made &lt;silence&gt;.") in text


async def test_with_a_stand_in_it_says_who_speaks_and_why(open_door: Opener) -> None:
    async with open_door(**{"fake.load": "fail"}) as door:
        pool, health = door.services.pool, door.services.health
        while health.spoke:  # the stand-in may take a while to load
            health.spoke = await first_words(door.services)
        await until(lambda: health.report().state == "degraded", timeout_s=60)
        assert pool.default.info is None
        text = await page(door)
    read = words(text)
    assert "Speaks, with a stand-in" in read
    assert "but only by Embedded voices ." in read
    assert "The settings ask the fake engine to fail." in read
    assert "Italian 1 voice " in read


async def test_a_daemon_that_stops_says_so(door: Door) -> None:
    await door.services.synthesizer.drain(timeout_s=1)
    assert "Stopping What is being spoken is finished" in words(await page(door))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({}, "shows there by itself. If it does not, add the integration IndexTTS"),
        ({"discovery.enabled": False}, "not announced in the network: add the integration"),
        ({"server.auth": False}, "No code is needed."),
        ({"server.auth": False}, "Open to everybody in the network"),
    ],
)
async def test_it_says_how_home_assistant_gets_hold_of_it(
    open_door: Opener, flags: dict[str, Any], told: str
) -> None:
    async with open_door(**flags) as door:
        read = words(await page(door))
    assert told in read
    assert "the host and port that your browser shows as the address of this page" in read


async def test_no_address_is_named_that_may_be_another_outside_a_container(door: Door) -> None:
    """Only the browser knows by which one it came; a container knows its own and its own port."""
    read = words(await page(door))
    assert "127.0.0.1" not in read
    assert door.url.rpartition(":")[2] not in read
