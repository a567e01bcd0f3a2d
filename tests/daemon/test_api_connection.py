"""What is not HTTP, or stops being it: no word of it in an answer or in the log."""

import asyncio
from collections.abc import Iterator
import json
import logging
from typing import Any

import pytest

from indextts_daemon.api import connection
from indextts_daemon.audio.encoder import Encoder
from indextts_daemon.speech import AudioChunk
from tests.daemon.door import TOKEN, Door, Opener, until

WORDS = "SECRETWORDS"
BODY = json.dumps({"input": f"{WORDS} are here", "response_format": "wav"}).encode()
HEAD = f"Host: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
REQUEST = b"POST /v1/audio/speech HTTP/1.1\r\n" + HEAD


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield


async def exchange(door: Door, sent: bytes) -> bytes:
    """Send bytes, and return all that comes back until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
    try:
        writer.write(sent)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        REQUEST + b"Content-Length: 5\r\n\r\n" + BODY,
        REQUEST + b"Transfer-Encoding: chunked\r\n\r\n" + BODY,
        REQUEST.replace(b"Authorization:", b"Authorization :") + b"Content-Length: 0\r\n\r\n",
        REQUEST.replace(TOKEN.encode(), TOKEN.encode() + b"\x01") + b"Content-Length: 0\r\n\r\n",
        REQUEST + b"Connection: close\r\nContent-Encoding: gzip\r\n"
        + f"Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY,
        b"\x16\x03\x01" + WORDS.encode() + b"\r\n\r\n",
        WORDS.encode() + b"\r\n\r\n",
    ],
    ids=["length", "chunk", "space", "control", "gzip", "tls", "noise"],
)  # fmt: skip
async def test_bytes_that_are_no_request_are_quoted_nowhere(
    door: Door, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    answer = await exchange(door, sent)
    head, _, body = answer.rpartition(b"HTTP/1.")[2].partition(b"\r\n\r\n")
    assert head[2:5] == b"400"
    error = json.loads(body)["error"]
    assert error["code"] in {"bad_request", "invalid_json"}
    assert f"X-Request-Id: {error['request_id']}".encode() in head
    for secret in (WORDS, TOKEN):
        assert secret.encode() not in answer
        assert secret not in caplog.text
    assert "Traceback" not in caplog.text
    assert await door.speak("It goes on.")


async def test_over_http_1_0_a_broken_stream_is_a_reset(door: Door) -> None:
    body = json.dumps({"input": "This much is fine. {{fail sudden}}"}).encode()
    sent = (
        REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0") + f"Content-Length: {len(body)}\r\n\r\n".encode()
    )
    with pytest.raises(ConnectionResetError):
        await exchange(door, sent + body)


async def test_over_http_1_0_speech_ends_with_the_connection(door: Door) -> None:
    sent = REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0")
    answer = await exchange(door, sent + f"Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
    head, _, audio = answer.partition(b"\r\n\r\n")
    assert b"200 OK" in head
    samples = len(audio[44:]) // 2
    assert samples == round(len(f"{WORDS} are here") * 0.06 * 24000)


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_a_mistake_of_ours_in_mid_stream_adds_no_second_answer(
    door: Door, monkeypatch: pytest.MonkeyPatch, version: bytes
) -> None:
    written = Encoder.write
    calls = iter(range(100))

    def breaks(encoder: Encoder, chunk: AudioChunk) -> bytes:
        if next(calls) == 3:
            raise ValueError(WORDS)
        return written(encoder, chunk)

    monkeypatch.setattr(Encoder, "write", breaks)
    sent = REQUEST.replace(b"HTTP/1.1", version) + f"Content-Length: {len(BODY)}\r\n\r\n".encode()
    try:
        answer = await exchange(door, sent + BODY)
    except ConnectionResetError:
        assert version == b"HTTP/1.0"
    else:
        assert version == b"HTTP/1.1"
        assert answer.count(b"HTTP/1.") == 1
        assert not answer.endswith(b"0\r\n\r\n")


async def test_a_connection_that_asks_nothing_is_closed(
    open_door: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_REQUEST_S", 0.2)
    async with open_door() as door:
        assert await exchange(door, b"") == b""
        assert await exchange(door, b"GET /livez HTTP/1.1\r\nHost: ") == b""
        assert await door.speak("It goes on.")


async def test_open_connections_are_counted(door: Door) -> None:
    count: Any = door.services.metrics.http_connections._value
    before = count.get()
    _, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
    await until(lambda: count.get() == before + 1)
    writer.close()
    await until(lambda: count.get() == before)


@pytest.mark.parametrize("expected", [b"100-continue", WORDS.encode()])
async def test_who_waits_to_be_asked_is_asked_and_nothing_else_is_expected(
    door: Door, expected: bytes
) -> None:
    head = REQUEST + b"Connection: close\r\nExpect: " + expected
    answer = await exchange(door, head + f"\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
    assert (b"100 Continue" in answer) == (expected == b"100-continue")
    assert answer.count(b"HTTP/1.1 200 OK") == 1
