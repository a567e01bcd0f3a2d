"""A pause is told, counted and written down; what is damaged is as if nothing was written."""

import json
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon.metrics import Metrics
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.pause import Pause, PauseBook
from tests.daemon.rooms import shut

BY_HAND = Pause(reason="Films", who="api", since=1000.0, until=4600.0)
BY_WATCH = Pause(reason="A game", who="game_mode", since=1000.0)


def book(file: Path | None = None) -> PauseBook:
    return PauseBook(EventBus(), Metrics(), file)


@pytest.mark.parametrize("pause", [BY_HAND, BY_WATCH, None])
async def test_what_is_in_force_survives_a_restart(tmp_path: Path, pause: Pause | None) -> None:
    file = tmp_path / "state" / "paused.json"
    before = book(file)
    before.note(BY_HAND)
    before.note(pause)
    await before.save(others_bytes=12345)
    after = book(file)
    assert (after.now, after.others_bytes) == (pause, 12345)
    assert after.begun.is_set() == (pause is not None)


def test_a_pause_is_counted_by_its_kind_from_the_start(tmp_path: Path) -> None:
    metrics = Metrics()

    def counted() -> list[float | None]:
        return [
            metrics.registry.get_sample_value("indextts_paused", {"reason": reason})
            for reason in ("paused", "gpu_busy")
        ]

    file = tmp_path / "paused.json"
    file.write_text(json.dumps({"paused": BY_WATCH.shape(), "others_bytes": None}))
    kept = PauseBook(EventBus(), metrics, file)
    assert counted() == [0, 1]
    kept.note(BY_HAND)
    assert counted() == [1, 0]
    kept.note(None)
    assert counted() == [0, 0]


def test_what_is_noted_twice_is_told_once() -> None:
    events = EventBus()
    kept = PauseBook(events, Metrics())
    with events.subscribe() as told:
        for pause in (BY_HAND, BY_HAND, None, None):
            kept.note(pause)
        shapes = [told.get_nowait().data["paused"] for _ in range(told.qsize())]
    assert shapes == [BY_HAND.shape(), None]
    assert BY_HAND.shape() == {"reason": "Films", "who": "api", "since": 1000.0, "until": 4600.0}


def written(**other: Any) -> bytes:
    return json.dumps({"paused": BY_HAND.shape() | other, "others_bytes": None}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"paused": {}}',
        b'{"paused": {}, "others_bytes": null}',
        b'{"paused": [], "others_bytes": null}',
        b'{"paused": "yes", "others_bytes": null}',
        b'{"paused": null, "others_bytes": "much"}',
        b'{"paused": null, "others_bytes": NaN}',
        written(since="yesterday"),
        written(since=True),
        written(until=float("nan")),
        written(until=float("inf")),
        written(until=10**400),
        written(reason=None),
        written(who=7),
        *(written()[:cut] for cut in range(1, len(written()), 9)),
    ],
    ids=lambda content: repr(content[-24:]),
)
def test_a_damaged_file_pauses_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "paused.json"
    file.write_bytes(content)
    kept = book(file)
    assert (kept.now, kept.others_bytes) == (None, None)


def test_a_file_that_cannot_be_read_pauses_nothing(tmp_path: Path) -> None:
    (tmp_path / "paused.json").mkdir()
    assert book(tmp_path / "paused.json").now is None


async def test_a_disk_that_refuses_leaves_the_pause_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    kept = book(folder / "paused.json")
    kept.note(BY_HAND)
    with shut(folder):
        await kept.save(others_bytes=None)
    assert kept.now == BY_HAND
    assert "could not write down the pause" in caplog.text
    assert str(tmp_path) not in caplog.text
