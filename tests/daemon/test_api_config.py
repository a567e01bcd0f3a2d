"""Settings over HTTP: read, checked, put, rolled back and read again, as the contract says."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator
import pytest
import yaml

from indextts_daemon.api.app import build_app
from indextts_daemon.api.keys import Services
from indextts_daemon.api.openapi import document
from indextts_daemon.api.routes import ROUTES
from indextts_daemon.config import reference
from indextts_daemon.errors import SettingsError, SpeechError
from indextts_daemon.identity import Identity
from indextts_daemon.metrics import Metrics
from indextts_daemon.service.operations import Running
from indextts_daemon.service.reloading import Change
from tests.daemon.bad_edits import BAD_SETTINGS
from tests.daemon.test_service_config_scope import GOOD, OTHER, House
from tests.daemon.test_storage import names

TOKEN = "a-token-for-tests"  # noqa: S105
CONTRACT = document(ROUTES)
YAML = {"Content-Type": "application/yaml"}


@dataclass
class Moods:
    """Another scope, which finds nothing new, or something bad."""

    name: str = "moods"
    bad: bool = False
    asked: list[object] = field(default_factory=list)

    async def stage(self, wish: object, running: Running) -> Change | None:
        self.asked.append(wish)
        if self.bad:
            raise SettingsError("moods.yaml, line 1: no.")
        return None


@dataclass(frozen=True)
class Answer:
    """What came back, and held against the contract."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> object:
        return self.body["error"]["code"]


