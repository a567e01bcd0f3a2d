"""When the card is left to others, and when there is room again; seconds and gibibytes."""

from dataclasses import replace
from typing import Any

import pytest

from indextts_daemon.gpu import GpuProcess, GpuUsage
from indextts_daemon.service.neighbors import Neighbors, Tenancy

GIB = 2**30
DESKTOP, GAME = 5, 77
SIX = Tenancy(
    resident=frozenset({"indextts-2"}), held_bytes=6 * GIB, need_bytes=6 * GIB, spare_bytes=GIB
)
AWAY = replace(SIX, resident=frozenset(), held_bytes=0)


def card(ours: float | None, *, load: float | None = 0.0, total: float = 16, **others: Any) -> Any:
    """See a card; others are named desktop and game, in GiB. Without ours, nobody is told."""
    held = {DESKTOP: others.get("desktop", 0.8), GAME: others.get("game", 0.0)}
    used = sum(held.values()) + (ours or 0) + others.get("untold", 0.0)
    return GpuUsage(
        total_bytes=int(total * GIB),
        free_bytes=max(0, int((total - used) * GIB)),
        ours_bytes=None if ours is None else int(ours * GIB),
        foreign=None
        if ours is None
        else tuple(
            GpuProcess(pid=pid, memory_bytes=int(gib * GIB), graphics=True)
            for pid, gib in held.items()
            if gib
        ),
        load=load,
    )


def settled(seen: Any, tenancy: Tenancy = SIX) -> Neighbors:
    """Be there already, beside what is seen."""
    neighbors = Neighbors()
    assert not neighbors.press(seen, tenancy, 0.0)
    return neighbors


def test_a_game_that_leaves_too_little_free_is_given_way_at_once() -> None:
    neighbors = settled(card(6))
    assert neighbors.press(card(6, game=8.5), SIX, 1.0)


def test_a_game_beside_which_enough_is_free_is_not_given_way() -> None:
    neighbors = settled(card(6))
    assert not any(neighbors.press(card(6, game=8.0), SIX, second) for second in range(1, 100))


def test_a_program_that_was_there_and_grows_is_given_way_after_two_seconds() -> None:
    neighbors = settled(card(6, desktop=2))
    grown = card(6, desktop=9.5)
    assert [neighbors.press(grown, SIX, second) for second in (1.0, 2.0, 2.9, 3.0)] == [
        *(False, False, False, True)
    ]


def test_a_moment_of_pressure_is_forgotten() -> None:
    neighbors = settled(card(6, desktop=2))
    for second in range(1, 60, 3):
        assert not neighbors.press(card(6, desktop=9.5), SIX, second)
        assert not neighbors.press(card(6, desktop=9.5), SIX, second + 1)
        assert not neighbors.press(card(6, desktop=2), SIX, second + 2)


def test_a_card_that_we_fill_ourselves_is_not_left() -> None:
    """Eight gibibytes, seven of them ours: what is free is under the threshold for good."""
    neighbors = settled(card(6.9, total=8))
    for second, desktop in enumerate((0.8, 0.85, 0.8, 0.9, 0.82), start=1):
        assert not neighbors.press(card(6.9, total=8, desktop=desktop), SIX, second)


def test_our_own_growth_is_not_taken_for_a_game() -> None:
    neighbors = settled(card(6, game=3))
    assert not any(neighbors.press(card(11.9, game=3), SIX, second) for second in range(1, 9))


def test_on_a_nearly_full_card_a_game_that_gets_what_is_left_is_given_way() -> None:
    neighbors = settled(card(6.9, total=8))  # 0.3 are free
    assert neighbors.press(card(6.9, total=8, desktop=1.0), SIX, 1.0) is False
    assert neighbors.press(card(6.9, total=8, desktop=1.0), SIX, 3.0)


def test_while_a_model_comes_whose_share_nobody_tells_nothing_is_judged() -> None:
    neighbors = Neighbors()
    coming = replace(SIX, held_bytes=None)
    for second, untold in enumerate((0, 3, 6, 15)):
        assert not neighbors.press(card(None, untold=untold), coming, second)


def test_a_driver_that_tells_of_no_process_is_helped_out_by_what_was_measured() -> None:
    neighbors = Neighbors()
    assert not neighbors.press(card(None, untold=6), SIX, 0.0)
    full = card(None, untold=6, game=8.5)
    assert [neighbors.press(full, SIX, second) for second in (1.0, 2.0, 3.0)] == [
        *(False, False, True)
    ]


