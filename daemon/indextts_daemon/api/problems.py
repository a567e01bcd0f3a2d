"""Errors as the wire shows them: status, envelope, Retry-After. Never a traceback or a text."""

import math
from typing import Any

from aiohttp import web

from indextts_daemon.errors import SpeechError


class InvalidJsonError(SpeechError):
    """The body is not JSON."""

    code = "invalid_json"


class UnauthorizedError(SpeechError):
    """No token, or a wrong one."""

    code = "unauthorized"


class SlowBodyError(SpeechError):
    """The body took too long."""

    code = "slow_body"


class UnsupportedMediaTypeError(SpeechError):
    """The body is something else than JSON."""

    code = "unsupported_media_type"


STATUS = {
    "bad_request": 400,
    "invalid_json": 400,
    "unauthorized": 401,
    "pairing_code_invalid": 403,
    "not_found": 404,
    "voice_not_found": 404,
    "model_not_found": 404,
    "method_not_allowed": 405,
    "slow_body": 408,
    "pairing_closed": 410,
    "too_large": 413,
    "unsupported_media_type": 415,
    "invalid_param": 422,
    "nothing_to_say": 422,
    "unsupported_language": 422,
    "internal": 500,
    "synthesis_failed": 500,
    "bad_audio": 500,
    "draining": 503,
    "loading": 503,
    "queue_full": 503,
    "worker_lost": 503,
}
_TYPES = {401: "authentication_error", 403: "authentication_error", 503: "overloaded_error"}
_FROM_AIOHTTP = {
    404: ("not_found", "There is nothing at this address. GET /v1/openapi.yaml lists what is."),
    405: ("method_not_allowed", "This address does not answer that method."),
    413: ("too_large", "The body is over 64 KiB."),
}


def describe(error: SpeechError, request_id: str) -> web.Response:
    """Make the answer for an error of ours."""
    status = STATUS.get(error.error_code, 500)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}  # noqa: PLR2004
    retry_after_s = getattr(error, "retry_after_s", None)
    if status == 503:  # noqa: PLR2004
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s or 1)))
    return _answer(
        status,
        code=error.error_code,
        message=error.message,
        param=error.param,
        request_id=request_id,
        headers=headers,
    )


def describe_http(error: web.HTTPException, request_id: str) -> web.Response:
    """Make the answer for what aiohttp refused."""
    code, message = _FROM_AIOHTTP.get(error.status, ("invalid_request", error.reason))
    headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    return _answer(error.status, code=code, message=message, request_id=request_id, headers=headers)


def describe_unreadable(status: int, request_id: str) -> web.Response:
    """Make the answer for what is not HTTP, or not as aiohttp can take it."""
    if status >= 500:  # noqa: PLR2004
        return describe_fault(request_id)
    message = "This is not a request as HTTP has it."
    answer = _answer(status, code="bad_request", message=message, request_id=request_id)
    answer.headers["X-Request-Id"] = request_id
    return answer


def describe_fault(request_id: str) -> web.Response:
    """Make the answer for a mistake of ours."""
    message = "Something went wrong in the daemon; its log has the details under the request id."
    return _answer(500, code="internal", message=message, request_id=request_id)


def _answer(  # noqa: PLR0913 the envelope has that many parts
    status: int,
    *,
    code: str,
    message: str,
    request_id: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004
    body: dict[str, Any] = {
        "message": message,
        "type": _TYPES.get(status, kind),
        "code": code,
        "param": param,
        "request_id": request_id,
    }
    return web.json_response({"error": body}, status=status, headers=headers)
