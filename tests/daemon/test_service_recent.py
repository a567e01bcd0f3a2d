"""The last hundred orders in a few numbers."""

import pytest

from indextts_daemon.service.recent import REMEMBERED, Recent, RecentFigures, Spoken


def spoken(first_audio_s: float | None, *, audio_s: float = 1.0, engine_s: float = 0.1) -> Spoken:
    return Spoken(first_audio_s=first_audio_s, audio_s=audio_s, engine_s=engine_s)


def recent(*orders: Spoken) -> RecentFigures:
    remembered = Recent()
    for order in orders:
        remembered.add(order)
    return remembered.figures()


def test_before_the_first_order_there_is_nothing_to_tell() -> None:
    assert recent() == RecentFigures(
        requests=0, first_audio_p50_s=None, first_audio_p95_s=None, real_time_factor=None
    )


def test_one_order_is_every_percentile() -> None:
    figures = recent(spoken(0.25))
    assert (figures.first_audio_p50_s, figures.first_audio_p95_s) == (0.25, 0.25)


def test_a_percentile_is_a_time_that_was_measured() -> None:
    figures = recent(*(spoken(float(second)) for second in reversed(range(1, 101))))
    assert (figures.first_audio_p50_s, figures.first_audio_p95_s) == (50, 95)


def test_the_oldest_is_forgotten_beyond_a_hundred() -> None:
    figures = recent(*[spoken(9.0)] * 50, *[spoken(1.0)] * REMEMBERED)
    assert (figures.requests, figures.first_audio_p95_s) == (100, 1.0)


def test_the_real_time_factor_weighs_each_order_by_its_audio() -> None:
    short, long = spoken(None, audio_s=1, engine_s=1), spoken(None, audio_s=9, engine_s=1)
    assert recent(short, long).real_time_factor == pytest.approx(0.2)


@pytest.mark.parametrize("audio_s", [0.0, 2.0])
def test_an_order_without_audio_still_counts(audio_s: float) -> None:
    figures = recent(spoken(None, audio_s=audio_s))
    assert figures.requests == 1
    assert figures.first_audio_p50_s is None
    assert (figures.real_time_factor is None) == (audio_s == 0)
