"""What a request may say, and what an answer holds. Everything is validated here, once."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
import json
from types import MappingProxyType
from typing import Any

from aiohttp import web
import voluptuous as vol

from indextts_daemon.audio.output import FORMATS, SAMPLE_RATES, OutputFormat
from indextts_daemon.errors import InvalidRequestError
from indextts_daemon.service.feelings import FeelingOrder
from indextts_daemon.service.routing import AUTO, SpeechOrder
from indextts_daemon.service.sidecars import CONSENT_LENGTH, NAME_LENGTH
from indextts_daemon.speech import EMOTIONS

from .problems import InvalidJsonError, SlowBodyError, UnsupportedMediaTypeError
from .validators import IDENTIFIER, Number, Numbers, OneOf, Shape, Text

MAX_INPUT_CHARACTERS = 4096
MAX_SESSION_CHARACTERS = 4 * MAX_INPUT_CHARACTERS
MAX_BODY_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 256 * 1024  # over the WebSocket: a session's text, however it is escaped
MOST_FIELDS = 2  # of an object within a body
BODY_TIMEOUT_S = 10.0
DOCUMENT_TYPES = ("application/yaml", "text/yaml", "text/plain")
SPEED = Number(low=0.5, high=2.0)
SEED = Number(low=0, high=2**32 - 1, whole=True)
SILENCE_MS = Number(low=0, high=5000, whole=True)
INTENSITY = Number(low=0, high=2)
FEELING = Text(least=1, most=500)
ALPHA: dict[Any, Any] = {
    vol.Optional("alpha", default=1.0, description="Of it, 0 to 1."): Number(low=0, high=1),
}
EMOTION = Shape(
    shapes=(
        (
            "vector",
            vol.Schema(
                {
                    vol.Required(
                        "vector", description=f"Weights of {', '.join(EMOTIONS)}."
                    ): Numbers(count=len(EMOTIONS), each=Number(low=0, high=1)),
                    **ALPHA,
                }
            ),
        ),
        ("text", vol.Schema({vol.Required("text", description="In words."): FEELING, **ALPHA})),
        (
            "voice",
            vol.Schema(
                {vol.Required("voice", description="As its recording feels."): IDENTIFIER, **ALPHA}
            ),
        ),
    )
)
LANGUAGE = Text(
    least=2,
    most=35,
    pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$",
    otherwise="must be a language tag such as en or de-AT, or auto",
)

SPEECH = vol.Schema(
    {
        vol.Required("input", description="The text to speak."): Text(
            least=1, most=MAX_INPUT_CHARACTERS
        ),
        vol.Optional("model", description="A model's id; the default speaks if absent."): Text(
            least=1, most=64
        ),
        vol.Optional("voice", description="A voice's id; the language decides if absent."): vol.Any(
            IDENTIFIER, vol.Schema({vol.Required("id"): IDENTIFIER})
        ),
        vol.Optional("response_format", default="mp3", description="How it is encoded."): OneOf(
            values=FORMATS
        ),
        vol.Optional("language", default=AUTO, description="BCP 47 tag, or auto."): LANGUAGE,
        vol.Optional("speed", description="1 is the voice's own pace."): SPEED,
        vol.Optional("seed", description="The same seed gives the same samples."): SEED,
        vol.Optional("mood", description="One of GET /v1/moods."): IDENTIFIER,
        vol.Optional("intensity", description="Of the feeling; 1 is as set down."): INTENSITY,
        vol.Optional("emotion", description="A feeling of its own; a mood's pace stays."): EMOTION,
        vol.Optional("instructions", description="A feeling in words, OpenAI's field."): FEELING,
        vol.Optional("sample_rate", description="Hz; 24000 if absent, Opus is 48000."): OneOf(
            values=SAMPLE_RATES
        ),
        vol.Optional("lead_in_ms", default=0, description="Silence before the words."): SILENCE_MS,
        vol.Optional("tail_ms", default=0, description="Silence after the words."): SILENCE_MS,
        vol.Optional(
            "priority", default="interactive", description="Critical keeps a place to wait."
        ): OneOf(values=("interactive", "critical")),
    },
    extra=vol.ALLOW_EXTRA,
)
SPEECH_FIELDS = frozenset(str(key.schema) for key in SPEECH.schema)


def _message(kind: str, fields: Mapping[Any, Any] = MappingProxyType({})) -> vol.Schema:
    return vol.Schema({vol.Required("type"): OneOf(values=(kind,)), **fields})


SESSION = _message(
    "session.config", {key: what for key, what in SPEECH.schema.items() if key.schema != "input"}
)
MESSAGES = {
    "session.config": SESSION,
    "input.text": _message("input.text", {vol.Required("text"): Text(most=MAX_MESSAGE_BYTES)}),
    "input.done": _message("input.done"),
    "input.cancel": _message("input.cancel"),
}  # what a client may say over the WebSocket

PAIR = vol.Schema(
    {
        vol.Required("code", description="The six digits that the daemon shows."): Text(
            least=1, most=64
        ),
        vol.Required("name", description="Who pairs, for the log."): Text(least=1, most=64),
    }
)
RELOAD = vol.Schema(
    {
        vol.Optional("scope", default="all", description="What is read again."): OneOf(
            values=("all", "config", "voices", "moods", "lexicon", "models", "token")
        )
    }
)
ACTIVATE = vol.Schema(
    {vol.Optional("version", description="Of the model; absent, the one chosen."): IDENTIFIER}
)
NOTHING = vol.Schema({})
_SAID_OF_VOICE = {
    vol.Optional("name", description="Shown to people; the id if absent."): Text(
        least=1, most=NAME_LENGTH
    ),
    vol.Optional(
        "languages", description="Tags with commas; all that the model speaks if absent."
    ): Text(most=512),
    vol.Required("consent", description="Who agreed to the use of this voice, and when."): Text(
        least=1, most=CONSENT_LENGTH
    ),
}
ADDED_VOICE = vol.Schema({vol.Required("id"): IDENTIFIER, **_SAID_OF_VOICE})
REPLACED_VOICE = vol.Schema(_SAID_OF_VOICE)
ANALYZED = vol.Schema({})
ROLLBACK = vol.Schema(
    {
        vol.Optional("version", description="Of those kept; absent, the one before."): Number(
            low=1, high=10**8 - 1, whole=True
        )
    }
)
LAST_SECOND = 253_402_300_799  # of the year 9999: milliseconds are beyond it
PAUSE = vol.Schema(
    {
        vol.Optional("reason", default="paused", description="Shown to the household."): Text(
            least=1, most=200
        ),
        vol.Optional("until", description="When it ends by itself, Unix seconds."): Number(
            low=0, high=LAST_SECOND
        ),
        vol.Optional("minutes", description="After which it ends by itself."): Number(
            low=0.1, high=366 * 24 * 60
        ),
    }
)
PREWARM = vol.Schema(
    {vol.Optional("model", description="A model's id; absent, the default."): IDENTIFIER}
)
PREVIEW = vol.Schema(
    {
        vol.Required("text", description="What would be spoken."): Text(
            least=1, most=MAX_INPUT_CHARACTERS
        ),
        vol.Optional("language", description="The household's if absent."): LANGUAGE,
        vol.Optional("voice", description="Whose rules count; nobody's if absent."): IDENTIFIER,
    }
)


def speech(body: Any) -> tuple[SpeechOrder, OutputFormat, tuple[str, ...]]:
    """Read the body of a request to speak; last come the names of fields that mean nothing here.

    Raises InvalidRequestError naming the field.
    """
    asked = validated(SPEECH, body)
    return *_ordered(asked), tuple(sorted(set(asked) - SPEECH_FIELDS))


def session(message: Mapping[str, Any]) -> tuple[SpeechOrder, OutputFormat]:
    """Read a valid `session.config`; the order's text is still to come.

    Raises InvalidRequestError naming the field.
    """
    order, output = _ordered({**message, "input": ""})
    return replace(order, frontend="ws"), output


def _ordered(asked: Mapping[str, Any]) -> tuple[SpeechOrder, OutputFormat]:
    voice = asked.get("voice")
    order = SpeechOrder(
        text=asked["input"],
        model=asked.get("model"),
        voice=voice["id"] if isinstance(voice, dict) else voice,
        language=asked["language"],
        speed=asked.get("speed"),
        seed=asked.get("seed"),
        mood=asked.get("mood"),
        intensity=asked.get("intensity"),
        emotion=_feeling(asked.get("emotion")),
        instructions=asked.get("instructions"),
        priority=asked["priority"],
    )
    output = OutputFormat.of(
        asked["response_format"],
        asked.get("sample_rate"),
        lead_in_ms=asked["lead_in_ms"],
        tail_ms=asked["tail_ms"],
    )
    return order, output


def _feeling(asked: Mapping[str, Any] | None) -> FeelingOrder | None:
    if asked is None:
        return None
    return FeelingOrder(
        weights=asked.get("vector", ()),
        text=asked.get("text"),
        voice=asked.get("voice"),
        strength=asked["alpha"],
    )


def message(content: str) -> dict[str, Any]:
    """Read what a client says over the WebSocket; its `type` is one of MESSAGES.

    Raises InvalidJsonError, and InvalidRequestError naming the field.
    """
    try:
        said = _parsed(content)
    except (ValueError, RecursionError) as err:
        raise InvalidJsonError("The message is not valid JSON.") from err
    kind = said.get("type") if isinstance(said, dict) else None
    if not isinstance(kind, str) or kind not in MESSAGES:
        known = ", ".join(MESSAGES)
        raise InvalidRequestError(
            f"Send JSON objects whose `type` is one of: {known}.", param="type"
        )
    return validated(MESSAGES[kind], said)


def validated(schema: vol.Schema, body: Any) -> dict[str, Any]:
    """Return `body` as the schema wants it. Raises InvalidRequestError naming the field."""
    if not isinstance(body, dict):
        raise InvalidRequestError("The body must be a JSON object.")
    if not _knows(schema, body):
        raise _strange()
    try:
        return dict(schema(body))
    except vol.MultipleInvalid as err:
        first = err.errors[0]
        field = ".".join(str(part) for part in first.path)
        if isinstance(first, vol.RequiredFieldInvalid):
            raise InvalidRequestError(f"`{field}` is missing.", param=field) from err
        if "extra keys" in first.msg:
            raise _strange() from err
        raise InvalidRequestError(f"`{field}` {first.msg}.", param=field) from err


def _knows(schema: vol.Schema, body: Mapping[str, Any]) -> bool:
    """Whether no field is too many; voluptuous holds everybody up over thousands of them."""
    known = {str(key.schema) for key in schema.schema} & body.keys()
    objects = [body[name] for name in known if isinstance(body[name], dict)]  # of few fields each
    return all(len(within) <= MOST_FIELDS for within in objects) and (
        schema.extra == vol.ALLOW_EXTRA or len(known) == len(body)
    )


def _strange() -> InvalidRequestError:
    return InvalidRequestError("The body holds a field that is not known.")


async def read_json(request: web.Request) -> Any:
    """Read a JSON body.

    Raises UnsupportedMediaTypeError, SlowBodyError, InvalidJsonError, and aiohttp's
    HTTPRequestEntityTooLarge.
    """
    if request.content_type != "application/json":
        raise UnsupportedMediaTypeError("Send JSON, and Content-Type: application/json with it.")
    try:
        content = await _body(request)
        return _parsed(content.decode("utf-8"))
    except TimeoutError as err:
        raise _too_slow() from err
    except (ValueError, RecursionError, web.RequestPayloadError) as err:
        raise InvalidJsonError("The body is not valid JSON in UTF-8.") from err


async def read_json_if_any(request: web.Request) -> Any:
    """Read a JSON body as `read_json` does; one that is not there says nothing."""
    return await read_json(request) if request.can_read_body else {}


async def read_document(request: web.Request) -> str:
    """Read a body in YAML, to the last of its characters; what it says is for others.

    Raises UnsupportedMediaTypeError, SlowBodyError, InvalidRequestError, and aiohttp's
    HTTPRequestEntityTooLarge.
    """
    if request.content_type not in DOCUMENT_TYPES:
        raise UnsupportedMediaTypeError("Send YAML, and Content-Type: application/yaml with it.")
    try:
        return (await _body(request)).decode()
    except TimeoutError as err:
        raise _too_slow() from err
    except (UnicodeDecodeError, web.RequestPayloadError) as err:
        raise InvalidRequestError("The body is not UTF-8 text.") from err


def switch(request: web.Request, name: str) -> bool:
    """Return whether the address says so, as in `?name=1`. Raises InvalidRequestError."""
    said = request.query.get(name, "0").lower()
    if said not in {"", "0", "1", "true", "false"}:
        raise InvalidRequestError(f"`{name}` must be 1 or 0.", param=name)
    return said in {"", "1", "true"}


async def _body(request: web.Request) -> bytes:
    async with asyncio.timeout(BODY_TIMEOUT_S):
        return await request.read()


def _too_slow() -> SlowBodyError:
    return SlowBodyError(f"The body did not arrive within {BODY_TIMEOUT_S:.0f} seconds.")


def _parsed(content: str) -> Any:
    return json.loads(content, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are not JSON
