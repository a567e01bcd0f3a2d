"""What a browser shows to a person, at some size and in some language, kept as pictures for eyes.

The pictures lie under artifacts/screenshots. A picture is only kept if what stands in it is in
order: no key that has no words, no word of ours in another language than the reader's.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
import json
import re
import time
from typing import Any

from playwright.async_api import Locator, Page, expect
import pytest

from tests.e2e.hass_process import ROOT
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.waiting import eventually

SHOTS = ROOT / "artifacts" / "screenshots"
TRANSLATIONS = ROOT / "custom_components" / "indextts" / "translations"
SERVICE = "config/integrations/integration/indextts"
SHOWN_S = 15
STILL_S = 0.1
UNFINISHED = re.compile(
    r"component\.indextts|(?<!\$)\{\w+\}|`|\]\(|\bundefined\b|\[object|\bNaN\b|\bnull\b"
)
PLACEHOLDER = re.compile(r"\{\w+\}")
MARKDOWN = re.compile(r"^\d\. |`|\[|\]\(.*?\)", re.MULTILINE)
# All text that is not hidden, a line each; the web components of Home Assistant keep theirs aside.
VISIBLE_TEXT = """
() => {
  const lines = [];
  const visit = (node) => {
    const parent = node.parentElement ?? node.parentNode?.host;
    if (node.nodeType === Node.TEXT_NODE && !["STYLE", "SCRIPT"].includes(parent?.tagName)) {
      const text = node.textContent.replace(/\\s+/g, " ").trim();
      if (text && parent?.checkVisibility()) lines.push(text);
    }
    if (node.shadowRoot) visit(node.shadowRoot);
    node.childNodes.forEach(visit);
  };
  visit(document.body);
  return lines;
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Who looks: the reader's language, and what is held in the hand."""

    language: str = "en"
    phone: bool = False
    dark: bool = False

    def __str__(self) -> str:
        device = "phone" if self.phone else "desktop"
        return "-".join([self.language, device, *(["dark"] if self.dark else [])])

    @property
    def context(self) -> dict[str, Any]:
        """What a browser is told to be."""
        scheme = {"color_scheme": "dark" if self.dark else "light"}
        if not self.phone:
            return scheme | {"viewport": {"width": 1280, "height": 900}}
        touch = {"device_scale_factor": 2, "has_touch": True, "is_mobile": True}
        return scheme | touch | {"viewport": {"width": 390, "height": 844}}


ENGLISH, GERMAN = Look(), Look(language="de")
ENGLISH_PHONE, GERMAN_PHONE = Look(phone=True), Look(language="de", phone=True)


def looks(*always: Look, long: tuple[Look, ...] = ()) -> pytest.MarkDecorator:
    """Run a test for each of the looks, for some only where there are minutes."""
    return pytest.mark.parametrize(
        "look",
        [*always, *(pytest.param(look, marks=pytest.mark.long) for look in long)],
        ids=str,
    )


CENTRAL = looks(
    ENGLISH,
    GERMAN_PHONE,
    long=(ENGLISH_PHONE, GERMAN, Look(language="zh-Hans"), Look(language="ja", phone=True)),
)
USUAL = looks(ENGLISH, long=(ENGLISH_PHONE, GERMAN, GERMAN_PHONE))
RARE = looks(long=(ENGLISH, ENGLISH_PHONE, GERMAN, GERMAN_PHONE))


class Screens:
    """Home Assistant in a browser whose owner is logged in and reads `look.language`."""

    def __init__(self, hass: HomeAssistant, page: Page, look: Look) -> None:
        self.page = page
        self.look = look
        self.dialog = page.locator("dialog-data-entry-flow")
        self._hass = hass

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self._hass.url}/{path}")

    async def visit(self, url: str) -> None:
        """Leave Home Assistant."""
        await self.page.goto(url)

    async def submit(self) -> None:
        """Press the button that goes on."""
        await self.dialog.locator("ha-button[slot=primaryAction]").click()

    async def says(self, *keys: str) -> None:
        """Wait until the words under the keys stand there in full, in the reader's language."""
        wanted = [
            _pattern(line)
            for key in keys
            for text in _texts(_translations(self.look.language), key)
            for line in text.splitlines()
            if line
        ]
        assert wanted, keys
        missing = wanted

        async def all_there() -> bool | None:
            nonlocal missing
            text = _solid("".join(await self._lines()))
            missing = [line for line in wanted if not re.search(line, text)]
            return not missing or None

        try:
            await eventually(all_there, what="words", within_s=SHOWN_S)
        except AssertionError:
            shown = "\n".join(await self._lines())
            raise AssertionError(f"{missing} does not stand in:\n{shown}") from None

    async def open_repair(self, key: str) -> None:
        """Open the repair whose title stands under a key."""
        (title,) = _texts(_translations(self.look.language), key)
        first, _, last = title.partition("{name}")
        repairs = self.page.locator("ha-config-repairs ha-list-item-button")
        await repairs.filter(has_text=first or last).click()

    async def shows(self, text: str) -> None:
        """Wait for a word that is the same in every language."""
        await expect(self.page.get_by_text(text).first).to_be_visible()

    async def keep(self, name: str) -> None:
        """Keep a picture of what has come to rest, if it is in order."""
        picture = await self._at_rest()
        lines = await self._lines()
        unfinished = [line for line in lines if UNFINISHED.search(line)]
        assert not unfinished, f"{name}: {unfinished}"
        foreign = _english_only(self.look.language) & set(lines)
        assert not foreign, f"{name}: {foreign}"
        too_wide = await self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not too_wide, f"{name} is wider than the window"
        folder = SHOTS / str(self.look)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(picture)

    async def _at_rest(self) -> bytes:
        deadline = time.monotonic() + SHOWN_S
        last = b""
        while (picture := await self.page.screenshot(animations="disabled")) != last:
            assert time.monotonic() < deadline, "the screen does not come to rest"
            last = picture
            await asyncio.sleep(STILL_S)
        return picture

    async def _lines(self) -> list[str]:
        return list(await self.page.evaluate(VISIBLE_TEXT))


async def shows_icon(place: Locator) -> None:
    """Wait for our picture, and see that it can be read."""
    icon = place.locator("img[src*='/brands/'][src*='indextts']").first
    assert await icon.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


@cache
def _translations(language: str) -> dict[str, Any]:
    return dict(json.loads((TRANSLATIONS / f"{language}.json").read_text("utf-8")))


def _texts(translations: dict[str, Any], key: str = "") -> Iterator[str]:
    """Yield what stands under a dotted key, however deep."""
    found: Any = translations
    for part in key.split(".") if key else ():
        found = found[part]
    if isinstance(found, str):
        yield found
    else:
        for part in found:
            yield from _texts(found, part)


def _pattern(line: str) -> str:
    """Match a line of ours as it is shown: its placeholders filled, its Markdown done."""
    parts = PLACEHOLDER.split(_solid(MARKDOWN.sub("", line)))
    return ".+".join(map(re.escape, parts))


def _solid(text: str) -> str:
    """Return a text without spaces, of which Markdown takes some and makes others."""
    return re.sub(r"\s", "", text)


@cache
def _english_only(language: str) -> set[str]:
    """Return our English texts that a reader of another language should not meet."""
    return set(_texts(_translations("en"))) - set(_texts(_translations(language)))
