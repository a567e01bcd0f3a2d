"""The published contract, OpenAPI 3.1, made from the schemas and routes that the server runs."""

from functools import cache
from http import HTTPStatus
import re
from typing import Any

from aiohttp import web
import voluptuous as vol
import yaml

from indextts_daemon import __version__

from . import answers, schema
from .route import ROUTE_TABLE, Route
from .upload import AUDIO
from .validators import IDENTIFIER, json_schema

# What one field says about another, which a table of fields cannot: Opus has one rate only.
_OPUS_RATE = {
    "if": {"properties": {"response_format": {"const": "opus"}}, "required": ["response_format"]},
    "then": {"properties": {"sample_rate": {"const": 48000}}},
}

USUAL_HEADERS = {"X-Request-Id": "Names the request in the log; yours, if you sent one."}
PROBLEM_HEADERS: dict[int, dict[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer."},
    HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": "The methods that are answered."},
    HTTPStatus.UPGRADE_REQUIRED: {"Upgrade": "websocket."},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "Seconds, estimated from what is going on."},
}


async def contract(request: web.Request) -> web.Response:
    """Answer with this document."""
    return web.Response(
        text=published(request.app[ROUTE_TABLE]), content_type="application/yaml", charset="utf-8"
    )


@cache
def published(routes: tuple[Route, ...]) -> str:
    """Write the contract of `routes` as YAML."""
    return yaml.safe_dump(document(routes), sort_keys=False, allow_unicode=True, width=100)


def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Make the contract of `routes`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operations = paths.setdefault(route.path, {})
        operations[route.method.lower()] = _operation(route)
        if route.head:
            operations["head"] = _without_body(operations["get"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "IndexTTS daemon",
            "version": __version__,
            "description": "Speech for a household, made on its own machine.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": json_schema(answers.PROBLEM),
                "SessionConfig": json_schema(schema.SESSION) | _OPUS_RATE,
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "responses": {
            **{
                str(status): _response(
                    status, body, route.headers if status == HTTPStatus.OK else {}
                )
                for status, body in route.answers.items()
            },
            **{
                str(status): _problem(status)
                for status in sorted(route.errors)
                if status not in route.answers
            },
        },
    }
    if route.description:
        operation["description"] = route.description
    if route.open:
        operation["security"] = []
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": IDENTIFIER.schema()}
        for name in re.findall(r"{(\w+)}", route.path)
    ] + [
        {
            "name": name,
            "in": "query",
            "allowEmptyValue": True,
            "description": what,
            "schema": {"type": "string"},
        }
        for name, what in route.query.items()
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body)}
    if route.form is not None:
        form = {"multipart/form-data": {"schema": _form(route.form)}}
        operation["requestBody"] = {"required": True, "content": form}
    return operation


def _without_body(operation: dict[str, Any]) -> dict[str, Any]:
    """Describe HEAD from its GET."""
    responses = {
        status: {field: what for field, what in answer.items() if field != "content"}
        for status, answer in operation["responses"].items()
    }
    return operation | {"operationId": f"{operation['operationId']}_head", "responses": responses}


def _content(body: vol.Schema | tuple[str, ...]) -> dict[str, Any]:
    if isinstance(body, tuple):
        return {kind: {"schema": {"type": "string"}} for kind in body}
    return {"application/json": {"schema": _body(body)}}


def _form(fields: vol.Schema) -> dict[str, Any]:
    made = json_schema(fields)
    audio = {"type": "string", "contentMediaType": "audio/*"}
    return made | {
        "properties": {AUDIO: audio, **made.get("properties", {})},
        "required": [AUDIO, *made.get("required", [])],
    }


def _body(body: vol.Schema) -> dict[str, Any]:
    made = json_schema(body)
    return made | _OPUS_RATE if body is schema.SPEECH else made


def _response(
    status: int, body: vol.Schema | str | None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "headers": _headers(USUAL_HEADERS | (headers or {})),
    }
    if isinstance(body, str):
        response["content"] = {body: {"schema": {"type": "string"}}}
    elif body is not None:
        response["content"] = {"application/json": {"schema": json_schema(body)}}
    return response


def _problem(status: int) -> dict[str, Any]:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    headers = PROBLEM_HEADERS.get(status, {})
    return _response(status, None, headers) | {"content": {"application/json": problem}}


def _headers(described: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"description": what, "schema": {"type": "string"}}
        for name, what in described.items()
    }
