"""Looks around while the daemon lives: tells what is new, keeps figures, follows files."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
import logging
import time

from .api.keys import Services
from .errors import place_of
from .service.routing import FALLBACK
from .worker.handle import WorkerState

LOGGER = logging.getLogger(__name__)

TICK_S = 1.0
PATIENCE_S = 5.0  # with a default model that cannot speak, before another is made ready


async def look_around(services: Services) -> None:
    """Look around once a second; a look that fails is logged, and the next one follows."""
    told: dict[str, dict[str, object]] = {}
    ready_at = time.monotonic()
    while True:
        due = time.monotonic() + TICK_S
        await asyncio.sleep(TICK_S)
        services.metrics.event_loop_lag.observe(max(0.0, time.monotonic() - due))
        with survived("looking around"):
            default = services.pool.default
            if default.state is WorkerState.ready or default.asleep:
                ready_at = time.monotonic()
            if default.load_failed or time.monotonic() - ready_at > PATIENCE_S:
                services.pool.get(FALLBACK).keep()  # the next request should find it
            _tell_news(services, told)
            _keep_figures(services)
            await services.sharing.tick(time.monotonic())


async def remember(services: Services, *, once: bool = False) -> None:
    """Keep on the disk what is to outlive us; one that is slow holds up nothing else."""
    while True:
        with survived("remembering"):
            await services.pool.revisions.save()
            await services.operations.save()
            await services.memory.save()
        if once:
            return
        await asyncio.sleep(TICK_S)


async def follow_files(services: Services) -> None:
    """Read again whatever somebody has changed, once it has come to rest."""
    if services.watch is None:
        return
    async for scope in services.watch.changes():
        if scope in services.reloader.scopes:
            services.reloader.follow(scope, who="file")


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
    metrics, pool = services.metrics, services.pool
    metrics.queue_capacity.set(pool.settings.queue.capacity)
    invalid = sum(one.refusal is not None for one in services.voices.known.values())
    metrics.house_is(
        voices=len(pool.voices()),
        invalid=invalid,
        lexicon_entries=len(services.generations.current.lexicon.rules),
    )
    for model in pool:
        if model.worker is not None and model.worker.heartbeat_at is not None:
            metrics.worker_heartbeat.labels(model.id).set(model.worker.heartbeat_at)


@contextmanager
def survived(doing: str) -> Iterator[None]:
    """Log what goes wrong inside, by its type and place; the daemon lives on."""
    try:
        yield
    except Exception as err:  # noqa: BLE001 whatever it is, speech does not hang on it
        LOGGER.error("%s failed: %s", doing, place_of(err))  # noqa: TRY400
