"""`indextts-daemon check`: whether the daemon can run here, as a table with a verdict."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import errno
import logging
import os
from pathlib import Path
import shutil
import time

from zeroconf.asyncio import AsyncZeroconf

from . import __version__, gpu
from .api.doors import lacks_ipv6
from .choice import choose
from .compose import build
from .config import Settings
from .discovery import SERVICE_TYPE, Announcement, announced_addresses
from .doorless import first_words, language_trouble, loaded
from .errors import Problem, SpeechError
from .identity import Identity, Pairing, open_identity
from .posix import listening_socket
from .remote import Remote
from .service.documents import Documents
from .storage import atomic_write
from .worker.handle import WorkerState

LEAST_DISK_BYTES = 200_000_000
ZEROCONF_PATIENCE_MS = 3000
LAST_GOOD = "Until then its last good version counts, if there is one."
RUNS = {  # what to think of our own daemon, by its state
    "ready": ("ok", "ready"),
    "degraded": ("ok", "degraded"),
    "asleep": ("ok", "asleep: it wakes with the next request"),
    "paused": ("note", "paused; `indextts-daemon resume` ends that"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found; `verdict` is ok, note or FAIL."""

    name: str
    verdict: str
    message: str


def check(settings: Settings, problems: Sequence[Problem], *, data_dir: Path) -> int:
    """Run every check, print the table, and return 1 if one of them failed.

    `problems` are those of the settings file, where the settings are the last good ones.
    """
    with _unlogged():
        findings = [_settings(problems), *asyncio.run(_all(settings, data_dir))]
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{finding.verdict:4}  {finding.name:{width}}  {finding.message}")
    failed = [finding.name for finding in findings if finding.verdict == "FAIL"]
    print()
    print(f"Not ready: see {', '.join(failed)}." if failed else "The daemon can run here.")
    return 1 if failed else 0


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep off the terminal what is logged meanwhile: the table says it."""
    logger, nowhere = logging.getLogger(__package__), logging.NullHandler()
    logger.addHandler(nowhere)
    try:
        yield
    finally:
        logger.removeHandler(nowhere)


def _settings(problems: Sequence[Problem]) -> Finding:
    verdict, message = "ok", "they can be used"
    if problems:
        told = " ".join(problem.message for problem in problems)
        verdict, message = "FAIL", f"{told} The last good ones are used."
    return Finding(name="settings", verdict=verdict, message=message)


async def _all(settings: Settings, data_dir: Path) -> list[Finding]:
    checks: dict[str, Callable[[], Awaitable[tuple[str, str]]]] = {
        "data folder": lambda: _data_folder(data_dir),
        "disk": lambda: _disk(data_dir),
        "port": lambda: _port(settings, data_dir),
        "voice": lambda: _voice(settings, data_dir),
        "zeroconf": lambda: _zeroconf(settings),
        "moods": lambda: _moods(data_dir),
        "lexicon": lambda: _lexicon(data_dir),
        "GPU": lambda: _gpu(settings, data_dir),
    }
    found = []
    for name, look in checks.items():
        verdict, message = await look()
        found.append(Finding(name=name, verdict=verdict, message=message))
    return found


async def _data_folder(data_dir: Path) -> tuple[str, str]:
    probe = data_dir / ".check"
    try:
        atomic_write(probe, b"")
        probe.unlink()
    except OSError as err:
        return "FAIL", f"{data_dir} cannot be written ({err.strerror}); name another: --data-dir"
    return "ok", f"{data_dir} can be written"


async def _disk(data_dir: Path) -> tuple[str, str]:
    folder = next(parent for parent in (data_dir, *data_dir.parents) if os.access(parent, os.F_OK))
    free = shutil.disk_usage(folder).free
    verdict = "ok" if free >= LEAST_DISK_BYTES else "FAIL"
    return verdict, f"{free / 1e9:.1f} GB free for the data folder"


async def _port(settings: Settings, data_dir: Path) -> tuple[str, str]:
    port, free = settings.server.port, []
    for host in settings.server.host:
        try:
            listening_socket(host, port).close()
        except OSError as err:
            if err.errno == errno.EADDRINUSE:
                return await _who_has(host, port, data_dir)
            if not lacks_ipv6(host, err):
                return "FAIL", f"{port} on {host} cannot be opened ({os.strerror(err.errno or 0)})"
        else:
            free.append(host)
    if not free:
        return "FAIL", "this machine has no IPv6; choose another address with --host"
    return "ok", f"{port} on {', '.join(free)} is free"


async def _who_has(host: str, port: int, data_dir: Path) -> tuple[str, str]:
    """Tell this data folder's own daemon, which may well run, from whatever else is there."""
    try:
        instance_id, state = await Remote.at(host, port, None).look()
        own = open_identity(data_dir).instance_id
    except SpeechError:
        return "FAIL", f"{port} on {host} is taken by something else; choose another with --port"
    if instance_id != own:
        return "FAIL", f"{port} on {host} is taken by another daemon; choose another with --port"
    verdict, how = RUNS.get(state, ("FAIL", state))
    return verdict, f"the daemon runs on {port} and is {how}"


