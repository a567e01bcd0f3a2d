"""What happens, told to whoever listens: the source of the event stream."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

BACKLOG = 64  # a listener further behind than this is told to look again


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; `data` is plain JSON."""

    name: str
    data: dict[str, object]


class EventBus:
    """Hands each event to every subscriber; a slow one loses the oldest, never blocks another."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Event]] = set()

    @property
    def subscribers(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def publish(self, name: str, **data: object) -> None:
        """Tell everybody."""
        event = Event(name=name, data=data)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Event]]:
        """Listen while inside."""
        queue: asyncio.Queue[Event] = asyncio.Queue(BACKLOG)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
