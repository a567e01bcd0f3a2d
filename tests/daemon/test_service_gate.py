"""The gate: holds who comes for a model that is being replaced, within bounds, and nobody else."""

import asyncio

import pytest

from indextts_daemon.errors import EngineUnavailableError, QueueFullError
from indextts_daemon.service.gate import Gate
from indextts_daemon.service.routing import SpeechOrder
from tests.daemon.rooms import StubModel, generations_of

HELLO = SpeechOrder(text="Hello.")
NOW = generations_of(
    StubModel(id="big", knows=None),
    StubModel(id="embedded", knows=None),
    settings={"queue.capacity": 2},
).current


async def test_an_open_gate_holds_nobody() -> None:
    await Gate().passed(HELLO, NOW)


@pytest.mark.parametrize(
    "order",
    [
        SpeechOrder(text="Fire.", priority="critical"),
        SpeechOrder(text="Hello.", model="embedded"),
    ],
)
async def test_what_is_urgent_or_for_another_model_passes_a_shut_gate(order: SpeechOrder) -> None:
    gate = Gate()
    gate.shut({"big"}, hold_s=60)
    async with asyncio.timeout(5):
        await gate.passed(order, NOW)


@pytest.mark.parametrize("model", [None, "big", "tts-1"])
async def test_who_comes_for_the_model_waits_until_it_opens(model: str | None) -> None:
    gate = Gate()
    gate.shut({"big"}, hold_s=60)
    waiting = asyncio.create_task(gate.passed(SpeechOrder(text="Hi.", model=model), NOW))
    await asyncio.sleep(0)
    assert gate.waiting == 1
    gate.open({"big"})
    async with asyncio.timeout(5):
        await waiting
    assert gate.waiting == 0


async def test_each_models_gate_opens_by_itself() -> None:
    gate = Gate()
    gate.shut({"big"}, hold_s=60)
    gate.shut({"embedded"}, hold_s=60)
    big, embedded = (
        asyncio.create_task(gate.passed(SpeechOrder(text="Hi.", model=model), NOW))
        for model in ("big", "embedded")
    )
    await asyncio.sleep(0)
    assert gate.waiting == 2
    gate.open({"embedded", "small"})
    async with asyncio.timeout(5):
        await embedded
        assert (gate.waiting, big.done()) == (1, False)
        gate.open({"big"})
        await big


async def test_nobody_waits_longer_than_the_hold_or_in_a_longer_line_than_the_queue_has() -> None:
    gate = Gate()
    gate.shut({"big"}, hold_s=0.05)
    crowd = [asyncio.create_task(gate.passed(HELLO, NOW)) for _ in range(3)]
    refusals = await asyncio.gather(*crowd, return_exceptions=True)
    kinds = [type(refusal) for refusal in refusals]
    assert kinds == [EngineUnavailableError, EngineUnavailableError, QueueFullError]
    assert gate.waiting == 0
