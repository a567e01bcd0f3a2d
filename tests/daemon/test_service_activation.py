"""What was chosen: where a rollback goes, what a later edit of the settings means, what failed."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from indextts_daemon.config import load_settings
from indextts_daemon.errors import SpeechError
from indextts_daemon.service.activation import MAIN, Activation, NothingToRollBackError

SETTINGS = load_settings(file=None, environment={}, flags={"engine": "fake"})
MODELS, VERSIONS = ("big", "small"), (MAIN, "b", "c")


def speaking(activation: Activation) -> tuple[str, dict[str, str]]:
    """Return all that anybody hears of a choice."""
    return activation.default, {model: activation.version(model) for model in MODELS}


def test_without_a_choice_the_settings_and_the_main_versions_count() -> None:
    assert speaking(Activation()) == ("", {"big": MAIN, "small": MAIN})


def test_activating_a_version_makes_its_model_the_default() -> None:
    assert speaking(Activation().activate("small", "b")) == ("small", {"big": MAIN, "small": "b"})


def test_activating_no_version_keeps_the_one_that_was_chosen() -> None:
    chosen = Activation().activate("small", "b").activate("big").activate("small")
    assert speaking(chosen) == ("small", {"big": MAIN, "small": "b"})


def test_activating_what_speaks_already_keeps_the_way_back() -> None:
    once = Activation().activate("big", "b")
    assert once.activate("big", "b") == once


def test_a_rollback_goes_to_the_version_before_and_the_next_one_forth_again() -> None:
    chosen = Activation().activate("big", "b").activate("big", "c")
    back = chosen.rollback("big")
    assert speaking(back) == ("big", {"big": "b", "small": MAIN})
    assert speaking(back.rollback("big")) == speaking(chosen)


def test_a_rollback_of_another_default_brings_back_the_one_before() -> None:
    chosen = Activation().activate("big", "b").activate("small")
    assert speaking(chosen.rollback("small")) == ("big", {"big": "b", "small": MAIN})


def test_the_first_rollback_goes_to_what_the_settings_say() -> None:
    assert speaking(Activation().activate("big", "b").rollback("big")) == speaking(Activation())


def test_what_was_never_changed_cannot_go_back() -> None:
    with pytest.raises(NothingToRollBackError):
        Activation().activate("big", "b").rollback("small")


@given(st.lists(st.tuples(st.sampled_from(MODELS), st.sampled_from(VERSIONS))), st.data())
def test_whatever_was_done_one_rollback_undoes_the_last_activation(
    steps: list[tuple[str, str]], data: st.DataObject
) -> None:
    activation = Activation()
    for model, version in steps:
        activation = activation.activate(model, version)
        if data.draw(st.booleans()):
            activation = activation.rollback(model)
    before = speaking(activation)
    model = data.draw(st.sampled_from(MODELS))
    after = activation.activate(model, data.draw(st.sampled_from(VERSIONS)))
    if speaking(after) != before:
        assert speaking(after.rollback(model)) == before
        assert speaking(after.rollback(model).rollback(model)) == speaking(after)


def test_a_choice_holds_while_engine_and_model_are_set_as_they_were() -> None:
    chosen = Activation().under(SETTINGS).activate("big", "b")
    assert chosen.under(replace(SETTINGS, language="de")) == chosen


@pytest.mark.parametrize(
    "edited",
    [
        replace(SETTINGS, engine="embedded"),
        replace(SETTINGS, indextts=replace(SETTINGS.indextts, model="elsewhere")),
    ],
    ids=["engine", "model"],
)
def test_a_later_edit_of_the_settings_wins_over_a_choice(edited: object) -> None:
    chosen = Activation().under(SETTINGS).activate("big", "b")
    chosen = chosen.fail("big", "c", revision="1", reason="Silent.")
    after = chosen.under(edited)  # type: ignore[arg-type]
    assert speaking(after) == speaking(Activation())
    assert after.failure("big", "c", revision="1") == "Silent."
    with pytest.raises(SpeechError):
        after.rollback("big")


def test_a_failure_is_of_those_weights_only_and_can_be_made_good() -> None:
    failed = Activation().fail("big", "b", revision="1", reason="Silent.")
    assert failed.failure("big", "b", revision="1") == "Silent."
    assert failed.failure("big", "b", revision="2") == ""
    assert failed.failure("big", "c", revision="1") == ""
    kept = failed.succeed("big", "b", revision="2")  # others of that name, which are loaded
    assert kept.failure("big", "b", revision="1") != ""
    assert failed.succeed("big", "b", revision="1").failure("big", "b", revision="1") == ""
