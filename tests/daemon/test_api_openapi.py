"""The published contract: valid, the routes that run, and to the letter what the server does."""

from collections.abc import Iterator
import io
import json
import re
from typing import Any

from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from openapi_spec_validator import OpenAPIV31SpecValidator
import pytest
import yaml

from indextts_daemon.api import schema
from indextts_daemon.api.app import build_app
from indextts_daemon.api.openapi import document
from indextts_daemon.api.routes import ROUTES
from indextts_daemon.errors import InvalidRequestError
from tests.daemon.door import Door, Opener
from tests.daemon.recordings import RATE, encoded, heart

CONTRACT = document(ROUTES)
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def pattern(_: Any, wanted: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """Read a pattern as ECMA 262 does, as JSON Schema asks: `$` is the very end."""
    if isinstance(value, str) and not re.search(wanted.replace("$", r"\Z"), value):
        yield ValidationError("does not match")


Validator = extend(Draft202012Validator, {"pattern": pattern})


def body_schema(path: str) -> Any:
    content = CONTRACT["paths"][path]["post"]["requestBody"]["content"]
    return Validator(content["application/json"]["schema"])


SESSION = Validator(
    CONTRACT["components"]["schemas"]["SessionConfig"] | {"components": CONTRACT["components"]}
)
SPEECH, PAIR = body_schema("/v1/audio/speech"), body_schema("/v1/pair")


def speech_is_taken(body: Any) -> bool:
    try:
        schema.speech(body)
    except InvalidRequestError:
        return False
    return True


def pairing_is_taken(body: Any) -> bool:
    try:
        schema.validated(schema.PAIR, body)
    except InvalidRequestError:
        return False
    return True


def session_is_taken(message: Any) -> bool:
    try:
        schema.session(schema.message(json.dumps(message)))
    except InvalidRequestError:
        return False
    return True


def configuring(body: Any) -> Any:
    """Ask for a session as the body asks for its words."""
    if not isinstance(body, dict):
        return body
    return {"type": "session.config"} | {name: body[name] for name in body if name != "input"}


def hello(**fields: Any) -> dict[str, Any]:
    return {"input": "Hello."} | fields


GOOD_SPEECH = [
    hello(),
    {"input": "x"},
    {"input": "x" * 4096},
    {"input": "🔊" * 4096},
    {"input": "\ud800"},
    *(hello(response_format=form) for form in ("wav", "pcm", "mp3", "opus", "flac")),
    *(hello(sample_rate=rate) for rate in (8000, 16000, 22050, 24000, 32000, 44100, 48000)),
    hello(sample_rate=24000.0),
    hello(response_format="opus", sample_rate=48000),
    hello(response_format="wav", sample_rate=48000),
    hello(voice="heart"),
    hello(voice="0_a-b"),
    hello(voice="a" * 64),
    hello(voice={"id": "heart"}),
    hello(model="tts-1"),
    hello(model="x" * 64),
    hello(language="auto"),
    hello(language="en"),
    hello(language="zh-Hans-CN"),
    hello(speed=0.5),
    hello(speed=2),
    hello(seed=0),
    hello(seed=4294967295),
    hello(seed=5.0),
    hello(lead_in_ms=0, tail_ms=5000),
    hello(priority="critical"),
    hello(stream_format="audio", instructions="Cheerful."),
    hello(mood="good-night"),
    *(hello(intensity=intensity) for intensity in (0, 0.5, 2)),
    hello(emotion={"vector": [0, 0.5, 1, 0, 0, 0, 0, 0]}),
    hello(emotion={"text": "very happy", "alpha": 0.5}),
    hello(emotion={"voice": "heart", "alpha": 0}),
    hello(**{"a\r\nb": None, "": [], "ключ": {}}),
]
BAD_SPEECH = [
    None,
    [],
    "Hello.",
    5,
    {},
    {"text": "Hello."},
    {"input": ""},
    {"input": "x" * 4097},
    {"input": None},
    {"input": 5},
    {"input": ["Hello."]},
    *(hello(response_format=form) for form in ("aac", "WAV", "", None, 1, [], "wav ")),
    *(hello(sample_rate=rate) for rate in (0, 11025, "24000", None, True, 24000.5, [24000])),
    hello(response_format="opus", sample_rate=24000),
    *(hello(voice=voice) for voice in ("", "Heart", "-a", "a b", "a\n", "a" * 65, None, 5, [])),
    *(hello(voice=voice) for voice in ({}, {"id": ""}, {"id": 5}, {"id": "a", "name": "b"})),
    *(hello(model=model) for model in ("", "x" * 65, None, 5)),
    *(hello(language=tag) for tag in ("", "e", "en_GB", "en-", "-en", "en\n", "e" * 9, None, 5)),
    *(hello(speed=speed) for speed in (0.49, 2.01, "1", None, True, 10**400, [1])),
    *(hello(seed=seed) for seed in (-1, 4294967296, 0.5, "1", None, False)),
    *(hello(lead_in_ms=silence) for silence in (-1, 5001, 1.5, "1", None, True)),
    hello(tail_ms=5001),
    *(hello(priority=priority) for priority in ("low", "", None, 1)),
    *(hello(mood=mood) for mood in ("", "Happy", None, 5)),
    *(hello(intensity=intensity) for intensity in (-0.1, 2.1, "1", None, True)),
    *(hello(instructions=words) for words in ("", "x" * 501, None, 5)),
    *(hello(emotion=emotion) for emotion in (None, "happy", [], {}, {"alpha": 1})),
    *(hello(emotion={"vector": vector}) for vector in (None, [], [1] * 7, [1] * 9, [2] * 8)),
    *(hello(emotion={"text": text}) for text in ("", None, "x" * 501)),
    *(hello(emotion={"voice": "heart", "alpha": alpha}) for alpha in (-1, 1.1, "1", None)),
    hello(emotion={"voice": "Heart"}),
    hello(emotion={"voice": "heart", "text": "happy"}),
    hello(emotion={"text": "happy", "zork": 1}),
]
GOOD_PAIR = [
    {"code": "123456", "name": "Home Assistant"},
    {"code": "1", "name": "é"},
    {"code": "x" * 64, "name": "x" * 64},
]
BAD_PAIR = [
    None,
    [],
    {},
    {"code": "123456"},
    {"name": "Home Assistant"},
    {"code": 123456, "name": "x"},
    {"code": "", "name": "x"},
    {"code": "1", "name": ""},
    {"code": "1", "name": None},
    {"code": "x" * 65, "name": "x"},
    {"code": "1", "name": "x" * 65},
    {"code": "1", "name": "x", "scope": "all"},
]


def test_the_contract_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(CONTRACT).validate()
    assert CONTRACT["openapi"].startswith("3.1")


def test_every_schema_in_it_is_json_schema() -> None:
    for found in schemas(CONTRACT):
        Draft202012Validator.check_schema(found)


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        for key, below in node.items():
            if key == "schema":
                yield below
            else:
                yield from schemas(below)


async def test_the_contract_and_the_running_routes_are_the_same(door: Door) -> None:
    documented = {
        (method.upper(), path)
        for path, operations in CONTRACT["paths"].items()
        for method in operations
        if method in METHODS
    }
    app = build_app(door.services)
    running = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    }
    served = {(route.method, route.path) for route in ROUTES}
    served |= {("HEAD", route.path) for route in ROUTES if route.head}
    assert documented == served == running


