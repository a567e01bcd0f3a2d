"""Probation: three failures soon after a promotion send a model back, and later ones do not."""

from dataclasses import dataclass, field

import pytest

from indextts_daemon.service.models import Model
from indextts_daemon.service.probation import MOST_FAILURES, Probation
from tests.daemon.rooms import real_model


@dataclass
class Case:
    """A probation on a clock of its own."""

    now: float = 0.0
    back: list[str] = field(default_factory=list)

    def begin(self, model: Model, lasts_s: float = 10.0) -> Probation:
        probation = Probation(clock=lambda: self.now)
        probation.begin(model, lasts_s=lasts_s, undo=self.back.append)
        return probation


@pytest.fixture
def case() -> Case:
    return Case()


async def test_the_third_failure_sends_it_back_and_says_why_once(case: Case) -> None:
    async with real_model() as here:
        probation = case.begin(here.model)
        assert probation.model is here.model
        for failures in range(MOST_FAILURES + 2):
            assert len(case.back) == (failures >= MOST_FAILURES)
            here.model.note_failure()
        assert case.back == ["It failed 3 times soon after it was promoted."]
        assert probation.model is None


async def test_what_fails_after_its_probation_is_only_replaced(case: Case) -> None:
    async with real_model() as here:
        probation = case.begin(here.model)
        here.model.note_failure()
        case.now = 10.0
        for _ in range(MOST_FAILURES):
            here.model.note_failure()
        assert case.back == []
        assert probation.model is None


async def test_the_next_promotion_ends_the_probation_of_the_last(case: Case) -> None:
    async with real_model() as old, real_model() as new:
        probation = case.begin(old.model)
        probation.begin(new.model, lasts_s=10.0, undo=case.back.append)
        for _ in range(MOST_FAILURES):
            old.model.note_failure()
        assert case.back == []
        assert probation.model is new.model


async def test_without_a_length_there_is_none(case: Case) -> None:
    async with real_model() as here:
        assert case.begin(here.model, lasts_s=0).model is None
        for _ in range(MOST_FAILURES):
            here.model.note_failure()
        assert case.back == []
