"""Percentiles, medians over rounds, and aims."""

from dataclasses import replace
import math

from hypothesis import given, strategies as st

from indextts_daemon.bench.figures import Aim, Spread, Subject, Trial, Trials, aims, percentile

TIMES = st.lists(st.floats(0, 1e3), min_size=1, max_size=60)
TRIAL = Trial(
    answers=10,
    refused=0,
    failed=0,
    first_ms=Spread(p50=10.0, p95=20.0),
    whole_ms=Spread(p50=15.0, p95=30.0),
    per_s=50.0,
    audio_s=4.0,
    livez_ms=Spread(p50=1.0, p95=2.0),
    cpu_ms=20.0,
    load_share=0.05,
)


def trials(*, daemon: list[Trial], naive: list[Trial], clients: int = 1) -> Trials:
    return {
        Subject(server="naive", clients=clients, format="wav"): naive,
        Subject(server="daemon", clients=clients, format="wav"): daemon,
    }


def aim(found: Trials, words: str) -> Aim:
    return next(aim for aim in aims(found) if words in aim.name)


def test_a_percentile_is_one_of_the_values() -> None:
    hundred = [float(number) for number in range(100, 0, -1)]
    assert percentile(hundred, 0.5) == 50
    assert percentile(hundred, 0.95) == 95
    assert percentile([3.0, 1.0], 0.5) == 1
    assert percentile([3.0, 1.0], 0.95) == 3


@given(TIMES, st.floats(0, 1))
def test_a_percentile_is_the_least_value_that_enough_do_not_exceed(
    times: list[float], share: float
) -> None:
    found = percentile(times, share)
    assert sum(time <= found for time in times) >= share * len(times)
    below = [time for time in times if time < found]
    assert not below or len(below) < share * len(times)


def test_no_times_have_no_percentile() -> None:
    assert math.isnan(percentile([], 0.95))


def test_a_disturbed_round_does_not_move_the_middle() -> None:
    disturbed = replace(TRIAL, first_ms=Spread(p50=900.0, p95=950.0), per_s=1.0)
    middle = Trial.middle([TRIAL, disturbed, TRIAL])
    assert middle.first_ms == TRIAL.first_ms
    assert middle.per_s == TRIAL.per_s


def test_lost_requests_are_added_up_over_the_rounds() -> None:
    middle = Trial.middle([replace(TRIAL, refused=1), replace(TRIAL, failed=2), TRIAL])
    assert (middle.answers, middle.refused, middle.failed) == (30, 1, 2)


def test_ratios_are_taken_within_a_round() -> None:
    slow = [replace(TRIAL, first_ms=Spread(p50=ms, p95=ms)) for ms in (10.0, 100.0, 1000.0)]
    half = [replace(TRIAL, first_ms=Spread(p50=ms, p95=ms)) for ms in (5.0, 50.0, 500.0)]
    assert aim(trials(daemon=half, naive=slow), "naive = 1").value == 0.5


def test_an_aim_is_met_up_to_its_limit_and_missed_beyond() -> None:
    assert Aim(name="", limit=1.0, value=1.0).met
    assert not Aim(name="", limit=1.0, value=1.01).met
    assert Aim(name="", limit=0.95, value=0.95, at_most=False).met
    assert not Aim(name="", limit=0.95, value=0.94, at_most=False).met


def test_an_aim_without_a_value_is_missed() -> None:
    assert not Aim(name="", limit=1.0, value=math.nan).met
    assert not any(aim.met for aim in aims({}))


def test_answers_a_second_are_compared_where_many_wait() -> None:
    found = trials(daemon=[replace(TRIAL, per_s=45.0)], naive=[TRIAL], clients=16)
    assert aim(found, "at 16 clients").value == 0.9
    assert not [aim for aim in aims(trials(daemon=[TRIAL], naive=[TRIAL])) if "second" in aim.name]


def test_a_server_that_answered_nothing_is_no_yardstick() -> None:
    found = trials(daemon=[TRIAL], naive=[replace(TRIAL, per_s=0.0)], clients=16)
    assert not aim(found, "at 16 clients").met


def test_livez_is_judged_at_the_worst_load() -> None:
    busy = replace(TRIAL, livez_ms=Spread(p50=2.0, p95=9.0))
    found = trials(daemon=[TRIAL], naive=[TRIAL]) | trials(daemon=[busy], naive=[TRIAL], clients=16)
    assert aim(found, "/livez").value == 9.0