async def test_the_served_contract_is_this_one(door: Door) -> None:
    async with door.session.get("/v1/openapi.yaml", headers={"Authorization": ""}) as response:
        assert response.content_type == "application/yaml"
        assert yaml.safe_load(await response.text()) == CONTRACT


def test_every_operation_has_a_name_of_its_own_and_a_summary() -> None:
    operations = [operation for path in CONTRACT["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in operations)


@pytest.mark.parametrize("body", GOOD_SPEECH, ids=repr)
def test_what_the_contract_allows_is_taken(body: Any) -> None:
    assert SPEECH.is_valid(body)
    assert speech_is_taken(body)


@pytest.mark.parametrize("body", BAD_SPEECH, ids=lambda body: repr(body)[:60])
def test_what_the_server_refuses_breaks_the_contract(body: Any) -> None:
    assert not speech_is_taken(body)
    assert not SPEECH.is_valid(body)


@pytest.mark.parametrize("body", GOOD_SPEECH + BAD_SPEECH, ids=lambda body: repr(body)[:60])
def test_a_session_is_configured_as_the_contract_says(body: Any) -> None:
    assert session_is_taken(configuring(body)) == SESSION.is_valid(configuring(body))
    assert not session_is_taken(body)
    assert not SESSION.is_valid(body)


def test_a_session_takes_every_field_of_speech_but_its_text_and_none_other() -> None:
    taken = CONTRACT["components"]["schemas"]["SessionConfig"]["properties"]
    assert set(taken) == schema.SPEECH_FIELDS - {"input"} | {"type"}
    assert session_is_taken(configuring(hello(voice="heart", seed=1, tail_ms=5, speed=2)))
    assert not session_is_taken(configuring(hello(stream_format="audio")))


@pytest.mark.parametrize("body", GOOD_PAIR, ids=repr)
def test_what_the_contract_allows_is_taken_for_pairing(body: Any) -> None:
    assert PAIR.is_valid(body)
    assert pairing_is_taken(body)


@pytest.mark.parametrize("body", BAD_PAIR, ids=repr)
def test_what_pairing_refuses_breaks_the_contract(body: Any) -> None:
    assert not pairing_is_taken(body)
    assert not PAIR.is_valid(body)


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(GOOD_SPEECH) + len(BAD_SPEECH) + len(GOOD_PAIR) + len(BAD_PAIR) >= 60


async def test_a_body_against_the_contract_is_refused_as_422_and_named(door: Door) -> None:
    for path, bodies in {"/v1/audio/speech": BAD_SPEECH, "/v1/pair": BAD_PAIR}.items():
        for body in bodies:
            async with door.session.post(path, data=json.dumps(body), headers=JSON) as response:
                problem = (await response.json())["error"]
                assert (response.status, problem["code"]) == (422, "invalid_param"), body
                assert problem["param"] is None or problem["param"].split(".")[0] in {
                    *schema.SPEECH_FIELDS,
                    "code",
                    "name",
                }


json_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["heart", "en", "en\n", "opus", "wav", 24000, 48000, 1.0, 0.5, "critical"])
)
json_values = st.recursive(
    json_scalars,
    lambda below: (
        st.lists(below, max_size=2)
        | st.dictionaries(st.sampled_from(["id", "x"]) | st.text(max_size=3), below, max_size=2)
    ),
    max_leaves=4,
)
good_values = {
    field: st.sampled_from([body[field] for body in GOOD_SPEECH if field in body])
    for field in sorted(schema.SPEECH_FIELDS)
}
speech_bodies = st.fixed_dictionaries(
    {},
    optional={field: good | json_values for field, good in good_values.items()},
) | st.dictionaries(
    st.sampled_from(sorted(schema.SPEECH_FIELDS)) | st.text(max_size=4), json_values, max_size=4
).map(lambda fields: hello() | fields)
pair_bodies = st.dictionaries(
    st.sampled_from(["code", "name", "scope"]), json_values | st.text(max_size=70), max_size=3
)


