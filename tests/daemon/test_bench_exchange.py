"""The client of the load generator: what it takes for an answer, and when."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from indextts_daemon.bench.exchange import AUDIO_FROM, Connection, Incoming, question

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Other: a: b\r\n\r\n"
    b"5\r\nab\r\nc\r\nb\r\nhello world\r\n0\r\n\r\n"
)
SIZED = b"HTTP/1.1 503 Busy\r\ncontent-LENGTH:  6\r\n\r\n{\r\n\r\n}"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[int]:
    async def around(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        writer.close()

    async with await asyncio.start_server(around, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [(CHUNKED, 200, b"ab\r\nchello world"), (SIZED, 503, b"{\r\n\r\n}"), (EMPTY, 204, b"")],
)
def test_an_answer_is_whole_with_its_last_byte_and_not_before(
    size: int, answer: bytes, status: int, body: bytes
) -> None:
    incoming = Incoming()
    pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
    assert [incoming.feed(piece) for piece in pieces].index(True) == len(pieces) - 1
    assert (incoming.status, bytes(incoming.body)) == (status, body)


def test_a_question_names_its_length_and_its_token() -> None:
    asked = question("POST", "/x", token="t0ken", body=b"{}")  # noqa: S106 it opens nothing
    head, _, body = asked.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /x HTTP/1.1"
    assert b"Content-Length: 2" in head
    assert b"Authorization: Bearer t0ken" in head
    assert body == b"{}"


async def test_the_first_audio_is_noted_apart_from_headers_and_the_end() -> None:
    pauses = {"header": 0.05, "audio": 0.05}

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + bytes(AUDIO_FROM))
        await asyncio.sleep(pauses["header"])
        writer.write(b"a")
        await asyncio.sleep(pauses["audio"])
        writer.write(bytes(1000 - AUDIO_FROM - 1))

    async with server(speak) as port:
        connection = await Connection.open(port)
        answer = await connection.ask(question("GET", "/"))
        connection.close()
    assert len(answer.body) == 1000
    assert answer.first_s >= pauses["header"]
    assert answer.total_s >= answer.first_s + pauses["audio"] / 2


async def test_a_connection_serves_one_question_after_another() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            line = await reader.readline()
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + line.split()[1])

    async with server(echo) as port:
        connection = await Connection.open(port)
        paths = [(await connection.ask(question("GET", f"/{n}"))).body for n in range(3)]
        connection.close()
    assert paths == [b"/0", b"/1", b"/2"]


async def test_an_answer_that_breaks_off_is_an_error() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED[:-5])

    async with server(break_off) as port:
        connection = await Connection.open(port)
        with pytest.raises(ConnectionError):
            await connection.ask(question("GET", "/"))
        with pytest.raises(ConnectionError):
            await connection.ask(question("GET", "/"))
