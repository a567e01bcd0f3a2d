"""The bus hands everything to everybody, in order, and nobody holds up anybody."""

import asyncio
from asyncio import QueueEmpty

import pytest

from indextts_daemon.service.events import BACKLOG, Event, EventBus


def all_of(queue: asyncio.Queue[Event]) -> list[Event]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def test_every_subscriber_gets_every_event_in_order() -> None:
    bus = EventBus()
    with bus.subscribe() as one, bus.subscribe() as other:
        bus.publish("state", state="ready")
        bus.publish("model", id="fake", state="ready")
        expected = [
            Event(name="state", data={"state": "ready"}),
            Event(name="model", data={"id": "fake", "state": "ready"}),
        ]
        assert all_of(one) == expected
        assert all_of(other) == expected


async def test_only_what_happens_while_listening_is_heard() -> None:
    bus = EventBus()
    bus.publish("before")
    with bus.subscribe() as changes:
        assert changes.empty()
    bus.publish("after")
    assert changes.empty()


async def test_a_slow_listener_loses_the_oldest_and_blocks_nobody() -> None:
    bus = EventBus()
    with bus.subscribe() as slow, bus.subscribe() as quick:
        seen = []
        for number in range(BACKLOG + 10):
            bus.publish("queue", waiting=number)
            seen += all_of(quick)
        assert [event.data["waiting"] for event in seen] == list(range(BACKLOG + 10))
        assert [event.data["waiting"] for event in all_of(slow)] == list(range(10, BACKLOG + 10))


async def test_a_listener_that_leaves_is_forgotten_however_it_leaves() -> None:
    bus = EventBus()
    with pytest.raises(QueueEmpty), bus.subscribe() as changes:
        changes.get_nowait()
    assert bus.subscribers == 0
    with bus.subscribe(), bus.subscribe():
        assert bus.subscribers == 2
    assert bus.subscribers == 0


async def test_a_waiting_listener_wakes() -> None:
    bus = EventBus()
    with bus.subscribe() as changes:
        waiting = asyncio.create_task(changes.get())
        await asyncio.sleep(0)
        bus.publish("closing")
        async with asyncio.timeout(5):
            assert await waiting == Event(name="closing", data={})