@settings(max_examples=400)
@given(speech_bodies | json_values)
def test_no_body_is_read_otherwise_than_the_contract_says(body: Any) -> None:
    assert speech_is_taken(body) == SPEECH.is_valid(body)


@settings(max_examples=400)
@given((speech_bodies | json_values).map(configuring))
def test_no_session_is_read_otherwise_than_the_contract_says(message: Any) -> None:
    assert session_is_taken(message) == SESSION.is_valid(message)


@given(pair_bodies | json_values)
def test_no_pairing_is_read_otherwise_than_the_contract_says(body: Any) -> None:
    assert pairing_is_taken(body) == PAIR.is_valid(body)


def check(method: str, path: str, status: int, content_type: str, body: bytes) -> None:
    """Fail unless the contract foresees this answer."""
    answers = CONTRACT["paths"][path][method.lower()]["responses"]
    assert str(status) in answers, f"{method} {path} answered {status}"
    content = answers[str(status)].get("content")
    if content is None:
        assert body == b""
        return
    [kind] = [kind for kind in content if re.fullmatch(kind.replace("*", ".+"), content_type)]
    if kind == "application/json":
        found = content[kind]["schema"] | {"components": CONTRACT["components"]}
        Validator(found).validate(json.loads(body))


JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
SPOKEN = encoded(heart()[: 5 * RATE])


def form(audio: bytes | None = SPOKEN, **fields: str) -> dict[str, Any]:
    """Make a request with a form."""
    held = [(name, value.encode()) for name, value in fields.items()]
    parts = [*held, *([] if audio is None else [("audio", audio)])]
    lines = [
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in parts
    ]
    return {"data": io.BytesIO(b"".join(lines) + b"--x--\r\n"), "headers": FORM}


