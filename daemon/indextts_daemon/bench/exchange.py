"""The lightest HTTP/1.1 client that can tell when audio arrives; knows this machine only."""

import asyncio
from dataclasses import dataclass
import time
from typing import Self

AUDIO_FROM = 256  # bytes of a body; no format's header is longer
PATIENCE_S = 30.0
OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, and when, counted from the question."""

    status: int
    body: bytes
    first_s: float  # to the first audio, or to the end of a body too short for any
    total_s: float


def question(method: str, path: str, *, token: str = "", body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """A connection that is kept open, for one question at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[Answer] | None = None
        self._incoming = Incoming()
        self._asked_at = 0.0
        self._first_s: float | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, "127.0.0.1", port)
        return connection

    async def ask(self, asked: bytes) -> Answer:
        """Send a request and wait for the end of its answer. Raises OSError, TimeoutError."""
        if self._transport is None:
            raise ConnectionResetError
        self._answered = asyncio.get_running_loop().create_future()
        self._incoming, self._first_s = Incoming(), None
        self._asked_at = time.perf_counter()
        self._transport.write(asked)
        async with asyncio.timeout(PATIENCE_S):
            return await self._answered

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to write."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a connection's always is
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for an answer."""
        self._transport = None
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        """Take in what has arrived, and note when it was the first audio or the last byte."""
        incoming = self._incoming
        whole = incoming.feed(data)
        elapsed_s = time.perf_counter() - self._asked_at
        if self._first_s is None and (whole or len(incoming.body) > AUDIO_FROM):
            self._first_s = elapsed_s
        if self._first_s is None or not whole:
            return
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(
                Answer(
                    status=incoming.status,
                    body=bytes(incoming.body),
                    first_s=self._first_s,
                    total_s=elapsed_s,
                )
            )


class Incoming:
    """An answer that is arriving, in pieces of any size."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self._arrived = bytearray()  # and not yet read
        self._left = 0  # bytes still to come of the chunk, or of a body that is not chunked
        self._chunked = False
        self._ending = False  # the empty chunk has been read

    def feed(self, data: bytes) -> bool:
        """Read on; tell whether the answer is whole."""
        self._arrived += data
        if not self.status and not self._read_head():
            return False
        return self._read_chunks() if self._chunked else self._read_body()

    def _read_head(self) -> bool:
        end = self._arrived.find(b"\r\n\r\n")
        if end < 0:
            return False
        status, *headers = self._arrived[:end].decode("latin-1").lower().split("\r\n")
        del self._arrived[: end + 4]
        self.status = int(status.split()[1])
        for name, _, value in (header.partition(":") for header in headers):
            if name == "content-length":
                self._left = int(value)
            elif name == "transfer-encoding":
                self._chunked = value.strip() == "chunked"
        return True

    def _read_body(self) -> bool:
        """Move over what is there of the chunk or the body; tell whether all of it was."""
        taken = self._arrived[: self._left]
        del self._arrived[: len(taken)]
        self.body += taken
        self._left -= len(taken)
        return self._left == 0

    def _read_chunks(self) -> bool:
        while self._read_body():
            end = self._arrived.find(b"\r\n")
            if end < 0:
                break
            line = bytes(self._arrived[:end])
            del self._arrived[: end + 2]
            if line:
                self._left = int(line, 16)
                self._ending = self._left == 0
            elif self._ending:
                return True  # else the line ended the chunk before
        return False