async def _voice(settings: Settings, data_dir: Path) -> tuple[str, str]:
    nobody = Identity(instance_id="", token="")
    services = build(settings, nobody, Pairing(data_dir), data_dir=data_dir)
    since = time.monotonic()
    try:
        default = services.pool.default
        await loaded(default, timeout_s=settings.worker.load_timeout_s)
        ready, why = default.state is WorkerState.ready, default.reason
        trouble = await first_words(services)
        took_s = time.monotonic() - since
        language = await language_trouble(services)
    finally:
        await services.pool.close()
        services.encoders.shutdown(wait=False)
    if trouble:
        return "FAIL", trouble
    if not ready:
        return "note", f"only the embedded voices speak: {why or 'It is still loading.'}"
    if language:
        return "note", language
    return "ok", f"the model {default.id}, loaded for this check, spoke after {took_s:.1f} s"


async def _zeroconf(settings: Settings) -> tuple[str, str]:
    if not settings.discovery.enabled:
        return "note", "switched off; clients need the address typed in"
    try:
        addresses = announced_addresses(settings.server.host)
        if not addresses:
            return "note", "no address that the LAN can reach; clients need the address typed in"
        heard = await _announce(addresses)
    except Exception as err:  # noqa: BLE001 as in the daemon: whatever a network may do
        return "FAIL", f"cannot announce ({err}); is multicast blocked? UDP port 5353"
    if not heard:
        return "FAIL", "an announcement does not come back; open UDP port 5353 in the firewall"
    return "ok", f"announcements on {', '.join(addresses)} are heard"


async def _announce(addresses: Sequence[str]) -> bool:
    """Whether an announcement made on these addresses comes back."""
    name = f"check-{time.time_ns()}"
    announcement = Announcement(name=name, instance_id="0" * 32, version=__version__, auth=True)
    try:
        await announcement.register(addresses, 9)
        async with AsyncZeroconf(interfaces=list(addresses)) as listener:
            found = await listener.async_get_service_info(
                SERVICE_TYPE, f"{name}.{SERVICE_TYPE}", timeout=ZEROCONF_PATIENCE_MS
            )
    finally:
        await announcement.withdraw()
    return found is not None


async def _gpu(settings: Settings, data_dir: Path) -> tuple[str, str]:
    """Judge the card, and whether all else that IndexTTS needs is here."""
    card, chosen = gpu.look(), choose(settings, data_dir)
    speaks = chosen.engine == "indextts"
    if speaks and (not card.there or settings.indextts.device == "cpu"):
        return "note", f"{card.words}; IndexTTS runs on the processor, a sentence takes minutes"
    if not card.there:
        return "note", f"{card.words}; the embedded voices need none"
    if card.trouble:
        return "note", f"{card.words}: {card.trouble}"
    return ("ok", card.words) if speaks else ("note", f"{card.words}; {chosen.reason}")


async def _moods(data_dir: Path) -> tuple[str, str]:
    try:
        moods = Documents.of(data_dir).moods.read()
    except SpeechError as err:
        return "FAIL", f"{err.message} {LAST_GOOD}"
    return "ok", ", ".join(sorted(moods))


async def _lexicon(data_dir: Path) -> tuple[str, str]:
    try:
        lexicon = Documents.of(data_dir).lexicon.read()
    except SpeechError as err:
        return "FAIL", f"{err.message} {LAST_GOOD}"
    return "ok", f"{len(lexicon.rules) or 'no'} {'rule' if len(lexicon.rules) == 1 else 'rules'}"
