"""The moods of the household: a few that everybody knows, and those in its own file."""

from collections.abc import Mapping
import hashlib
import logging
from pathlib import Path
from types import MappingProxyType
from typing import Any

import voluptuous as vol

from indextts_daemon.config import VOICE_ID, explained, read_tree
from indextts_daemon.errors import SettingsError
from indextts_daemon.speech import EMOTIONS

from .feelings import Mood

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


def load_moods(file: Path) -> Mapping[str, Mood]:
    """Return the moods as `read_moods` does; what is wrong in the file is logged.

    Raises SettingsError.
    """
    moods, problems = read_moods(file)
    for problem in problems:
        LOGGER.warning("a mood is left out: %s", problem)
    return moods


def read_moods(file: Path) -> tuple[Mapping[str, Mood], tuple[str, ...]]:
    """Return the moods by id, and what is wrong in the file, by its line.

    They are the built-in ones, and over them those of the file, if it is there. A mood whose name
    stands alone in the file is left out. One that is wrong costs only itself: a built-in one of
    its name stays. Raises SettingsError where no mood can be read.
    """
    if not file.exists():
        return BUILT_IN, ()
    try:
        tree, origins = read_tree(file)
    except SettingsError as err:
        raise SettingsError(err.message.replace(str(file), file.name)) from err
    moods, problems = dict(BUILT_IN), _not_text(tree, origins)
    own = {name: said for name, said in tree.items() if isinstance(name, str)}
    for name, said in own.items():
        try:
            mood = _described(name, said)
        except vol.MultipleInvalid as err:
            err.prepend([name])
            problems.append(explained(err, origins))
            continue
        if mood is None:
            moods.pop(name, None)
        else:
            moods[name] = mood
    return moods, tuple(problem.replace(str(file), file.name) for problem in problems)


def _described(name: str, said: Any) -> Mood | None:
    """Return the mood that is written under a name, None where nothing is. Raises Invalid."""
    if not VOICE_ID.fullmatch(name):
        raise vol.MultipleInvalid([vol.Invalid("expected a name like good-night")])
    if said is None:
        return None
    fields = _FIELDS(said)
    return _mood(name, **fields.pop("emotion"), **fields)


def _not_text(tree: Mapping[Any, Any], origins: Mapping[str, str]) -> list[str]:
    """Say which names YAML takes for something else than text, such as on, no and 1."""
    if all(isinstance(name, str) for name in tree):
        return []
    return [
        f"{origin}{name}: put quotes around it."
        for name, origin in origins.items()
        if name and name not in tree and not _is_below(name, origins)
    ]


def _is_below(name: str, origins: Mapping[str, str]) -> bool:
    """Whether a dotted name is that of a field below another name."""
    parts = name.split(".")
    return any(".".join(parts[:n]) in origins for n in range(1, len(parts)))


def named(moods: Mapping[str, Mood]) -> str:
    """Return a short name for exactly these moods."""
    told = "".join(f"{mood}\n" for _, mood in sorted(moods.items()))
    return hashlib.sha256(told.encode()).hexdigest()[:16]
