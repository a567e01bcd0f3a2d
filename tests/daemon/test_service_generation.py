"""Generations: what was admitted stays bound, and whatever is still needed is known."""

import asyncio
from dataclasses import replace
from typing import Any

from tests.daemon.rooms import StubModel, generations_of, info, voice


def model(identity: str = "big") -> StubModel:
    return StubModel(id=identity, knows=None, info=info(identity, voice("heart", "en")))


def test_a_commit_changes_what_is_current_and_nothing_that_is_bound() -> None:
    generations = generations_of(model())
    with generations.bound() as binding:
        first = binding.generation
        second = generations.commit(lambda now: replace(now, default="other"))
        assert (first.number, first.default) == (1, "big")
        assert (second.number, second.default) == (2, "other")
        assert binding.generation is first
        assert generations.current is second
        binding.renew()
        assert binding.generation is second


def test_the_voices_of_a_generation_go_before_those_a_model_was_loaded_with() -> None:
    big: Any = model()
    generations = generations_of(big)
    before = generations.current
    lotus = voice("lotus", "zh")
    after = generations.commit(lambda now: replace(now, voices={big: (lotus,)}))
    assert [one.id for one in before.info(big).voices] == ["heart"]  # type: ignore[union-attr]
    assert [one.id for one in after.info(big).voices] == ["lotus"]  # type: ignore[union-attr]
    big.info = None
    assert after.info(big) is None


async def test_a_model_is_needed_until_the_last_who_may_still_choose_it_has_left() -> None:
    big, small = model(), model("small")
    generations = generations_of(big, small)
    with generations.bound() as undecided, generations.bound() as settled:
        settled.settle(small)  # type: ignore[arg-type]
        assert generations.needed(big) == 1  # type: ignore[arg-type]
        assert generations.needed(small) == 2  # type: ignore[arg-type]
        gone = asyncio.create_task(generations.unneeded(big))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert not gone.done()
        undecided.settle(small)  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        await gone
    assert not generations.needed(small)  # type: ignore[arg-type]


async def test_who_settles_on_another_model_lets_go_of_the_rest_at_once() -> None:
    big, small = model(), model("small")
    generations = generations_of(big, small)
    with generations.bound() as binding:
        gone = asyncio.create_task(generations.unneeded(big))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        binding.settle(small)  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            await gone


async def test_who_may_still_choose_has_chosen_nobody() -> None:
    big, small = model(), model("small")
    generations = generations_of(big, small)
    with generations.bound(), generations.bound() as binding:
        assert not generations.chosen(small)  # type: ignore[arg-type]
        binding.settle(small)  # type: ignore[arg-type]
        assert generations.chosen(small) == 1  # type: ignore[arg-type]
    assert not generations.chosen(small)  # type: ignore[arg-type]


async def test_a_generation_has_passed_once_nobody_is_bound_to_it_or_one_before() -> None:
    generations = generations_of(model())
    with generations.bound():
        second = generations.commit(lambda now: now)
        with generations.bound():
            passed = asyncio.create_task(generations.passed(second.number))
            generations.commit(lambda now: now)
            await asyncio.sleep(0)
            assert not passed.done()
    async with asyncio.timeout(5):
        await passed
    with generations.bound():
        async with asyncio.timeout(5):
            await generations.passed(generations.current.number)


async def test_who_is_bound_to_a_later_generation_holds_no_earlier_one_up() -> None:
    generations = generations_of(model())
    with generations.bound():
        second = generations.commit(lambda now: now)
        passed = asyncio.create_task(generations.passed(second.number))
        with generations.bound() as later:
            await asyncio.sleep(0)
            assert later.generation is second
            assert not passed.done()
    await passed
