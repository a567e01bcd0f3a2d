"""The child's socket: one thread listens and sends heartbeats, whole frames go out from any.

The process lives as long as its socket: a parent that goes takes the worker with it.
"""

from collections import Counter, deque
from collections.abc import Callable
import logging
import os
import select
import socket
import threading
import time
from typing import NoReturn

from .protocol import (
    AskStats,
    Command,
    FrameReader,
    Heartbeat,
    MalformedFrameError,
    Message,
    Report,
    Stats,
    Stop,
    encode,
)

_LOG = logging.getLogger(__name__)
_HEARTBEAT_S = 1.0
_COUNTERS = (
    *("steps", "sentences", "chunks", "live_jobs", "out_of_memory"),
    *("jobs_started", "jobs_finished", "jobs_failed", "jobs_cancelled"),
)


class Inbox:
    """Commands on their way to the engine loop."""

    def __init__(self) -> None:
        self._waiting: deque[Command] = deque()
        self._changed = threading.Condition()
        self._num_put = 0
        self.wake: Callable[[], None] | None = None  # called when something has been put in

    def put(self, command: Command) -> None:
        """Add a command."""
        with self._changed:
            self._waiting.append(command)
            self._num_put += 1
            self._changed.notify()
            if self.wake is not None:
                self.wake()

    def take(self, *, seen: int | None = None) -> tuple[list[Command], int]:
        """Return all that wait, and how many there ever were.

        With `seen`, the number last returned, sleep until there have been more.
        """
        with self._changed:
            while self._num_put == seen:
                self._changed.wait()
            commands = list(self._waiting)
            self._waiting.clear()
            return commands, self._num_put


class Wire:
    """What the engine loop shares with the listening thread."""

    def __init__(self, connection: socket.socket) -> None:
        self.inbox = Inbox()
        self.counters: Counter[str] = Counter(dict.fromkeys(_COUNTERS, 0))
        self.step_started_at: float | None = None
        self.ready = False
        self._socket = connection
        self._writing = threading.Lock()

    def listen(self) -> NoReturn:
        """Receive until the parent has gone, and then end the process."""
        try:
            self._listen()
        except (OSError, MalformedFrameError):
            _LOG.warning("The parent cannot be understood any more.")
        os._exit(0)  # whatever step the engine is deep in

    def send(self, report: Report) -> None:
        """Write one frame."""
        frame = encode(report)
        try:
            with self._writing:
                self._socket.sendall(frame)
        except OSError:
            os._exit(0)  # nobody listens any more

    def send_counters(self) -> None:
        """Tell what has been counted."""
        self.send(Stats(counters=dict(self.counters)))

    def _listen(self) -> None:
        reader = FrameReader()
        next_beat = time.monotonic() + _HEARTBEAT_S
        while True:
            wait_s = next_beat - time.monotonic()
            if wait_s <= 0:
                self.send(Heartbeat(at=time.monotonic(), step_started_at=self.step_started_at))
                next_beat = time.monotonic() + _HEARTBEAT_S
                continue
            if not select.select([self._socket], [], [], wait_s)[0]:
                continue
            count = self._socket.recv_into(reader.get_buffer())
            if not count:
                return
            for message in reader.received(count):
                self._take(message)

    def _take(self, message: Message) -> None:
        if isinstance(message, AskStats):
            self.send_counters()
        elif isinstance(message, Stop) and not self.ready:
            os._exit(0)  # loading cannot be interrupted otherwise
        elif isinstance(message, Command):
            self.inbox.put(message)
        else:
            raise MalformedFrameError("A parent does not send reports.")
