"""The page at `/`: can it speak, in which languages, and how Home Assistant gets hold of it.

Anybody in the network may read it, so nothing private is on it: voices are counted, not named.
"""

import base64
from collections import Counter
import hashlib
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web

from indextts_daemon.service.health import HealthReport
from indextts_daemon.service.models import Model
from indextts_daemon.service.pool import ModelPool
from indextts_daemon.text.language import language_name
from indextts_daemon.worker.handle import WorkerState

from .keys import SERVICES, About

PAGE = Template(Path(__file__).with_suffix(".html").read_text("utf-8"))
STYLE = Path(__file__).with_suffix(".css").read_text("utf-8")
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
SOON_S, LATER_S = 3, 30  # until a page that is left open looks again
WORDS = {
    "ready": "Ready to speak",
    "degraded": "Speaks, with a stand-in",
    "paused": "Has left the GPU to somebody else",
    "asleep": "Asleep, and wakes when asked to speak",
    "loading": "Getting ready",
    "draining": "Stopping",
}


async def page(request: web.Request) -> web.Response:
    """Show a person whether it can speak, and how to pair."""
    services = request.app[SERVICES]
    about, report = services.about, services.health.report()
    speakers = _speakers(services.pool) if report.can_speak else []
    text = PAGE.substitute(
        name=escape(about.name),
        style=STYLE,
        refresh_s=SOON_S if report.state == "loading" else LATER_S,
        state=report.state,
        word=WORDS[report.state],
        sentence=_sentence(report, speakers),
        troubles=_list("ul", [escape(check.message) for check in report.checks if not check.ok]),
        languages=_languages(speakers),
        home_assistant=_home_assistant(about),
        version=escape(about.version),
        model=escape(services.pool.default.name),
        access="With a token" if about.auth else "Open to everybody in the network",
        instance_id=escape(services.identity.instance_id),
    )
    return web.Response(text=text, content_type="text/html", charset="utf-8", headers=HEADERS)


def _speakers(pool: ModelPool) -> list[Model]:
    """Return the models that can speak now; who is asked first comes first."""
    ready = [model for model in pool if model.state is WorkerState.ready]
    return sorted(ready, key=lambda model: model is not pool.default)


def _sentence(report: HealthReport, speakers: list[Model]) -> str:
    if report.state == "draining":
        return "What is being spoken is finished; nothing new is taken."
    if report.can_speak and not speakers:
        return "The first words take a moment longer; then it is as quick as ever."
    if not speakers:
        return "It cannot speak yet. This page looks again every few seconds."
    only = "but only " if report.state in {"degraded", "paused"} else ""
    return f"Whatever is sent here is spoken now, {only}by <b>{escape(speakers[0].name)}</b>."


def _languages(speakers: list[Model]) -> str:
    voices = {
        voice.id: voice for model in reversed(speakers) if model.info for voice in model.info.voices
    }
    counts = Counter(language for voice in voices.values() for language in voice.languages)
    if not counts:
        return '<p class="note">They show while it can speak.</p>\n'
    return _list(
        'ul class="languages"',
        [
            f"<span>{escape(language_name(code))}</span>"
            f"<span>{count} {'voice' if count == 1 else 'voices'}</span>"
            for code, count in sorted(counts.items(), key=lambda entry: language_name(entry[0]))
        ],
    )


def _home_assistant(about: About) -> str:
    by_hand = (
        "add the integration IndexTTS with the host and port that your browser shows as the "
        "address of this page; instead of <code>localhost</code> take the name or address of this "
        "computer."
    )
    found = (
        f"This daemon shows there by itself. If it does not, {by_hand}"
        if about.announced
        else f"This daemon is not announced in the network: {by_hand}"
    )
    paired = (
        "Type the six digits that <code>indextts-daemon pair</code> prints "
        "on the computer that it runs on."
        if about.auth
        else "No code is needed."
    )
    return _list("ol", ["Open Settings, Devices &amp; services.", found, paired])


def _list(tag: str, entries: list[str]) -> str:
    """Make a list of what is HTML already; nothing of nothing."""
    if not entries:
        return ""
    lines = "".join(f"<li>{entry}</li>\n" for entry in entries)
    return f"<{tag}>\n{lines}</{tag.partition(' ')[0]}>\n"