NO_TOKEN = {"Authorization": ""}
# method, path as in the contract, what differs in the request, expected status
CALLS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/", {}, 200),
    ("HEAD", "/", {}, 200),
    ("GET", "/livez", {}, 200),
    ("HEAD", "/livez", {}, 200),
    ("GET", "/readyz", {}, 200),
    ("GET", "/readyz", {"params": {"verbose": ""}}, 200),
    ("HEAD", "/readyz", {}, 200),
    ("GET", "/healthz", {"params": {"verbose": "1"}}, 200),
    ("HEAD", "/healthz", {}, 200),
    ("GET", "/v1/info", {}, 200),
    ("GET", "/v1/openapi.yaml", {}, 200),
    ("GET", "/v1/status", {}, 200),
    ("GET", "/v1/capabilities", {}, 200),
    ("GET", "/v1/languages", {}, 200),
    ("GET", "/v1/models", {}, 200),
    ("GET", "/v1/moods", {}, 200),
    ("PUT", "/v1/moods", {"data": b"calm: {speed: 0.9}", "headers": YAML}, 200),
    ("PUT", "/v1/moods", {"data": b"calm: 5", "headers": YAML}, 422),
    ("PUT", "/v1/moods", {"data": b"", "headers": YAML | {"If-Match": '"x"'}}, 412),
    ("PUT", "/v1/moods", {"data": b"#" * 70_000, "headers": YAML}, 413),
    ("PUT", "/v1/moods", {"json": {}}, 415),
    ("PUT", "/v1/lexicon", {"data": b"rules: []", "headers": YAML}, 200),
    ("PUT", "/v1/lexicon", {"data": b"rules: 5", "headers": YAML}, 422),
    ("PUT", "/v1/lexicon", {"data": b"#" * 600_000, "headers": YAML}, 413),
    ("GET", "/v1/lexicon", {}, 200),
    ("POST", "/v1/text/preview", {"json": {"text": "It is 6:45."}}, 200),
    ("POST", "/v1/text/preview", {"json": {}}, 422),
    ("GET", "/v1/voices", {}, 200),
    ("GET", "/v1/voices", {"headers": {"If-None-Match": "*"}}, 304),
    ("GET", "/v1/voices/{id}", {"id": "fake-01"}, 200),
    ("GET", "/v1/voices/{id}", {"id": "nobody"}, 404),
    ("POST", "/v1/voices/analyze", form(), 200),
    ("POST", "/v1/voices/analyze", form(encoded(heart()[:RATE])), 200),
    ("POST", "/v1/voices/analyze", form(b"no sound"), 415),
    ("POST", "/v1/voices/analyze", form(None), 422),
    ("POST", "/v1/voices/analyze", {"data": b"{}", "headers": JSON}, 415),
    ("POST", "/v1/voices/analyze", {"data": b"--y", "headers": FORM}, 400),
    ("POST", "/v1/voices", form(id="anna", consent="Yes."), 201),
    ("POST", "/v1/voices", form(id="anna", consent="Yes."), 409),
    ("POST", "/v1/voices", form(id="bob", consent=""), 422),
    ("POST", "/v1/voices", form(encoded(heart()[:RATE]), id="bob", consent="Yes."), 422),
    ("POST", "/v1/voices", form(bytes(21 << 20), id="bob", consent="Yes."), 413),
    ("GET", "/v1/voices", {}, 200),
    ("GET", "/v1/voices/{id}", {"id": "anna"}, 200),
    ("PUT", "/v1/voices/{id}", {"id": "anna", **form(consent="Yes.")}, 200),
    ("PUT", "/v1/voices/{id}", {"id": "nobody", **form(consent="Yes.")}, 404),
    ("PUT", "/v1/voices/{id}", {"id": "fake-01", **form(consent="Yes.")}, 409),
    ("DELETE", "/v1/voices/{id}", {"id": "anna", "headers": {"If-Match": '"old"'}}, 412),
    ("DELETE", "/v1/voices/{id}", {"id": "anna"}, 200),
    ("DELETE", "/v1/voices/{id}", {"id": "nobody"}, 404),
    ("DELETE", "/v1/voices/{id}", {"id": "fake-01"}, 409),
    ("GET", "/v1/audio/speech/stream", {}, 426),
    ("GET", "/metrics", {}, 200),
    ("GET", "/v1/models/{id}/versions", {"id": "fake"}, 200),
    ("GET", "/v1/models/{id}/versions", {"id": "nobody"}, 404),
    ("POST", "/v1/models/{id}/load", {"id": "fake"}, 202),
    ("POST", "/v1/models/{id}/load", {"id": "nobody"}, 404),
    ("POST", "/v1/models/{id}/load", {"id": "fake", "json": {"version": "b"}}, 422),
    ("POST", "/v1/models/{id}/activate", {"id": "fake", "params": {"wait": "1"}}, 200),
    ("POST", "/v1/models/{id}/activate", {"id": "fake", "params": {"wait": "x"}}, 422),
    ("POST", "/v1/models/{id}/activate", {"id": "fake", "json": {"version": "B"}}, 422),
    (
        "POST",
        "/v1/models/{id}/activate",
        {"id": "fake", "params": {"wait": "1"}, "json": {"version": "zork"}},
        404,
    ),
    ("POST", "/v1/models/{id}/rollback", {"id": "embedded", "params": {"wait": "1"}}, 422),
    ("POST", "/v1/models/{id}/unload", {"id": "embedded", "params": {"wait": "1"}}, 200),
    ("GET", "/v1/operations", {}, 200),
    ("GET", "/v1/operations/{id}", {"id": "nobody"}, 404),
    ("GET", "/v1/config", {}, 200),
    (
        "PUT",
        "/v1/config",
        {"params": {"dry_run": "1"}, "data": b"language: de", "headers": YAML},
        200,
    ),
    ("PUT", "/v1/config", {"data": b"", "headers": YAML | {"If-Match": '"zork"'}}, 412),
    ("PUT", "/v1/config", {"data": b"#" * 70_000, "headers": YAML}, 413),
    ("PUT", "/v1/config", {"json": {}}, 415),
    ("PUT", "/v1/config", {"data": b"zork: 1", "headers": YAML}, 422),
    ("PUT", "/v1/config", {"data": b"\xff", "headers": YAML}, 422),
    ("GET", "/v1/config/versions", {}, 200),
    ("POST", "/v1/config/rollback", {}, 404),
    ("POST", "/v1/config/rollback", {"json": {"version": 5}}, 404),
    ("POST", "/v1/config/rollback", {"json": {"version": "5"}}, 422),
    ("POST", "/v1/config/rollback", {"data": b"{", "headers": JSON}, 400),
    ("POST", "/v1/reload", {"json": {"scope": "moods"}}, 200),
    ("POST", "/v1/reload", {"json": {"scope": "zork"}}, 422),
    ("POST", "/v1/pair", {"json": {"code": "1", "name": "x"}}, 410),
    ("POST", "/v1/pair/code", {}, 200),
    ("POST", "/v1/pair", {"json": {"code": "x", "name": "x"}}, 403),
    ("POST", "/v1/pair", {"data": b"{", "headers": JSON}, 400),
    ("POST", "/v1/pair", {"data": b"x" * 70_000, "headers": JSON}, 413),
    ("POST", "/v1/pair", {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
    ("POST", "/v1/pair", {"json": {}}, 422),
    ("POST", "/v1/audio/speech", {"json": hello()}, 200),
    ("POST", "/v1/audio/speech", {"json": hello(response_format="opus", tail_ms=10)}, 200),
    ("POST", "/v1/audio/speech", {"json": hello(**{"a\r\nb": 1, "ключ\ud800": 2})}, 200),
    ("POST", "/v1/audio/speech", {"json": hello(**{"é" * 9000: 1})}, 200),
    ("POST", "/v1/audio/speech", {"json": hello(voice="nobody")}, 404),
    ("POST", "/v1/audio/speech", {"json": hello(model="nobody")}, 404),
    ("POST", "/v1/audio/speech", {"json": hello(language="it", voice="fake-01")}, 422),
    ("POST", "/v1/audio/speech", {"json": {"input": "😀"}}, 422),
    ("POST", "/v1/audio/speech", {"json": {"input": "{{fail zork}}"}}, 500),
    ("POST", "/v1/audio/speech", {"data": b"\xff", "headers": JSON}, 400),
    ("POST", "/v1/audio/speech", {"data": b'{"input": NaN}', "headers": JSON}, 400),
    ("POST", "/v1/audio/speech", {"data": b"[" * 60_000, "headers": JSON}, 400),
    ("POST", "/v1/audio/speech", {"data": b" " * 70_000, "headers": JSON}, 413),
    ("POST", "/v1/audio/speech", {"data": b"{}"}, 415),
    ("POST", "/v1/prewarm", {"params": {"wait": "1"}}, 200),
    ("POST", "/v1/prewarm", {}, 202),
    ("POST", "/v1/prewarm", {"json": {"model": "nobody"}}, 404),
    ("POST", "/v1/prewarm", {"json": {"model": 7}}, 422),
    ("POST", "/v1/pause", {"json": {"minutes": 0}}, 422),
    ("POST", "/v1/pause", {"data": b"{", "headers": JSON}, 400),
    ("POST", "/v1/pause", {"data": b"{}"}, 415),
    ("POST", "/v1/pause", {"json": {"reason": "Films", "minutes": 5}}, 200),
    ("POST", "/v1/prewarm", {}, 409),
    ("POST", "/v1/resume", {}, 200),
]


async def test_every_answer_is_as_the_contract_says(door: Door) -> None:
    for method, path, asked, status in CALLS:
        how = dict(asked)
        url = path.replace("{id}", how.pop("id", ""))
        async with door.session.request(method, url, **how) as response:
            body = await response.read()
            assert response.status == status, (method, path, asked, body[:300])
            assert response.headers["X-Request-Id"]
            check(method, path, response.status, response.content_type, body)


def test_these_calls_reach_every_route() -> None:
    called = {(method, path) for method, path, _, _ in CALLS} | {("GET", "/v1/events")}
    heads = {("HEAD", route.path) for route in ROUTES if route.head}
    assert called == {(route.method, route.path) for route in ROUTES} | heads


async def test_a_paired_client_gets_what_the_contract_says(door: Door) -> None:
    async with door.session.post("/v1/pair/code") as response:
        code = (await response.json())["code"]
    body = {"code": code, "name": "Home Assistant"}
    async with door.session.post("/v1/pair", json=body, headers=NO_TOKEN) as response:
        check("POST", "/v1/pair", response.status, response.content_type, await response.read())
        assert response.status == 200


async def test_a_door_that_cannot_speak_yet_answers_as_the_contract_says(door: Door) -> None:
    door.services.health.spoke = None
    for path in ("/readyz", "/healthz"):
        async with door.session.get(path, params={"verbose": ""}) as response:
            assert response.status == 503
            check("GET", path, 503, response.content_type, await response.read())
    await door.services.synthesizer.drain(timeout_s=5)
    async with door.session.post("/v1/audio/speech", json=hello()) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) >= 1
        check("POST", "/v1/audio/speech", 503, response.content_type, await response.read())


