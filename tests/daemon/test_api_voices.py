"""Voices over HTTP: judged, taken up, replaced and deleted while the house speaks."""

import asyncio
from collections.abc import AsyncIterator
from functools import cache
import io
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from indextts_daemon.api import upload, voices
from indextts_daemon.audio import coach, recording
from indextts_daemon.audio.recording import RecordingError
from indextts_daemon.service.hearing import Heard
from tests.daemon.door import Door, until
from tests.daemon.recordings import MADE, RATE, encoded, heart

CONSENT = "Anna said yes on 3 May 2026."


@cache
def good() -> bytes:
    return encoded(heart()[: 5 * RATE])


@cache
def other() -> bytes:
    return encoded(heart()[RATE : 6 * RATE], container="FLAC")


def form(audio: bytes | None, **fields: str) -> aiohttp.FormData:
    """Make a form as a browser does; the file's name says nothing of what it is."""
    made = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        made.add_field(name, value)
    if audio is not None:
        made.add_field(
            "audio", io.BytesIO(audio), filename="recording.bin", content_type="image/png"
        )
    return made


async def send(
    door: Door, method: str, path: str, data: Any = None, **headers: str
) -> tuple[int, dict[str, Any], Any]:
    async with door.session.request(method, path, data=data, headers=headers) as response:
        return response.status, await response.json(), response.headers


async def add(door: Door, audio: bytes | None = None, **fields: str) -> tuple[int, dict[str, Any]]:
    said = {"id": "anna", "consent": CONSENT} | fields
    status, body, _ = await send(
        door, "POST", "/v1/voices", form(good() if audio is None else audio, **said)
    )
    return status, body


def quality(content: bytes) -> dict[str, Any]:
    report = coach.examine(recording.read(content))[0]
    told = report.as_json() | {"words": report.words, "usable": not report.refused}
    return told | {key: list(value) for key, value in told.items() if isinstance(value, tuple)}


def folder(door: Door) -> Path:
    return door.services.voices.folder


async def test_an_uploaded_recording_is_a_voice_at_once(door: Door) -> None:
    status, body = await add(door, name="Anna", languages="de, en")
    assert status == 201
    assert body["quality"] == quality(good())
    assert (body["id"], body["name"], body["languages"]) == ("anna", "Anna", ["de", "en"])
    assert (body["state"], body["protected"], body["reason"]) == ("ready", False, None)
    assert body["consent"].startswith(f"{CONSENT} (noted on ")
    tag = int(door.services.pool.voices()["anna"].handle)
    speech = await door.speak("Hello.", voice="anna", language="de")
    assert int.from_bytes(speech[44:46], "little", signed=True) == tag


async def test_voices_tell_how_good_they_are_and_which_stay(door: Door) -> None:
    await add(door)
    _, listed, _ = await send(door, "GET", "/v1/voices")
    voices = {voice["id"]: voice for voice in listed["voices"]}
    assert voices["anna"]["quality"] == quality(good())
    assert not voices["anna"]["protected"]
    own = voices["fake-01"]
    assert (own["quality"], own["consent"], own["protected"]) == (None, None, True)
    _, one, headers = await send(door, "GET", "/v1/voices/anna")
    assert one == voices["anna"]
    assert headers["ETag"] == f'"{one["revision"]}"'


async def test_a_voice_that_stays_as_it_was_says_why(door: Door) -> None:
    _, before = await add(door)
    (folder(door) / "anna.wav").write_bytes(b"no sound")
    await door.services.reloader.reload("voices", who="file")
    _, after, _ = await send(door, "GET", "/v1/voices/anna")
    assert (after["state"], after["revision"]) == ("stale_invalid", before["revision"])
    assert after["reason"] == "The file is not a wav, flac, ogg or mp3 recording."


async def test_a_recording_is_judged_and_nothing_is_kept(door: Door) -> None:
    for made in ("one sentence", "silence"):
        status, body, _ = await send(door, "POST", "/v1/voices/analyze", form(MADE[made]()))
        assert (status, body) == (200, {"quality": quality(MADE[made]())})
    assert not folder(door).exists()


@pytest.mark.parametrize(
    ("made", "code"),
    [("three words", "too_short"), ("silence", "no_speech"), ("far too loud", "clipped")],
)
async def test_what_the_coach_refuses_is_told_with_its_quality(
    door: Door, made: str, code: str
) -> None:
    status, body = await add(door, MADE[made]())
    assert (status, body["error"]["code"]) == (422, code)
    assert body["quality"] == quality(MADE[made]())
    assert list(folder(door).glob("*")) == []


