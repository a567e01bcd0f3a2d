"""How the answer to a change looks: what came of it, and in words why not."""

from collections.abc import Sequence
from dataclasses import asdict

from aiohttp import web

from indextts_daemon.errors import SpeechError
from indextts_daemon.service.operations import Operation, Result

from .keys import REQUEST_ID
from .problems import STATUS, envelope, status_of

TOLD = frozenset({412, 500, 507})  # what is no fault of the document; all else is 422
SENTENCES = 3  # of what is wrong, in the one message


def who(request: web.Request) -> str:
    """Return who asks: our command line, or somebody else."""
    return "cli" if request.headers.get("X-IndexTTS-Client") == "cli" else "api"


def marks(request: web.Request) -> frozenset[str] | None:
    """Return the marks that If-Match allows, "*" for any; None without one."""
    tags = request.if_match
    if tags is None:
        return None
    return frozenset(tag.value for tag in tags if not tag.is_weak)


def outcome(request: web.Request, operations: Sequence[Operation]) -> web.Response:
    """Answer with what came of operations that have ended."""
    results = {operation.result for operation in operations}
    decisive = (result for result in (Result.rejected, Result.applied) if result in results)
    worst = next(decisive, Result.unchanged)
    problems = [problem for operation in operations for problem in operation.errors]
    body = {
        "result": str(worst),
        "generation": max((operation.generation or 0 for operation in operations), default=0),
        "restart_required": [],  # every setting can change while the daemon runs
        "shadowed": sorted(
            {str(key) for operation in operations for key in _listed(operation, "shadowed")}
        ),
        "errors": [asdict(problem) for problem in problems],
        "operations": [operation.shape() for operation in operations],
    }
    if worst is not Result.rejected:
        return web.json_response(body)
    message = " ".join(problem.message for problem in problems[:SENTENCES])
    told = [operation.code for operation in operations if STATUS.get(operation.code) in TOLD]
    error = SpeechError(message, code=max(told, key=STATUS.__getitem__, default="rejected"))
    return web.json_response(body | envelope(error, request[REQUEST_ID]), status=status_of(error))


def _listed(operation: Operation, name: str) -> Sequence[object]:
    listed = operation.details.get(name, ())
    return listed if isinstance(listed, list | tuple) else ()
