"""The moods of the household: a few that everybody knows, and those in its own file."""

from collections.abc import Mapping
import hashlib
from pathlib import Path
from types import MappingProxyType
from typing import Any

import voluptuous as vol

from indextts_daemon.config import VOICE_ID, explained, read_tree
from indextts_daemon.errors import SettingsError
from indextts_daemon.speech import EMOTIONS

from .feelings import Mood


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
_SCHEMA = vol.Schema(
    {
        vol.Match(rf"{VOICE_ID.pattern}\Z", msg="expected a name like good-night"): (
            lambda said: None if said is None else _FIELDS(said)
        )
    }
)


def load_moods(file: Path) -> Mapping[str, Mood]:
    """Return the moods by id: the built-in ones, and over them those of the file, if it is there.

    A mood whose name stands alone in the file is left out. Raises SettingsError with the line.
    """
    if not file.exists():
        return BUILT_IN
    tree, origins = read_tree(file)
    try:
        own = _SCHEMA(tree)
    except vol.MultipleInvalid as err:
        raise SettingsError(explained(err, origins)) from err
    moods = dict(BUILT_IN)
    for name, said in own.items():
        if said is None:
            moods.pop(name, None)
        else:
            emotion = said.pop("emotion")
            moods[name] = _mood(name, **said, **emotion)
    return moods


def named(moods: Mapping[str, Mood]) -> str:
    """Return a short name for exactly these moods."""
    told = "".join(f"{mood}\n" for _, mood in sorted(moods.items()))
    return hashlib.sha256(told.encode()).hexdigest()[:16]