@pytest.mark.parametrize(
    ("content", "status", "code", "words"),
    [
        (b"no sound", 415, "not_audio", "is not a wav"),
        (b"\0\0\0\x1cftypM4A " + bytes(500), 415, "not_audio", "Save it as wav, flac, ogg or mp3"),
        (b"", 415, "not_audio", "is not a wav"),
        (encoded(heart()[:0]), 422, "empty", "not a single sound"),
        (bytes(recording.MAX_BYTES + 1), 413, "too_large", "larger than 20 MB"),
    ],
    ids=["text", "m4a", "nothing", "empty", "too large"],
)
async def test_what_is_no_recording_is_refused_by_what_it_holds(
    door: Door, content: bytes, status: int, code: str, words: str
) -> None:
    told, body = await add(door, content)
    error = body["error"]
    assert (told, error["code"], error["param"]) == (status, code, "audio")
    assert words in error["message"]


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_more_than_is_taken_is_refused_before_it_is_read(
    door: Door,
    is_chunked: bool,  # noqa: FBT001 a parameter of the test
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="audio"\r\n\r\n'
        while sent < 100 << 20:
            sent += 1 << 20
            yield bytes(1 << 20)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    headers |= {} if is_chunked else {"Content-Length": str(100 << 20)}
    async with door.session.post("/v1/voices", data=endless(), headers=headers) as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == "too_large"
    assert sent < 60 << 20


async def test_a_large_recording_passes_where_other_bodies_are_small(door: Door) -> None:
    fine = encoded(heart(), container="WAV", subtype="DOUBLE")
    assert len(fine) > 1 << 20
    assert (await add(door, fine))[0] == 201
    async with door.session.post("/v1/audio/speech", json={"input": "x" * 70_000}) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"id": "Anna"}, "id"),
        ({"id": ""}, "id"),
        ({"consent": ""}, "consent"),
        ({"consent": "  "}, "consent"),
        ({"name": "two\nlines"}, "name"),
        ({"languages": "english"}, "languages"),
        ({"transcript": "Hello."}, "transcript"),
    ],
)
async def test_what_cannot_be_said_of_a_voice_is_named(
    door: Door, fields: dict[str, str], param: str
) -> None:
    status, body = await add(door, **fields)
    assert (status, body["error"]["code"]) == (422, "invalid_param")
    assert body["error"]["param"] == param


@pytest.mark.parametrize("missing", ["id", "consent", "audio"])
async def test_what_is_missing_is_named(door: Door, missing: str) -> None:
    said = {"id": "anna", "consent": CONSENT}
    said.pop(missing, None)
    audio = None if missing == "audio" else good()
    status, body, _ = await send(door, "POST", "/v1/voices", form(audio, **said))
    assert (status, body["error"]["param"]) == (422, missing)


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("application/json", b"{}", 415, "unsupported_media_type"),
        ("multipart/mixed; boundary=x", b"--x--\r\n", 415, "unsupported_media_type"),
        ("multipart/form-data", b"--x--\r\n", 400, "invalid_form"),
        ("multipart/form-data; boundary=x", b"", 400, "invalid_form"),
        ("multipart/form-data; boundary=x", b"no form\r\n", 400, "invalid_form"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422, "invalid_param"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\n\r\nno name\r\n--x--\r\n",
            400,
            "invalid_form",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="id"\r\n\r\n\xff\r\n--x--\r\n',
            422,
            "invalid_param",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="id"\r\n\r\na\r\n' * 2 + b"--x--\r\n",
            400,
            "invalid_form",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="id"\r\n\r\n'
            + b"a" * 9000
            + b"\r\n--x--\r\n",
            422,
            "invalid_param",
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--\r\n",
            400,
            "invalid_form",
        ),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a: b\r\n" * 500, 400, "invalid_form"),
        ("multipart/form-data; boundary=x", b"--x\r\na: " + b"b" * 70_000, 400, "invalid_form"),
    ],
)
async def test_a_form_that_is_none_is_refused(
    door: Door, kind: str, body: bytes, status: int, code: str
) -> None:
    told, answer, _ = await send(door, "POST", "/v1/voices", body, **{"Content-Type": kind})
    assert (told, answer["error"]["code"]) == (status, code), answer


async def test_a_part_that_is_not_known_is_named_with_where_the_recording_goes(door: Door) -> None:
    data = form(None, id="anna", consent=CONSENT)
    data.add_field("file", io.BytesIO(good()), filename="anna.wav")
    status, body, _ = await send(door, "POST", "/v1/voices", data)
    assert (status, body["error"]["param"]) == (422, "file")
    assert "The recording goes into `audio`" in body["error"]["message"]


