"""The card is left to others, taken back, and a model made ready in time, over HTTP."""

import time
from typing import Any

from aiohttp import web

from indextts_daemon.errors import InvalidRequestError, SpeechError
from indextts_daemon.service.operations import Operation, Result

from .keys import SERVICES
from .outcome import who
from .problems import STATUS
from .schema import PAUSE, PREWARM, read_json_if_any, switch, validated

WAIT = {"wait": "Answers once it is done, or says why it was not."}
UNAVAILABLE = 503
PAUSE_DESCRIPTION = (
    "Every model that needs the GPU finishes what it speaks and leaves; meanwhile the embedded "
    "voice answers, or nobody, as the setting `sharing.while_away` has it. With both `until` and "
    "`minutes`, the sooner one counts."
)
PREWARM_DESCRIPTION = (
    "While the GPU is left to others nothing is loaded into it: 409 says to resume first."
)


async def pause(request: web.Request) -> web.Response:
    """Leave the GPU to other work, after the sentences that are being spoken."""
    services = request.app[SERVICES]
    wait = switch(request, "wait")
    asked = validated(PAUSE, await read_json_if_any(request))
    operation = await services.sharing.pause(
        who=who(request), reason=asked["reason"], until=_until(asked)
    )
    if wait:
        operation = await services.sharing.done(operation)
        _require_success(operation)
    return _paused(request, operation)


async def resume(request: web.Request) -> web.Response:
    """Take the GPU back, and load what belongs there."""
    operation = await request.app[SERVICES].sharing.resume(who=who(request))
    return _paused(request, operation)


async def prewarm(request: web.Request) -> web.Response:
    """Load the default model, or the one named, before it is needed."""
    sharing = request.app[SERVICES].sharing
    wait = switch(request, "wait")
    asked = validated(PREWARM, await read_json_if_any(request))
    operation = sharing.prewarm(asked.get("model"), who=who(request))
    if wait:
        operation = await sharing.done(operation)
        _require_success(operation)
    return web.json_response({"operation": operation.shape()}, status=200 if wait else 202)


def _until(asked: dict[str, Any]) -> float | None:
    """Return when it is to end. Raises InvalidRequestError for a moment that is past."""
    now = time.time()
    ends = [asked["until"]] if "until" in asked else []
    if "minutes" in asked:
        ends.append(now + asked["minutes"] * 60)
    if not ends:
        return None
    if min(ends) <= now:
        raise InvalidRequestError("`until` is over already.", param="until")
    return float(min(ends))


def _paused(request: web.Request, operation: Operation) -> web.Response:
    pause = request.app[SERVICES].sharing.paused
    paused = None if pause is None else pause.shape()
    return web.json_response({"paused": paused, "operation": operation.shape()})


def _require_success(operation: Operation) -> None:
    """Raise SpeechError for what was refused; nobody tries it again, so it is no 503."""
    if operation.result is Result.rejected:
        message = " ".join(problem.message for problem in operation.errors)
        told = STATUS.get(operation.code, UNAVAILABLE) != UNAVAILABLE
        raise SpeechError(message, code=operation.code if told else "rejected")
