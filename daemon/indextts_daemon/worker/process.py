"""A worker's process and its end of the socket pair, as the event loop sees them."""

import asyncio
from collections.abc import Callable, Iterable
import os
from pathlib import Path
import sys
from typing import Self

import indextts_daemon
from indextts_daemon.posix import end_group, socket_pair

from .protocol import Command, FrameReader, Message, encode

_LOOKS = 100
_GRACE_S = 1.0  # between a signal, or the last byte, and the next harder measure


class WorkerProcess(asyncio.BufferedProtocol):
    """A running `python -m indextts_daemon.worker`; hands every message to `receive`."""

    def __init__(self, receive: Callable[[Message], None]) -> None:
        self.garbled = False  # it was killed for sending what cannot be read
        self._receive = receive
        self._reader = FrameReader()
        self._transport: asyncio.WriteTransport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._silent = asyncio.Event()  # the last byte has been read

    @classmethod
    async def spawn(cls, receive: Callable[[Message], None]) -> Self:
        """Start the process; its first command must be `Load`."""
        process = cls(receive)
        ours, theirs = socket_pair()
        with theirs:
            ours.settimeout(0)
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: process, ours)
            starting = asyncio.ensure_future(
                asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "indextts_daemon.worker", str(theirs.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=sys.__stderr__.fileno() if sys.__stderr__ else None,
                    pass_fds=(theirs.fileno(),),
                    env=child_environment(),
                    process_group=0,  # so that what it starts can be ended with it
                )
            )
            try:
                process._process = await asyncio.shield(starting)
            except BaseException:
                process._close()
                await asyncio.wait({starting})  # nobody else will see its end
                if not starting.exception():
                    process._process = starting.result()
                    await process.end()
                raise
        return process

    @property
    def pid(self) -> int:
        """The number by which the system knows it."""
        return self._running.pid

    def send(self, commands: Iterable[Command]) -> None:
        """Write all of them at once; a process that has gone hears nothing."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(map(encode, commands)))

    def kill(self) -> None:
        """End it now, and what it has started."""
        if self._running.returncode is None:
            end_group(self._running.pid)

    async def wait(self) -> int:
        """Return the exit code, once the last message has been received and the process reaped.

        What it has started is ended with it, also where that keeps the socket open.
        """
        silent = asyncio.create_task(self._silent.wait())
        gone = asyncio.create_task(self._running.wait())
        try:
            await asyncio.wait({silent, gone}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({silent, gone}, timeout=_GRACE_S)
            self.kill()
            exit_code = await gone
            await self._end_rest()
            return exit_code
        finally:
            silent.cancel()
            gone.cancel()
            self._close()

    async def _end_rest(self) -> None:
        """See off what it has started; one that the system does not reap is not waited for."""
        for _ in range(_LOOKS):
            if not end_group(self._running.pid):
                return
            await asyncio.sleep(_GRACE_S / _LOOKS)

    async def end(self) -> None:
        """Ask the system to end it, and make it if it does not."""
        if self._running.returncode is None:
            self._running.terminate()
        try:
            async with asyncio.timeout(_GRACE_S):
                await self._running.wait()
        except TimeoutError:
            self.kill()
            await self._running.wait()

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("The process was never spawned.")
        return self._process

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to write."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - a socket's always is
        self._transport = transport

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Receive straight into the frame reader."""
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what is whole; a process that sends nonsense is ended."""
        try:
            for message in self._reader.received(nbytes):
                self._receive(message)
        except ValueError:  # a malformed frame, or a state that does not exist
            self.garbled = True
            self._close()
            self.kill()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Note that nothing more will come."""
        self._silent.set()


def child_environment() -> dict[str, str]:
    """Let a child of this process import the very code that runs here, installed or not."""
    root = str(Path(indextts_daemon.__file__).parents[1])
    known = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(known)}
