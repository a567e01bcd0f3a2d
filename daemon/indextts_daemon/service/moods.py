"""The moods of the household: a few that everybody knows, and those in its own file."""

from collections.abc import Iterator, Mapping
import hashlib
import logging
from types import MappingProxyType
from typing import Any

import voluptuous as vol

from indextts_daemon.config import VOICE_ID, Document, parse, problems, refused
from indextts_daemon.errors import Problem
from indextts_daemon.speech import EMOTIONS

from .feelings import Mood

NAME = "moods.yaml"

LOGGER = logging.getLogger(__name__)


def _mood(name: str, *, strength: float = 1.0, speed: float = 1.0, **emotion: float) -> Mood:
    weights = tuple(emotion.get(one, 0.0) for one in EMOTIONS)
    return Mood(id=name, weights=weights if any(weights) else (), strength=strength, speed=speed)


BUILT_IN: Mapping[str, Mood] = MappingProxyType(
    {
        mood.id: mood
        for mood in (
            _mood("calm", calm=0.8, speed=0.95),
            _mood("cheerful", happy=0.7, surprised=0.1, speed=1.05),
            _mood("urgent", angry=0.3, afraid=0.25, surprised=0.2, speed=1.15),
            _mood("sad", sad=0.7, speed=0.92),
            _mood("bedtime", calm=0.7, melancholic=0.1, speed=0.85),
            _mood("excited", surprised=0.5, happy=0.4, speed=1.1),
            _mood("serious", calm=0.5, angry=0.15, speed=0.97),
        )
    }
)


def _number(low: float, high: float) -> Any:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise vol.Invalid(f"expected a number from {low:g} to {high:g}")
        return float(value)

    return check


_FIELDS = vol.Schema(
    {
        vol.Optional("emotion", default=dict): {vol.In(EMOTIONS): _number(0, 1)},
        vol.Optional("strength", default=1.0): _number(0, 2),
        vol.Optional("speed", default=1.0): _number(0.5, 2),
    }
)


def parse_moods(text: str) -> Mapping[str, Mood]:
    """Return the moods by id: the built-in ones, and over them those of the text.

    A mood whose name stands alone in the text is left out. Raises SettingsError with all that is
    wrong.
    """
    moods, wrong = _read(text)
    if wrong:
        raise refused(wrong)
    return moods


def good_moods(text: str) -> Mapping[str, Mood]:
    """Return what `parse_moods` would without the moods that are wrong, which are logged.

    A built-in one of such a name stays. Raises SettingsError where no mood can be read.
    """
    moods, wrong = _read(text)
    for problem in wrong:
        LOGGER.warning("a mood is left out: %s", problem.message)
    return moods


def _read(text: str) -> tuple[Mapping[str, Mood], tuple[Problem, ...]]:
    document = parse(text, name=NAME, example="party: {speed: 1.1}")
    moods, wrong = dict(BUILT_IN), list(_not_text(document))
    own = {name: said for name, said in document.tree.items() if isinstance(name, str)}
    for name, said in own.items():
        try:
            mood = _described(name, said)
        except vol.MultipleInvalid as err:
            err.prepend([name])
            wrong += problems(err, document.origins)
            continue
        if mood is None:
            moods.pop(name, None)
        else:
            moods[name] = mood
    return moods, tuple(wrong)


def _described(name: str, said: Any) -> Mood | None:
    """Return the mood that is written under a name, None where nothing is. Raises Invalid."""
    if not VOICE_ID.fullmatch(name):
        raise vol.MultipleInvalid([vol.Invalid("expected a name like good-night")])
    if said is None:
        return None
    fields = _FIELDS(said)
    return _mood(name, **fields.pop("emotion"), **fields)


def _not_text(document: Document) -> Iterator[Problem]:
    """Name what YAML takes for something else than text, such as on, no and 1."""
    if all(isinstance(name, str) for name in document.tree):
        return
    for name, origin in document.origins.items():
        if name and name not in document.tree and not _is_below(name, document):
            yield Problem(
                message=f"{origin}{name}: put quotes around it.", path=name, line=origin.line
            )


def _is_below(name: str, document: Document) -> bool:
    """Whether a dotted name is that of a field below another name."""
    parts = name.split(".")
    return any(".".join(parts[:n]) in document.origins for n in range(1, len(parts)))


def named(moods: Mapping[str, Mood]) -> str:
    """Return a short name for exactly these moods."""
    told = "".join(f"{mood}\n" for _, mood in sorted(moods.items()))
    return hashlib.sha256(told.encode()).hexdigest()[:16]
