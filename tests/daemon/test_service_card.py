"""The card is looked at beside the event loop, once at a time."""

import threading
from typing import Any

import pytest

from indextts_daemon.gpu import GpuProcess, GpuUsage
from indextts_daemon.metrics import Metrics
from indextts_daemon.service import card as card_module
from indextts_daemon.service.card import Card

GIB = 2**30


def seen(**other: Any) -> GpuUsage:
    fields: dict[str, Any] = {
        "total_bytes": 16 * GIB,
        "free_bytes": 5 * GIB,
        "ours_bytes": 6 * GIB,
        "foreign": (GpuProcess(pid=5, memory_bytes=4 * GIB, graphics=True),),
        "load": 0.0,
    }
    return GpuUsage(**fields | other)


def figures(metrics: Metrics) -> list[float | None]:
    names = ("memory_used", "memory_total", "process_memory", "foreign_memory")
    values = metrics.registry.get_sample_value
    return [values(f"indextts_gpu_{name}_bytes", {"gpu": "0"}) for name in names]


async def test_what_is_seen_is_told_to_the_metrics() -> None:
    metrics = Metrics()
    assert await Card(metrics, lambda _: seen()).usage() == seen()
    assert figures(metrics) == [11 * GIB, 16 * GIB, 6 * GIB, 4 * GIB]


async def test_what_the_driver_does_not_tell_is_the_rest() -> None:
    metrics = Metrics()
    await Card(metrics, lambda _: seen(ours_bytes=6 * GIB, foreign=None)).usage()
    assert figures(metrics) == [11 * GIB, 16 * GIB, 6 * GIB, 5 * GIB]


async def test_without_a_card_there_are_no_figures() -> None:
    metrics = Metrics()
    assert await Card(metrics, lambda _: None).usage() is None
    assert figures(metrics) == [None] * 4


async def test_a_driver_that_hangs_is_given_up_and_not_asked_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(card_module, "PATIENCE_S", 0.05)
    metrics, answered, asked = Metrics(), threading.Event(), []

    def hang(_: Any) -> GpuUsage:
        asked.append(1)
        answered.wait(20)
        return seen()

    card = Card(metrics, hang)
    assert [await card.usage(), await card.usage()] == [None, None]
    assert len(asked) == 1
    assert metrics.registry.get_sample_value("indextts_gpu_collector_errors_total") == 2
    answered.set()
    monkeypatch.setattr(card_module, "PATIENCE_S", 20)
    assert await card.usage() == seen()


async def test_an_error_of_the_driver_is_counted() -> None:
    metrics = Metrics()

    def fail(failed: Any) -> None:
        failed()

    assert await Card(metrics, fail).usage() is None
    assert metrics.registry.get_sample_value("indextts_gpu_collector_errors_total") == 1
