"""The settings over HTTP: what counts, what is written, what was; and reading all of it again."""

import asyncio

from aiohttp import web

from indextts_daemon.config import tree
from indextts_daemon.errors import InvalidRequestError
from indextts_daemon.service.config_scope import ConfigWish
from indextts_daemon.service.settings_file import SettingsFile, etag

from .keys import SERVICES
from .outcome import marks, outcome, who
from .schema import RELOAD, ROLLBACK, read_document, read_json_if_any, switch, validated

QUERY = {"dry_run": "Only looks whether the document could be taken."}
HEADERS = {"ETag": "Names the document that is written now, for If-Match."}
DESCRIPTION = (
    "The body is the whole document, of which comments survive. With If-Match it is taken only if "
    "what is written now has this ETag, as GET tells it. What is rejected changes nothing."
)


async def config(request: web.Request) -> web.Response:
    """Show what the settings file says, and what counts."""
    services = request.app[SERVICES]
    text, shadowed = await asyncio.to_thread(_written, services.settings_file)
    response = web.json_response(
        {
            "document": text,
            "settings": tree(services.generations.current.settings),
            "shadowed": shadowed,
            "restart_required": [],
        }
    )
    response.etag = etag(text)
    return response


async def put_config(request: web.Request) -> web.Response:
    """Put another document in place of the settings file, if it is good."""
    dry = switch(request, "dry_run")
    wish = ConfigWish(text=await read_document(request), dry=dry, match=marks(request))
    return await _wished(request, wish, action="check" if dry else "put")


async def config_versions(request: web.Request) -> web.Response:
    """List the last good versions of the settings, the newest first."""
    known = await asyncio.to_thread(request.app[SERVICES].settings_file.versions)
    return web.json_response(
        {
            "versions": [
                {"version": version.number, "saved_at": version.saved_at, "current": current}
                for version, current in known
            ]
        }
    )


async def roll_config_back(request: web.Request) -> web.Response:
    """Put a good version of the settings back in place: the one before, or the one named."""
    file = request.app[SERVICES].settings_file
    number = validated(ROLLBACK, await read_json_if_any(request)).get("version")
    if number is None:
        version = await asyncio.to_thread(file.before)
        wish = ConfigWish(text=version.text, back_to=version)
    else:
        version = await asyncio.to_thread(file.history.version, number)
        wish = ConfigWish(text=version.text)
    return await _wished(request, wish, action="rollback", subject=str(version.number))


async def reload(request: web.Request) -> web.Response:
    """Read again what is on the disk: everything, or one kind of it."""
    reloader = request.app[SERVICES].reloader
    scope = validated(RELOAD, await read_json_if_any(request))["scope"]
    if scope not in {"all", *reloader.scopes}:
        raise InvalidRequestError("This daemon reads nothing of that kind.", param="scope")
    scopes = reloader.scopes if scope == "all" else (scope,)
    operations = await asyncio.gather(*(reloader.reload(one, who=who(request)) for one in scopes))
    return outcome(request, operations)


async def _wished(
    request: web.Request, wish: ConfigWish, *, action: str, subject: str = ""
) -> web.Response:
    reloader = request.app[SERVICES].reloader
    operation = await reloader.reload(
        "config", who=who(request), wish=wish, action=action, subject=subject
    )
    response = outcome(request, [operation])
    if response.status == 200 and not wish.dry:  # noqa: PLR2004
        response.etag = etag(wish.text)
    return response


def _written(file: SettingsFile) -> tuple[str, tuple[str, ...]]:
    return file.document(), file.shadowed()