class Door:
    """The part of a daemon's door that the settings have."""

    def __init__(self, house: House, client: "TestClient[Any, Any]", moods: Moods) -> None:
        self.house = house
        self.moods = moods
        self._client = client

    async def ask(self, method: str, path: str, **extra: Any) -> Answer:
        headers = {"Authorization": f"Bearer {TOKEN}"} | extra.pop("headers", {})
        async with self._client.request(method, path, headers=headers, **extra) as response:
            body = await response.json()
            route = CONTRACT["paths"][path.partition("?")[0]][method.lower()]
            found = route["responses"][str(response.status)]["content"]["application/json"]
            schema = found["schema"] | {"components": CONTRACT["components"]}
            Draft202012Validator(schema).validate(body)
            return Answer(response.status, body, response.headers)

    async def put(self, text: str | bytes, query: str = "", **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("PUT", f"/v1/config{query}", data=text, headers=YAML | sent)


def settings_app(house: House) -> web.Application:
    """Make the daemon's door with the settings behind it, and nothing else."""
    services = SimpleNamespace(
        about=SimpleNamespace(auth=True),
        identity=Identity(instance_id="0" * 32, token=TOKEN),
        metrics=Metrics(),
        generations=house.generations,
        reloader=house.reloader,
        settings_file=house.file,
    )
    return build_app(cast("Services", services))


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    (tmp_path / "settings.yaml").write_text(GOOD)
    house, moods = House(tmp_path), Moods()
    house.reloader.add(moods)
    async with TestClient(TestServer(settings_app(house), host="127.0.0.1")) as client:
        yield Door(house, client, moods)


async def test_the_settings_are_shown_as_written_and_as_they_count(door: Door) -> None:
    shown = await door.ask("GET", "/v1/config")
    assert shown.status == 200
    assert shown.body["document"] == GOOD
    assert shown.body["settings"]["language"] == "de"
    assert shown.body["settings"]["server"]["port"] == 8818
    assert (shown.body["shadowed"], shown.body["restart_required"]) == ([], [])
    flat = {
        f"{name}.{key}" if isinstance(below, dict) else name
        for name, below in shown.body["settings"].items()
        for key in (below if isinstance(below, dict) else [""])
    }
    assert flat == {doc.key for doc in reference()}


async def test_the_mark_is_of_the_document_and_serves_for_the_next_change(door: Door) -> None:
    mark = (await door.ask("GET", "/v1/config")).headers["ETag"]
    put = await door.put(OTHER, If_Match=mark)
    assert (put.status, put.body["result"]) == (200, "applied")
    assert put.headers["ETag"] != mark
    assert (await door.ask("GET", "/v1/config")).headers["ETag"] == put.headers["ETag"]
    late = await door.put(GOOD, If_Match=mark)
    assert (late.status, late.code) == (412, "precondition_failed")
    assert door.house.path.read_text() == OTHER
    assert (await door.put(GOOD, If_Match=f'"other", {put.headers["ETag"]}')).status == 200
    assert (await door.put(OTHER, If_Match="*")).status == 200


@pytest.mark.parametrize("anyway", [False, True])
async def test_an_edit_by_hand_while_a_marked_change_is_made_ready_stays(
    door: Door, *, anyway: bool
) -> None:
    mark = (await door.ask("GET", "/v1/config")).headers["ETag"]
    by_hand = "language: it  # by hand\n"
    door.house.stage.meanwhile = lambda: door.house.path.write_text(by_hand)
    put = await door.put(OTHER, **({} if anyway else {"If_Match": mark}))
    if anyway:
        assert (put.status, door.house.path.read_text()) == (200, OTHER)
        return
    assert (put.status, put.code) == (412, "precondition_failed")
    assert door.house.path.read_text() == by_hand
    assert door.house.stage.told == ["give up"]
    assert door.house.settings.language == "de"


@pytest.mark.parametrize("mark", ['W/"{}"', '"{}x"', "nonsense", '""'])
async def test_only_the_very_mark_matches(door: Door, mark: str) -> None:
    etag = (await door.ask("GET", "/v1/config")).headers["ETag"].strip('"')
    assert (await door.put(OTHER, If_Match=mark.format(etag))).status == 412
    assert door.house.path.read_text() == GOOD


async def test_a_change_is_answered_with_what_came_of_it(door: Door) -> None:
    put = await door.put(OTHER)
    assert put.body["result"] == "applied"
    assert put.body["generation"] == 2
    assert put.body["errors"] == put.body["restart_required"] == put.body["shadowed"] == []
    (operation,) = put.body["operations"]
    assert (operation["scope"], operation["action"], operation["who"]) == ("config", "put", "api")
    assert operation["details"] == {"changed": ["language", "server.port"], "shadowed": []}
    assert (await door.put(OTHER)).body["result"] == "unchanged"


async def test_the_command_line_is_told_apart(door: Door) -> None:
    put = await door.put(OTHER, X_IndexTTS_Client="cli")
    assert put.body["operations"][0]["who"] == "cli"


@pytest.mark.parametrize("content", [one for _, one in BAD_SETTINGS], ids=dict(BAD_SETTINGS))
async def test_a_bad_document_is_refused_in_words_and_nothing_changes(
    door: Door, content: bytes
) -> None:
    before = door.house.generations.current
    put = await door.put(content)
    assert put.status in {413, 422}
    assert put.body["error"]["message"].endswith(".")
    assert str(door.house.folder) not in json.dumps(put.body)
    assert door.house.generations.current is before
    assert door.house.path.read_text() == GOOD
    assert names(door.house.folder) == ["settings.yaml", "state"]


async def test_a_rejection_names_every_problem_with_its_key_and_line(door: Door) -> None:
    put = await door.put("\nserver:\n  port: 99999\nzork: 1\n")
    assert (put.status, put.code, put.body["result"]) == (422, "rejected", "rejected")
    assert {(one["path"], one["line"]) for one in put.body["errors"]} == {
        ("server.port", 3),
        ("zork", 4),
    }
    assert all(one["message"] in put.body["error"]["message"] for one in put.body["errors"])
    assert put.body["generation"] == 1
    assert "ETag" not in put.headers


@pytest.mark.parametrize("query", ["?dry_run=1", "?dry_run", "?dry_run=true"])
async def test_a_dry_run_only_looks(door: Door, query: str) -> None:
    good = await door.put(OTHER, query)
    assert (good.status, good.body["result"], good.body["generation"]) == (200, "unchanged", 1)
    assert good.body["operations"][0]["details"]["changed"] == ["language", "server.port"]
    assert good.body["operations"][0]["action"] == "check"
    assert (await door.put("language: [", query)).status == 422
    assert door.house.path.read_text() == GOOD
    assert (await door.ask("GET", "/v1/config/versions")).body["versions"][1:] == []


async def test_a_dry_run_is_held_against_the_mark_too(door: Door) -> None:
    assert (await door.put(OTHER, "?dry_run=1", If_Match='"old"')).status == 412


async def test_what_is_no_switch_is_refused_before_anything_is_written(door: Door) -> None:
    put = await door.put(OTHER, "?dry_run=maybe")
    assert (put.status, put.body["error"]["param"]) == (422, "dry_run")
    assert (await door.put(OTHER, "?dry_run=0")).body["result"] == "applied"


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml", "text/plain; charset=utf-8"])
async def test_a_document_may_be_called_by_any_of_its_names(door: Door, kind: str) -> None:
    assert (await door.put(OTHER, Content_Type=kind)).status == 200


async def test_what_is_called_something_else_is_not_read(door: Door) -> None:
    put = await door.put(OTHER, Content_Type="application/json")
    assert (put.status, put.code) == (415, "unsupported_media_type")


async def test_comments_and_every_other_character_survive(door: Door) -> None:
    text = "# Küche\r\nlanguage: fr   # for the guests\n\n"
    await door.put(text.encode())
    assert (await door.ask("GET", "/v1/config")).body["document"] == text


async def test_the_versions_are_listed_the_newest_first(door: Door) -> None:
    await door.put(OTHER)
    listed = (await door.ask("GET", "/v1/config/versions")).body["versions"]
    assert [(one["version"], one["current"]) for one in listed] == [(2, True), (1, False)]
    assert all(one["saved_at"] > 1.7e9 for one in listed)


async def test_rolling_back_is_to_the_one_before_and_again_further(door: Door) -> None:
    for text in ("language: fr\n", "language: it\n"):
        await door.put(text)
    for language in ("fr", "de"):
        back = await door.ask("POST", "/v1/config/rollback")
        assert (back.status, back.body["result"]) == (200, "applied")
        assert back.body["operations"][0]["action"] == "rollback"
        shown = await door.ask("GET", "/v1/config")
        assert shown.body["settings"]["language"] == language
        assert shown.headers["ETag"] == back.headers["ETag"]
    assert shown.body["document"] == GOOD
    none = await door.ask("POST", "/v1/config/rollback", json={})
    assert (none.status, none.code) == (404, "version_not_found")


async def test_rolling_back_may_name_the_version(door: Door) -> None:
    for text in ("language: fr\n", "language: it\n"):
        await door.put(text)
    back = await door.ask("POST", "/v1/config/rollback", json={"version": 1})
    assert (back.status, back.body["operations"][0]["subject"]) == (200, "1")
    assert door.house.settings.language == "de"
    gone = await door.ask("POST", "/v1/config/rollback", json={"version": 99})
    assert (gone.status, gone.code) == (404, "version_not_found")
    for version in (0, "1", True, None):
        bad = await door.ask("POST", "/v1/config/rollback", json={"version": version})
        assert (bad.status, bad.code) == (422, "invalid_param")


async def test_a_version_that_is_bad_today_is_rejected(door: Door) -> None:
    door.house.file.remember("a_setting_of_old: 1\n")
    back = await door.ask("POST", "/v1/config/rollback", json={"version": 2})
    assert (back.status, back.code) == (422, "rejected")
    assert door.house.path.read_text() == GOOD


async def test_a_file_that_cannot_be_read_can_still_be_rolled_back(door: Door) -> None:
    door.house.path.write_bytes(b"\xff")
    shown = await door.ask("GET", "/v1/config")
    assert (shown.status, shown.code) == (422, "settings_invalid")
    back = await door.ask("POST", "/v1/config/rollback")
    assert back.status == 200
    assert door.house.path.read_text() == GOOD


async def test_a_reload_reads_everything(door: Door) -> None:
    door.house.path.write_text(OTHER)
    done = await door.ask("POST", "/v1/reload")
    assert (done.status, done.body["result"], done.body["generation"]) == (200, "applied", 2)
    assert [(one["scope"], one["result"]) for one in done.body["operations"]] == [
        ("config", "applied"),
        ("moods", "unchanged"),
    ]


async def test_a_reload_of_one_scope_leaves_the_others(door: Door) -> None:
    done = await door.ask("POST", "/v1/reload", json={"scope": "config"})
    assert (done.body["result"], door.moods.asked) == ("unchanged", [])
    for scope in ("voices", "zork", None):
        bad = await door.ask("POST", "/v1/reload", json={"scope": scope})
        assert (bad.status, bad.body["error"]["param"]) == (422, "scope")


async def test_a_reload_of_which_one_scope_is_bad_is_rejected_and_says_which(door: Door) -> None:
    door.moods.bad = True
    door.house.path.write_text(OTHER)
    done = await door.ask("POST", "/v1/reload", json={})
    assert (done.status, done.code, done.body["result"]) == (422, "rejected", "rejected")
    assert [one["result"] for one in done.body["operations"]] == ["applied", "rejected"]
    assert [one["message"] for one in done.body["errors"]] == ["moods.yaml, line 1: no."]
    assert door.house.settings.language == "fr"


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (SpeechError("It is silent.", code="canary_failed"), 422, "rejected"),
        (SpeechError("The GPU is left to others.", code="paused"), 422, "rejected"),
        (SpeechError("Nobody knows why.", code="checkpoint_invalid"), 422, "rejected"),
        (SpeechError("It needs 9 GiB.", code="insufficient_memory"), 507, "insufficient_memory"),
        (ZeroDivisionError("a secret"), 500, "internal"),
    ],
)
@pytest.mark.parametrize("way", ["put", "reload", "rollback"])
async def test_what_is_no_fault_of_the_document_is_not_told_as_one(
    door: Door, way: str, refusal: Exception, status: int, code: str
) -> None:
    assert (await door.put(OTHER)).status == 200
    door.house.stage.refusal = refusal
    door.moods.bad = True  # which a reload tells besides, and is the lesser evil
    if way == "put":
        done = await door.put(GOOD)
    elif way == "rollback":
        done = await door.ask("POST", "/v1/config/rollback")
    else:
        door.house.path.write_text(GOOD)
        done = await door.ask("POST", "/v1/reload")
    assert (done.status, done.code, done.body["result"]) == (status, code, "rejected")
    assert done.body["operations"][0]["result"] == "rejected"
    assert "secret" not in json.dumps(done.body)