async def test_exactly_the_open_routes_answer_without_a_token(door: Door) -> None:
    for route in ROUTES:
        operation = CONTRACT["paths"][route.path][route.method.lower()]
        body = {"json": {"code": "1", "name": "x"}} if route.method == "POST" else {}
        async with door.session.request(
            route.method, route.path.replace("{id}", "fake-01"), headers=NO_TOKEN, **body
        ) as response:
            shut = response.status == 401
            assert shut == ("security" not in operation), route.path
            if shut:
                check(route.method, route.path, 401, response.content_type, await response.read())


async def test_the_event_stream_is_what_the_contract_says(door: Door) -> None:
    async with door.session.get("/v1/events") as response:
        line = await response.content.readline()
        check("GET", "/v1/events", response.status, response.content_type, line)
        assert line == b"event: state\n"


@pytest.mark.parametrize(("method", "path"), [("GET", "/zork"), ("DELETE", "/v1/voices")])
async def test_where_there_is_nothing_the_answer_is_still_a_problem(
    door: Door, method: str, path: str
) -> None:
    async with door.session.request(method, path) as response:
        problem = CONTRACT["components"]["schemas"]["Problem"]
        Validator(problem).validate(await response.json())
        assert response.status in {404, 405}


async def test_answers_hold_no_field_that_the_contract_forgot(open_door: Opener) -> None:
    """Answers may gain fields; the contract is to name them."""
    async with open_door() as door:
        for path in (
            "/v1/info",
            "/v1/models",
            "/v1/voices",
            "/v1/languages",
            "/v1/status",
            "/readyz",
        ):
            async with door.session.get(path) as response:
                answers = CONTRACT["paths"][path]["get"]["responses"]["200"]
                known = answers["content"]["application/json"]["schema"]["properties"]
                assert set(await response.json()) <= set(known)
