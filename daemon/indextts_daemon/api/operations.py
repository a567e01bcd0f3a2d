"""What was changed over time: the last operations, and how far one has come."""

from aiohttp import web

from indextts_daemon.errors import SpeechError

from .keys import SERVICES


class OperationNotFoundError(SpeechError):
    """No such operation is kept."""

    code = "operation_not_found"


async def operations(request: web.Request) -> web.Response:
    """List the last operations, the newest first."""
    listed = request.app[SERVICES].operations.listed()
    return web.json_response({"operations": [operation.shape() for operation in listed]})


async def operation(request: web.Request) -> web.Response:
    """Show one operation, as far as it has come. Raises OperationNotFoundError."""
    found = request.app[SERVICES].operations.get(request.match_info["id"])
    if found is None:
        raise OperationNotFoundError(
            "No such operation is kept. GET /v1/operations lists those that are.", param="id"
        )
    return web.json_response(found.shape())