async def test_keys_that_something_else_overrides_are_told_wherever_it_matters(
    tmp_path: Path, door: Door
) -> None:
    door.house.file.source = type(door.house.file.source)(
        file=door.house.path, environment={"INDEXTTS_LANGUAGE": "it"}
    )
    assert (await door.ask("GET", "/v1/config")).body["shadowed"] == ["language"]
    assert (await door.put(OTHER)).body["shadowed"] == ["language"]
    assert (await door.ask("POST", "/v1/reload")).body["shadowed"] == ["language"]


@pytest.mark.parametrize(
    ("path", "bodies"),
    [
        ("/v1/config/rollback", [{"version": one} for one in (0, 10**8, 1.5, "1", None, True)]),
        ("/v1/reload", [{"scope": one} for one in ("", "ALL", None, 1)]),
        ("/v1/config/rollback", [[], {"versions": 1}]),
        ("/v1/reload", [[], {"scopes": "all"}]),
    ],
)
async def test_what_is_refused_breaks_the_contract(
    door: Door, path: str, bodies: list[object]
) -> None:
    content = CONTRACT["paths"][path]["post"]["requestBody"]["content"]
    contract = Draft202012Validator(content["application/json"]["schema"])
    for body in bodies:
        assert (await door.ask("POST", path, json=body)).code == "invalid_param", body
        assert not contract.is_valid(body)


async def test_no_secret_is_shown(door: Door) -> None:
    """There is no setting that holds one; if one comes, it has to be left out here."""
    shown = await door.ask("GET", "/v1/config")
    assert TOKEN not in json.dumps(shown.body)
    secret = ("token", "secret", "password", "key")
    assert not [doc.key for doc in reference() if doc.key.rpartition(".")[2].endswith(secret)]
    assert yaml.safe_load(shown.body["document"]) == {"language": "de"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/config"),
        ("PUT", "/v1/config"),
        ("GET", "/v1/config/versions"),
        ("POST", "/v1/config/rollback"),
        ("POST", "/v1/reload"),
    ],
)
async def test_nobody_gets_in_without_the_token(door: Door, method: str, path: str) -> None:
    refused = await door.ask(method, path, headers={"Authorization": "Bearer wrong"})
    assert (refused.status, refused.code) == (401, "unauthorized")
    assert door.house.path.read_text() == GOOD
