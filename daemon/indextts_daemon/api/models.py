"""The versions of a model, and changing which one is loaded and which one speaks."""

import asyncio

from aiohttp import web

from indextts_daemon.errors import ModelNotFoundError, SpeechError
from indextts_daemon.service.operations import Operation, Result
from indextts_daemon.service.versions import Action, ModelsWish, Standing

from .keys import REQUEST_ID, SERVICES, Services
from .outcome import who
from .problems import STATUS, envelope, status_of
from .schema import ACTIVATE, NOTHING, read_json_if_any, switch, validated

QUERY = {"wait": "Answers once it is done: 200, or why it was not."}
DESCRIPTION = (
    "Answers 202 with the operation, which GET /v1/operations/{id} follows. The house keeps "
    "talking meanwhile, and what speaks only changes once the other has proved that it can."
)


async def versions(request: web.Request) -> web.Response:
    """List a model's versions and what each is: active, previous, candidate or failed."""
    services, model = request.app[SERVICES], request.match_info["id"]
    settings = services.generations.current.settings
    found = await asyncio.to_thread(services.versions.of, model)
    listed: list[dict[str, object]] = [
        {"version": version.name, "revision": version.revision, "state": state, "reason": reason}
        for version in found
        for state, reason in [services.versions.standing(version, settings)]
    ]
    served = services.generations.current.models.get(model)
    if served is None and not found:
        raise _unknown(services)
    if served is not None and not any(one["state"] == Standing.active for one in listed):
        listed.insert(0, _elsewhere(services, model))
    return web.json_response({"versions": listed})


async def load_model(request: web.Request) -> web.Response:
    """Load a model beside the others, and keep it loaded."""
    return await _wished(request, "load")


async def unload_model(request: web.Request) -> web.Response:
    """Unload a model once it has finished what it is speaking; a request loads it again."""
    return await _wished(request, "unload")


async def activate_model(request: web.Request) -> web.Response:
    """Make a model, in the version named or the one chosen already, the one that speaks."""
    return await _wished(request, "activate")


async def roll_model_back(request: web.Request) -> web.Response:
    """Go back to what spoke before the model was activated."""
    return await _wished(request, "rollback")


async def _wished(request: web.Request, action: Action) -> web.Response:
    services, model = request.app[SERVICES], request.match_info["id"]
    waits = switch(request, "wait")
    schema = ACTIVATE if action == "activate" else NOTHING
    version = validated(schema, await read_json_if_any(request)).get("version")
    if model not in services.generations.current.models and not await asyncio.to_thread(
        services.versions.of, model
    ):
        raise _unknown(services)
    wish = ModelsWish(action=action, model=model, version=version)
    reloader, asker = services.reloader, who(request)
    if not waits:
        begun = reloader.start("models", who=asker, wish=wish, action=action, subject=model)
        return web.json_response({"operation": begun.shape()}, status=202)
    done = await reloader.reload("models", who=asker, wish=wish, action=action, subject=model)
    return _answered(request, done)


def _answered(request: web.Request, done: Operation) -> web.Response:
    """Answer with what came of it; a refusal is told as an error besides."""
    body: dict[str, object] = {"operation": done.shape()}
    if done.result is not Result.rejected:
        return web.json_response(body)
    message = " ".join(problem.message for problem in done.errors)
    refusal = SpeechError(message, code=done.code if done.code in STATUS else "rejected")
    if status_of(refusal) == 503:  # noqa: PLR2004 it was not put off: nobody tries it again
        refusal = SpeechError(message, code="rejected")
    body |= envelope(refusal, request[REQUEST_ID])
    return web.json_response(body, status=status_of(refusal))


def _elsewhere(services: Services, model: str) -> dict[str, object]:
    """Describe what is served and lies in no folder of versions, such as the embedded voices."""
    served = services.generations.current.models[model]
    return {
        "version": served.spec.version,
        "revision": served.info.revision if served.info is not None else "",
        "state": Standing.active,
        "reason": "",
    }


def _unknown(services: Services) -> ModelNotFoundError:
    known = ", ".join(services.generations.current.models)
    return ModelNotFoundError(f"There is no such model. Known are: {known}.", param="id")