def test_a_model_that_is_loaded_besides_counts_anew_what_others_hold() -> None:
    """Others had taken their share while there was room: it is our second model that fills it."""
    neighbors = settled(card(6))
    assert not neighbors.press(card(6, game=3), SIX, 1.0)
    both = replace(SIX, resident=frozenset({"indextts-2", "indextts-2-5"}))
    assert not any(neighbors.press(card(11.5, game=3), both, second) for second in range(2, 9))


def test_a_worker_that_is_replaced_does_not_excuse_the_game_that_ended_it() -> None:
    neighbors = settled(card(6))
    lost = replace(SIX, held_bytes=None)
    assert neighbors.press(card(0, game=15), lost, 1.0)


def test_asleep_a_card_without_room_for_us_is_left_alone() -> None:
    neighbors = settled(card(6))
    neighbors.press(card(0), AWAY, 1.0)
    assert neighbors.press(card(0, game=12), AWAY, 2.0)


def left_for(seen: Any, *, beside: Any = None) -> Neighbors:
    neighbors = settled(beside or card(6))
    assert neighbors.press(seen, SIX, 0.0)
    neighbors.left()
    return neighbors


def returns_at(
    neighbors: Neighbors, seen: Any, *, of: Tenancy = AWAY, start: int = 1
) -> int | None:
    for second in range(start, start + 300):
        if neighbors.calm(seen, of, float(second)):
            return second
    return None


def test_we_are_back_ten_seconds_after_the_game_has_ended() -> None:
    assert returns_at(left_for(card(6, game=9)), card(0)) == 11


def test_a_game_that_plays_on_keeps_us_away_though_there_would_be_room() -> None:
    neighbors = left_for(card(6, game=9))
    assert returns_at(neighbors, card(0, game=5, load=0.9)) is None


def test_a_program_that_only_keeps_its_memory_is_lived_with_where_there_is_room() -> None:
    neighbors = left_for(card(6, game=9))
    assert returns_at(neighbors, card(0, game=9, load=0.05)) is None
    assert returns_at(neighbors, card(0, game=5, load=0.05), start=400) == 410


@pytest.mark.parametrize(("desktop", "back"), [(8.05, 11), (8.15, None)])
def test_room_is_what_we_need_and_fifteen_percent_and_what_others_want(
    desktop: float, back: int | None
) -> None:
    """Of 16 GiB, 6 x 1.15 and 1 leave 8.1; the game is gone, and the desktop has grown."""
    neighbors = left_for(card(6, game=9))
    assert returns_at(neighbors, card(0, desktop=desktop, load=0.9)) == back


def test_on_a_card_that_never_has_such_room_we_are_back_once_all_is_as_it_was() -> None:
    neighbors = left_for(
        card(6.9, total=8, desktop=0.5, game=0.55), beside=card(6.9, total=8, desktop=0.5)
    )
    need = replace(AWAY, need_bytes=int(6.9 * GIB))
    assert returns_at(neighbors, card(0, total=8, desktop=0.5), of=need) == 11


def test_calm_that_is_broken_counts_anew() -> None:
    neighbors = left_for(card(6, game=9))
    assert returns_at(neighbors, card(0), start=1) == 11
    neighbors = left_for(card(6, game=9))
    for second in range(1, 10):
        assert not neighbors.calm(card(0), AWAY, second)
    assert not neighbors.calm(card(0, game=12, load=0.9), AWAY, 10)
    assert returns_at(neighbors, card(0), start=11) == 21


def test_two_returns_are_a_minute_apart() -> None:
    neighbors = left_for(card(6, game=9))
    assert returns_at(neighbors, card(0)) == 11
    assert not neighbors.press(card(6), SIX, 12.0)
    assert neighbors.press(card(6, game=9), SIX, 13.0)
    neighbors.left()
    assert returns_at(neighbors, card(0), start=14) == 71


def test_a_driver_that_is_gone_keeps_us_away_for_a_minute_only() -> None:
    assert returns_at(left_for(card(6, game=9)), None) == 61


def test_what_the_household_takes_back_by_hand_is_not_left_again_for_the_same_game() -> None:
    neighbors = left_for(card(6, game=9))
    playing = card(6, game=9, load=0.9)
    assert not any(neighbors.press(playing, SIX, second) for second in range(1, 100))
