"""What fails on probation goes back to what spoke before, as far as that still counts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon.config import load_settings
from indextts_daemon.service.activation import Activation
from indextts_daemon.service.routing import FALLBACK
from indextts_daemon.service.undoing import undoing
from indextts_daemon.service.versions import ModelsWish, Versions
from tests.daemon.rooms import StubModel, generations_of

UNUSED: Any = object()


@dataclass
class StubReloader:
    """Takes note of what is begun."""

    begun: list[object] = field(default_factory=list)

    def start(self, scope: str, *, wish: object, **_: object) -> None:
        self.begun.append(wish)


@pytest.mark.parametrize(
    ("engine", "wish"),
    [
        ("fake", ModelsWish(action="rollback", model="fake")),
        ("auto", ModelsWish(action="activate", model=FALLBACK)),
    ],
)
def test_a_model_goes_back_only_to_what_was_chosen_under_the_settings_that_count(
    tmp_path: Path, engine: str, wish: ModelsWish
) -> None:
    """Under others nothing came before it: a rollback would be refused, and it would stay."""
    chosen = load_settings(file=None, environment={}, flags={"engine": "fake"})
    versions, reloader = Versions(tmp_path), StubReloader()
    versions.activation = Activation().under(chosen).activate("fake", "b")
    generations = generations_of(StubModel(id="fake", knows=None), settings={"engine": engine})
    undo = undoing(generations, reloader, versions, UNUSED).model  # type: ignore[arg-type]
    assert undo("fake") == ""
    assert reloader.begun == [wish]
