"""Errors as the wire shows them: status, envelope, Retry-After. Never a traceback or a text."""

import math
from typing import Any

from aiohttp import web

from indextts_daemon.errors import InvalidRequestError, SpeechError


class InvalidJsonError(InvalidRequestError):
    """The body is not JSON."""

    code = "invalid_json"


class UnauthorizedError(SpeechError):
    """No token, or a wrong one."""

    code = "unauthorized"


class ForeignOriginError(SpeechError):
    """A page from elsewhere asks, through somebody's browser."""

    code = "foreign_origin"


class SlowBodyError(SpeechError):
    """The body took too long."""

    code = "slow_body"


class TooLargeError(InvalidRequestError):
    """More was sent than is taken."""

    code = "too_large"


class IdleTimeoutError(SpeechError, TimeoutError):
    """The client said nothing for too long."""

    code = "idle_timeout"


class UpgradeRequiredError(SpeechError):
    """The address answers over a WebSocket."""

    code = "upgrade_required"


class UnsupportedMediaTypeError(SpeechError):
    """The body is something else than JSON."""

    code = "unsupported_media_type"


STATUS = {
    "bad_request": 400,
    "invalid_form": 400,
    "invalid_json": 400,
    "unauthorized": 401,
    "foreign_origin": 403,
    "pairing_code_invalid": 403,
    "not_found": 404,
    "voice_not_found": 404,
    "model_not_found": 404,
    "version_not_found": 404,
    "operation_not_found": 404,
    "method_not_allowed": 405,
    "idle_timeout": 408,
    "slow_body": 408,
    "resume_first": 409,
    "voice_exists": 409,
    "voice_protected": 409,
    "pairing_closed": 410,
    "precondition_failed": 412,
    "too_large": 413,
    "not_audio": 415,
    "unsupported_media_type": 415,
    "invalid_param": 422,
    "rejected": 422,
    "settings_invalid": 422,
    "canary_failed": 422,
    "clipped": 422,
    "empty": 422,
    "hum": 422,
    "no_speech": 422,
    "too_long": 422,
    "too_noisy": 422,
    "too_quiet": 422,
    "too_short": 422,
    "voices_invalid": 422,
    "version_incomplete": 422,
    "nothing_to_roll_back": 422,
    "nothing_to_say": 422,
    "unsupported_language": 422,
    "upgrade_required": 426,
    "internal": 500,
    "synthesis_failed": 500,
    "bad_audio": 500,
    "draining": 503,
    "enrolment_failed": 503,
    "voices_unreadable": 503,
    "loading": 503,
    "out_of_memory": 503,
    "paused": 503,
    "paused_gpu_busy": 503,
    "queue_full": 503,
    "voice_file_invalid": 503,
    "worker_lost": 503,
    "insufficient_memory": 507,
    "voice_not_kept": 507,
}
_TYPES = {401: "authentication_error", 403: "authentication_error", 503: "overloaded_error"}
_FROM_AIOHTTP = {
    404: ("not_found", "There is nothing at this address. GET /v1/openapi.yaml lists what is."),
    405: ("method_not_allowed", "This address does not answer that method."),
    413: ("too_large", "The body is over 64 KiB."),
}


FAULT = SpeechError(
    "Something went wrong in the daemon; its log has the details under the request id."
)
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 426: {"Upgrade": "websocket"}}


def status_of(error: SpeechError) -> int:
    """Return the status of HTTP that says of whose doing it is."""
    return STATUS.get(error.error_code, 500)


def retry_after_s(error: SpeechError) -> int | None:
    """Return when to come back, for what a little patience helps against."""
    if status_of(error) != 503:  # noqa: PLR2004
        return None
    return max(1, math.ceil(getattr(error, "retry_after_s", 1)))


def envelope(error: SpeechError, request_id: str) -> dict[str, Any]:
    """Make what the wire shows of an error of ours, be it over HTTP or a WebSocket."""
    return _envelope(
        status_of(error),
        code=error.error_code,
        message=error.message,
        param=error.param,
        request_id=request_id,
    )


def describe(error: SpeechError, request_id: str) -> web.Response:
    """Make the answer for an error of ours."""
    status = status_of(error)
    headers = dict(_HEADERS.get(status, {}))
    if (patience_s := retry_after_s(error)) is not None:
        headers["Retry-After"] = str(patience_s)
    return web.json_response(envelope(error, request_id), status=status, headers=headers)


def describe_http(error: web.HTTPException, request_id: str) -> web.Response:
    """Make the answer for what aiohttp refused."""
    code, message = _FROM_AIOHTTP.get(error.status, ("invalid_request", error.reason))
    headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    body = _envelope(error.status, code=code, message=message, request_id=request_id)
    return web.json_response(body, status=error.status, headers=headers)


def describe_unreadable(status: int, request_id: str) -> web.Response:
    """Make the answer for what is not HTTP, or not as aiohttp can take it."""
    if status >= 500:  # noqa: PLR2004
        return describe_fault(request_id)
    message = "This is not a request as HTTP has it."
    body = _envelope(status, code="bad_request", message=message, request_id=request_id)
    return web.json_response(body, status=status, headers={"X-Request-Id": request_id})


def describe_fault(request_id: str) -> web.Response:
    """Make the answer for a mistake of ours."""
    return describe(FAULT, request_id)


def _envelope(
    status: int, *, code: str, message: str, request_id: str, param: str | None = None
) -> dict[str, Any]:
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004
    body: dict[str, Any] = {
        "message": message,
        "type": _TYPES.get(status, kind),
        "code": code,
        "param": param,
        "request_id": request_id,
    }
    return {"error": body}
