"""Is it alive, can it speak, what is it: the open answers, and the figures."""

from dataclasses import asdict

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from indextts_daemon.service.operations import Operations

from .keys import SERVICES

QUERY = {"verbose": "Adds what was looked at."}


async def livez(_: web.Request) -> web.Response:
    """Say that the event loop runs; nothing else is touched."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Say whether a request made now would be spoken; `?verbose` adds what was looked at."""
    report = request.app[SERVICES].health.report()
    body: dict[str, object] = {"state": report.state}
    if "verbose" in request.query:
        body["checks"] = [
            {"name": check.name, "ok": check.ok, "message": check.message}
            for check in report.checks
        ]
    return web.json_response(body, status=200 if report.can_speak else 503)


async def healthz(request: web.Request) -> web.Response:
    """Answer as /readyz does, for Docker and load balancers."""
    return await readyz(request)


async def info(request: web.Request) -> web.Response:
    """Say what this is; nothing private."""
    services = request.app[SERVICES]
    about, default = services.about, services.pool.default
    return web.json_response(
        {
            "product": "indextts-daemon",
            "instance_id": services.identity.instance_id,
            "name": about.name,
            "api": 1,
            "version": about.version,
            "engine": {"id": about.engine, "reason": about.engine_reason},
            "model": default.id,
            "model_name": default.name,
            "auth": about.auth,
            "revision": services.pool.revision(),
        }
    )


async def status(request: web.Request) -> web.Response:
    """Say how it goes: what speaks, who waits, and how quick the last hundred answers were."""
    services = request.app[SERVICES]
    pool, pause, refusal = services.pool, services.sharing.paused, services.swapper.refusal
    return web.json_response(
        {
            "state": services.health.report().state,
            "model": pool.default.id,
            "model_name": pool.default.name,
            "revision": pool.revision(),
            "generation": services.generations.current.number,
            "paused": None if pause is None else pause.shape(),
            "game_mode": pause is not None,
            "canary": {
                "failed": refusal.failed if refusal else None,
                "model": refusal.model if refusal else None,
                "version": refusal.version if refusal else None,
            },
            "last_reload": _last_reloads(services.operations),
            "queue": {
                "waiting": pool.waiting,
                "in_flight": pool.in_flight,
                "capacity": pool.default.queue.capacity,
            },
            "recent": asdict(services.synthesizer.recent.figures()),
        }
    )


def _last_reloads(operations: Operations) -> dict[str, object]:
    """Say of each scope how the last change of it since the start ended."""
    return {
        scope: {
            "result": str(one.result),
            "at": one.ended_at,
            "errors": [asdict(problem) for problem in one.errors],
        }
        for scope, one in operations.last_reloads.items()
    }


async def metrics(request: web.Request) -> web.StreamResponse:
    """Answer with every figure, in the format that the scraper asks for."""
    return await make_aiohttp_handler(request.app[SERVICES].metrics.registry)(request)