async def test_a_form_that_does_not_arrive_is_given_up(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "UPLOAD_S", 0.2)
    left = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"--x\r\n"
        await left.wait()

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    async with door.session.post("/v1/voices", data=slow(), headers=headers) as response:
        assert response.status == 408
        assert (await response.json())["error"]["code"] == "slow_body"
    left.set()


async def test_an_id_that_is_taken_is_refused(door: Door) -> None:
    await add(door)
    for taken in ("anna", "fake-01", "heart"):
        status, body = await add(door, other(), id=taken)
        assert (status, body["error"]["code"]) == (409, "voice_exists")
        assert body["error"]["param"] == "id"
        assert ("or replace it" in body["error"]["message"]) is (taken == "anna")
    assert (folder(door) / "anna.wav").read_bytes() == good()


async def test_a_replaced_voice_is_another_revision(door: Door) -> None:
    _, before = await add(door, name="Anna")
    status, after, headers = await send(
        door,
        "PUT",
        "/v1/voices/anna",
        form(other(), consent="Again."),
        **{"If-Match": f'"{before["revision"]}"'},
    )
    assert status == 200
    assert (after["name"], after["quality"]) == ("Anna", quality(other()))
    assert after["revision"] != before["revision"]
    assert headers["ETag"] == f'"{after["revision"]}"'
    status, body, _ = await send(
        door,
        "PUT",
        "/v1/voices/anna",
        form(good(), consent="No."),
        **{"If-Match": f'"{before["revision"]}"'},
    )
    assert (status, body["error"]["code"]) == (412, "precondition_failed")
    assert body["quality"]["usable"]


async def test_only_a_recording_can_be_replaced_and_consent_is_asked_each_time(door: Door) -> None:
    for voice, status in (("nobody", 404), ("fake-01", 409)):
        told, _, _ = await send(door, "PUT", f"/v1/voices/{voice}", form(good(), consent="Yes."))
        assert told == status
    await add(door)
    told, body, _ = await send(door, "PUT", "/v1/voices/anna", form(other()))
    assert (told, body["error"]["param"]) == (422, "consent")


async def test_a_deleted_voice_is_gone(door: Door) -> None:
    await add(door)
    status, body, _ = await send(door, "DELETE", "/v1/voices/anna", **{"If-Match": '"0"'})
    assert status == 412
    status, body, _ = await send(door, "DELETE", "/v1/voices/anna")
    assert (status, body["operation"]["details"]["removed"]) == (200, ["anna"])
    assert (await send(door, "GET", "/v1/voices/anna"))[0] == 404
    assert (await send(door, "DELETE", "/v1/voices/anna"))[0] == 404
    status, body, _ = await send(door, "DELETE", "/v1/voices/fake-01")
    assert (status, body["error"]["code"]) == (409, "voice_protected")
    enrolled = folder(door).parent / "state/voices"
    await until(lambda: not list(enrolled.glob("*.json")))
    assert list(folder(door).iterdir()) == []


async def test_who_asked_is_noted(door: Door) -> None:
    await send(door, "DELETE", "/v1/voices/anna", **{"X-IndexTTS-Client": "cli"})
    newest = door.services.operations.listed()[0]
    assert (newest.scope, newest.action, newest.who) == ("voices", "delete", "cli")
    assert (newest.subject, newest.code) == ("anna", "voice_not_found")


async def test_others_speak_on_while_a_voice_is_taken_up(door: Door) -> None:
    async def speak() -> bytes:
        return await door.speak("Hello there.", voice="fake-01", seed=1)

    expected = await speak()
    adding = asyncio.create_task(add(door))
    spoken = []
    while not adding.done():
        spoken.append(await speak())
    assert (await adding)[0] == 201
    assert spoken
    assert set(spoken) == {expected}


async def test_a_crowd_of_recordings_is_listened_to_two_at_a_time(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most = 0, 0
    here, go = asyncio.Event(), asyncio.Event()

    async def hear(_: bytes) -> Heard:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 2:
            here.set()
        await go.wait()
        await asyncio.sleep(0)
        at_once -= 1
        raise RecordingError("Nobody speaks.")

    monkeypatch.setattr(voices, "hear", hear)
    calls = [
        ("POST", "/v1/voices", {"id": "anna", "consent": CONSENT}),
        ("PUT", "/v1/voices/anna", {"consent": CONSENT}),
        ("POST", "/v1/voices/analyze", {}),
    ]
    crowd = [
        asyncio.create_task(send(door, method, path, form(b"sound", **said)))
        for method, path, said in (calls * 4)[:10]
    ]
    async with asyncio.timeout(20):
        await here.wait()
        await door.speak("The house goes on talking.")
        go.set()
        answers = await asyncio.gather(*crowd)
    assert most == 2
    assert {body["error"]["message"] for _, body, _ in answers} == {"Nobody speaks."}
