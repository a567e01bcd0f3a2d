"""The pool: the models of the current generation, their voices and what they sound like."""

from typing import Any

import pytest

from indextts_daemon.errors import ModelNotFoundError
from indextts_daemon.service import pool as pool_room
from indextts_daemon.service.pool import ModelPool
from indextts_daemon.worker.handle import WorkerState
from tests.daemon.rooms import StubModel, info, pool_of, voice


def pool(*, default: str = "big") -> ModelPool:
    big = StubModel(
        id="big", knows=None, info=info("big", voice("heart", "en", "de"), voice("lotus", "zh"))
    )
    small = StubModel(
        id="small", knows=None, info=info("small", voice("heart", "en"), voice("pico", "fr"))
    )
    return pool_of(*((big, small) if default == "big" else (small, big)))


def test_a_pool_knows_its_models_by_id() -> None:
    both = pool()
    assert [model.id for model in both] == ["big", "small"]
    assert both.get("small").id == "small"
    assert both.default.id == "big"
    with pytest.raises(ModelNotFoundError, match=r"Known are: big, small\.") as refused:
        both.get("zork")
    assert refused.value.param == "model"


@pytest.mark.parametrize(
    ("default", "ids", "languages"),
    [
        ("big", ["heart", "lotus", "pico"], ("en", "de")),
        ("small", ["heart", "pico", "lotus"], ("en",)),
    ],
)
def test_of_two_voices_with_one_id_the_default_models_is_meant(
    default: str, ids: list[str], languages: tuple[str, ...]
) -> None:
    voices = pool(default=default).voices()
    assert list(voices) == ids
    assert voices["heart"].languages == languages


def test_a_model_that_was_never_loaded_has_no_voices_yet() -> None:
    both = pool()
    both.default.info = None
    assert list(both.voices()) == ["heart", "pico"]


def test_what_another_says_in_the_defaults_place_is_not_kept_for_its_own() -> None:
    both = pool()
    usual, (default, other) = both.revision(), both
    default.state = WorkerState.loading
    stand_in = both.revision()
    assert stand_in not in {usual, None}
    other.state = WorkerState.failed
    assert both.revision() is None
    default.state = WorkerState.ready
    assert both.revision() == usual


def test_the_revision_changes_with_what_is_heard_and_with_nothing_else() -> None:
    def revision(*voices: Any, weights: str = "weights") -> str | None:
        knows = info("big", *voices)
        changed = type(knows)(
            **{name: getattr(knows, name) for name in knows.__slots__} | {"revision": weights}
        )
        return pool_of(StubModel(id="big", knows=None, info=changed)).revision()

    heart, lotus = voice("heart", "en"), voice("lotus", "zh")
    first = revision(heart, lotus)
    assert first is not None
    assert len(first) == 16
    assert revision(lotus, heart) == first
    assert revision(heart, voice("lotus", "zh", revision="2")) != first
    assert revision(heart) != first
    assert revision(heart, lotus, weights="others") != first


def test_there_is_no_revision_before_the_recordings_were_looked_for() -> None:
    """Else each start would take a voice for gone, and a client forget what it has heard."""
    default = StubModel(id="big", knows=None, info=info("big", voice("heart", "en")))
    pool = pool_of(default)
    default.is_cast = False
    assert pool.revision() is None
    default.is_cast = True
    assert pool.revision() is not None


def test_the_revision_changes_when_texts_are_read_differently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = pool()
    first = both.revision()
    monkeypatch.setattr(pool_room, "TEXT_RULES_VERSION", "next")
    assert both.revision() != first
