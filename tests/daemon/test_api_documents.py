"""Moods and lexicon over HTTP: shown, put and previewed, as the contract says."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator
import numpy as np
import pytest

from indextts_daemon.api.app import build_app
from indextts_daemon.api.keys import Services
from indextts_daemon.api.openapi import document
from indextts_daemon.api.routes import ROUTES
from indextts_daemon.identity import Identity
from indextts_daemon.metrics import Metrics
from indextts_daemon.service.moods import BUILT_IN
from tests.daemon.bad_documents import BAD_LEXICONS, BAD_MOODS
from tests.daemon.door import Opener
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.rooms import StubModel, info
from tests.daemon.test_service_document_scope import GOOD_LEXICON, GOOD_MOODS, House
from tests.daemon.test_service_lexicon import DOCUMENT

TOKEN = "a-token-for-tests"  # noqa: S105
CONTRACT = document(ROUTES)
PATHS = ["/v1/lexicon", "/v1/moods"]
YAML = {"Content-Type": "application/yaml"}


@dataclass(frozen=True)
class Answer:
    """What came back, and held against the contract."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> object:
        return self.body["error"]["code"]


@dataclass
class Door:
    """The part of a daemon's door that the documents have."""

    house: House
    client: "TestClient[Any, Any]"

    async def ask(self, method: str, path: str, **extra: Any) -> Answer:
        headers = {"Authorization": f"Bearer {TOKEN}"} | extra.pop("headers", {})
        async with self.client.request(method, path, headers=headers, **extra) as response:
            body = await response.json()
            route = CONTRACT["paths"][path.partition("?")[0]][method.lower()]
            found = route["responses"][str(response.status)]["content"]["application/json"]
            schema = found["schema"] | {"components": CONTRACT["components"]}
            Draft202012Validator(schema).validate(body)
            return Answer(response.status, body, response.headers)

    async def put(self, path: str, text: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("PUT", path, data=text.encode(), headers=YAML | named)

    async def preview(self, text: str, **fields: str) -> Answer:
        return await self.ask("POST", "/v1/text/preview", json={"text": text} | fields)


def documents_app(house: House) -> web.Application:
    """Make the daemon's door with moods and lexicon behind it, and nothing that speaks."""
    services = SimpleNamespace(
        about=SimpleNamespace(auth=True),
        identity=Identity(instance_id="0" * 32, token=TOKEN),
        metrics=Metrics(),
        generations=house.generations,
        reloader=house.reloader,
        documents=house.documents,
    )
    return build_app(cast("Services", services))


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    house = House(tmp_path / "data")
    house.folder.mkdir()
    house.start()
    async with TestClient(TestServer(documents_app(house), host="127.0.0.1")) as client:
        yield Door(house, client)
    await house.reloader.close()


async def test_without_documents_there_is_what_is_built_in(door: Door) -> None:
    lexicon = (await door.ask("GET", "/v1/lexicon")).body
    assert lexicon == {"name": "", "rules": [], "document": ""}
    moods = (await door.ask("GET", "/v1/moods")).body
    assert [mood["id"] for mood in moods["moods"]] == list(BUILT_IN)
    assert moods["document"] == ""


async def test_a_document_that_is_put_is_shown_and_in_force(door: Door) -> None:
    answer = await door.put("/v1/lexicon", DOCUMENT)
    assert (answer.status, answer.body["result"], answer.body["generation"]) == (200, "applied", 2)
    [operation] = answer.body["operations"]
    assert (operation["scope"], operation["action"], operation["who"]) == ("lexicon", "put", "api")
    shown = await door.ask("GET", "/v1/lexicon")
    assert shown.body["document"] == DOCUMENT
    assert shown.body["name"] == door.house.now.lexicon.name
    assert shown.headers["ETag"] == answer.headers["ETag"]
    assert shown.body["rules"][0] == {
        "from": "Saoirse",
        "say": "Seersha",
        "phonemes": {},
        "languages": [],
        "voices": [],
    }
    assert door.house.says() == "Seersha"


async def test_moods_that_are_put_are_shown_with_what_they_weigh(door: Door) -> None:
    text = "calm: {speed: 0.7}\nparty: {emotion: {happy: 0.9}}\nsad:\n"
    assert (await door.put("/v1/moods", text)).body["result"] == "applied"
    shown = (await door.ask("GET", "/v1/moods")).body
    moods = {mood["id"]: mood for mood in shown["moods"]}
    assert (moods["calm"]["speed"], moods["party"]["emotion"]) == (0.7, {"happy": 0.9})
    assert "sad" not in moods
    assert shown["document"] == text


@pytest.mark.parametrize(
    ("path", "documents"), [("/v1/lexicon", BAD_LEXICONS), ("/v1/moods", BAD_MOODS)], ids=str
)
async def test_a_bad_document_is_refused_by_line_and_changes_nothing(
    door: Door, path: str, documents: tuple[tuple[str, str], ...]
) -> None:
    await door.put("/v1/lexicon", GOOD_LEXICON)
    await door.put("/v1/moods", GOOD_MOODS)
    now, before = door.house.now, await door.ask("GET", path)
    for name, text in documents:
        answer = await door.put(path, text)
        if name == "a document too large":
            assert (answer.status, answer.code) == (413, "too_large")
            continue
        assert (answer.status, answer.code) == (422, "rejected"), name
        assert answer.body["result"] == "rejected"
        assert answer.body["errors"][0]["line"], name
        assert answer.body["errors"][0]["message"] in answer.body["error"]["message"]
    assert door.house.now is now
    assert (await door.ask("GET", path)).body == before.body


@pytest.mark.parametrize(("path", "kib"), [("/v1/lexicon", 512), ("/v1/moods", 64)])
async def test_a_document_may_be_as_large_as_it_says(door: Door, path: str, kib: int) -> None:
    assert (await door.put(path, "#" + "x" * (kib * 1024 - 1))).status == 200
    answer = await door.put(path, "#" + "x" * kib * 1024)
    assert (answer.status, answer.code) == (413, "too_large")
    assert f"{kib} KiB" in answer.body["error"]["message"]


@pytest.mark.parametrize("path", PATHS)
async def test_who_has_not_seen_what_is_written_is_told_so(door: Door, path: str) -> None:
    seen = (await door.ask("GET", path)).headers["ETag"]
    assert (await door.put(path, "# mine\n", If_Match=seen)).status == 200
    answer = await door.put(path, "# theirs\n", If_Match=seen)
    assert (answer.status, answer.code) == (412, "precondition_failed")
    assert (await door.ask("GET", path)).body["document"] == "# mine\n"
    again = (await door.ask("GET", path)).headers["ETag"]
    assert (await door.put(path, "# theirs\n", If_Match=f'"x", {again}')).status == 200
    assert (await door.put(path, "# anybody's\n", If_Match="*")).status == 200


async def test_a_dry_run_says_whether_a_document_could_be_taken(door: Door) -> None:
    for text, status in ((GOOD_LEXICON, 200), ("rules: 5\n", 422)):
        answer = await door.ask("PUT", "/v1/lexicon?dry_run=1", data=text.encode(), headers=YAML)
        assert (answer.status, answer.body["operations"][0]["action"]) == (status, "check")
        assert "ETag" not in answer.headers
    assert door.house.says() == "Saoirse"
    assert (await door.ask("GET", "/v1/lexicon")).body["document"] == ""
    answer = await door.ask("PUT", "/v1/lexicon?dry_run=maybe", data=b"", headers=YAML)
    assert (answer.status, answer.code) == (422, "invalid_param")


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml", "text/plain; charset=utf-8"])
async def test_yaml_comes_under_any_of_its_names(door: Door, kind: str) -> None:
    assert (await door.put("/v1/lexicon", GOOD_LEXICON, Content_Type=kind)).status == 200


async def test_what_is_no_text_is_refused_at_the_door(door: Door) -> None:
    assert (await door.put("/v1/lexicon", "{}", Content_Type="application/json")).status == 415
    answer = await door.ask("PUT", "/v1/lexicon", data=b"\xff", headers=YAML)
    assert (answer.status, answer.code) == (422, "invalid_param")


async def test_the_command_line_is_named_as_who_asked(door: Door) -> None:
    answer = await door.put("/v1/moods", GOOD_MOODS, X_IndexTTS_Client="cli")
    assert answer.body["operations"][0]["who"] == "cli"


async def test_nobody_without_the_token_sees_or_changes_anything(door: Door) -> None:
    for path in PATHS:
        for method in ("GET", "PUT"):
            answer = await door.ask(method, path, headers={"Authorization": ""})
            assert answer.status == 401
    answer = await door.ask("POST", "/v1/text/preview", headers={"Authorization": ""})
    assert answer.status == 401


async def test_a_preview_shows_what_is_read_aloud_and_which_rules_were_for_it(door: Door) -> None:
    await door.put("/v1/lexicon", DOCUMENT)
    answer = await door.preview("Saoirse is at 5b. It is 6:45.", voice="heart")
    assert answer.body == {
        "text": "Seersha is at apartment five. It is six forty five.",
        "hits": ["Saoirse", r"\b(\d+)b\b"],
        "sentences": ["Seersha is at apartment five.", "It is six forty five."],
    }
    assert (await door.preview("Saoirse is at 5b.", voice="somebody")).body["hits"] == ["Saoirse"]
    assert (await door.preview("重庆在线", language="zh")).body["text"] == "重庆在线"
    assert (await door.preview("😀")).body == {"text": "", "hits": [], "sentences": []}


async def test_a_preview_spells_out_sounds_where_the_default_model_understands_them(
    door: Door,
) -> None:
    await door.put("/v1/lexicon", DOCUMENT)
    assert (await door.preview("Live!")).body["text"] == "lyve!"
    [model] = door.house.now.models.values()
    known = replace(info("big"), pronunciation=("pinyin", "cmu"))
    cast("StubModel", model).info = known
    assert (await door.preview("Live!")).body["text"] == "<Live|L AY1 V>!"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": "x" * 4097},
        {"text": 5},
        {"text": "x", "voice": "Lena B."},
        {"text": "x", "language": "e"},
        {"text": "x", "model": "y"},
        [],
    ],
    ids=lambda body: repr(body)[:40],
)
async def test_a_preview_of_anything_else_is_refused_as_the_contract_says(
    door: Door, body: object
) -> None:
    answer = await door.ask("POST", "/v1/text/preview", json=body)
    assert (answer.status, answer.code) == (422, "invalid_param")
    content = CONTRACT["paths"]["/v1/text/preview"]["post"]["requestBody"]["content"]
    assert not Draft202012Validator(content["application/json"]["schema"]).is_valid(body)


async def test_no_answer_that_refuses_repeats_what_was_written(door: Door) -> None:
    for rule in ("{from: hush-hush}", "{pattern: '(hush-hush', say: x}", "{from: a, hush-hush: b}"):
        answer = await door.put("/v1/lexicon", f"rules:\n- {rule}\n")
        repeated = "hush-hush" in str(answer.body)
        assert repeated == rule.startswith("{from: a,")  # a key is named, or nobody finds it


async def test_what_is_put_is_heard_with_the_next_request(open_door: Opener) -> None:
    async with open_door() as house:
        for text, said in ((GOOD_LEXICON, "Seersha is here."), ("", "Saoirse is here.")):
            async with house.session.put("/v1/lexicon", data=text, headers=YAML) as response:
                assert response.status == 200
            audio = await house.speak("Saoirse is here.", voice="fake-03", response_format="pcm")
            assert_spoken_by_fake(np.frombuffer(audio, np.int16), [said], tag=3)
