"""Turns what a call asks for, and what the entry fills in, into an order that the daemon can take.

Every way to speak comes through here, so here a wrong option is refused, once and in words.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeassistant.const import ATTR_MODEL

from .client import SpeechOrder, Voice
from .const import (
    ATTR_INTENSITY,
    ATTR_SEED,
    CONF_LEAD_IN,
    CONF_MOOD,
    CONF_SPEED,
    CONF_VOICE,
    MAX_INTENSITY,
    MAX_SPEED,
    MIN_SPEED,
    NEUTRAL,
)
from .coordinator import IndexTTSData
from .errors import failure, refused_option
from .formats import AudioFormat
from .values import number, text, whole_number

_MAX_SEED: Final = 2**32 - 1


def speech_order(
    data: IndexTTSData,
    defaults: Mapping[str, Any],
    language: str,
    options: Mapping[str, Any],
    audio: AudioFormat,
) -> SpeechOrder:
    """Return the order; `defaults` are the entry's options, for what `options` leave out.

    Raises ServiceValidationError naming the option.
    """
    if not data.voices:
        raise failure("loading")
    model = text(ATTR_MODEL, options.get(ATTR_MODEL))
    voice = text(CONF_VOICE, options.get(CONF_VOICE))
    speaker = None
    if model is None:  # the voices of a model that is not loaded yet are known to the daemon alone
        if voice is None:
            voice = default_voice(data, defaults, language)
            speaker = next(iter(voices_of(data, defaults, language)), None)
        else:
            speaker = _voice(data, voice, language)
    mood, intensity = _mood(data, defaults, options, speaker)
    speed = number(CONF_SPEED, options.get(CONF_SPEED), MIN_SPEED, MAX_SPEED)
    return SpeechOrder(
        language=language,
        voice=voice,
        model=model,
        mood=mood,
        intensity=intensity,
        speed=defaults.get(CONF_SPEED) if speed is None else speed,
        seed=whole_number(ATTR_SEED, options.get(ATTR_SEED), 0, _MAX_SEED),
        response_format=audio.response_format,
        sample_rate=audio.sample_rate,
        lead_in_ms=int(defaults.get(CONF_LEAD_IN, 0)),
    )


def voices_of(data: IndexTTSData, defaults: Mapping[str, Any], language: str) -> list[Voice]:
    """List who speaks a language; first comes who speaks it when no voice is named."""
    speakers = next((item.voices for item in data.languages.languages if item.code == language), ())
    ids = dict.fromkeys((default_voice(data, defaults, language), *speakers))
    return [voice for id_ in ids if (voice := data.voice(id_))]


def moods_of(voices: Iterable[Voice]) -> list[str]:
    """List the moods that change how any of the voices sounds."""
    return sorted({mood for voice in voices for mood in voice.moods})


def default_voice(data: IndexTTSData, defaults: Mapping[str, Any], language: str) -> str | None:
    """Return the entry's default voice if it is there and speaks the language."""
    voice = data.voice(defaults.get(CONF_VOICE))
    return voice.id if voice and voice.speaks(language) else None


def sound(data: IndexTTSData, defaults: Mapping[str, Any], revision: str) -> str:
    """Name all that changes how the same words sound when a call leaves everything out."""
    names = (CONF_VOICE, CONF_SPEED, CONF_LEAD_IN, CONF_MOOD)
    changes = {name: defaults.get(name) for name in names}
    if data.voice(changes[CONF_VOICE]) is None:
        changes[CONF_VOICE] = None
    if changes[CONF_MOOD] not in moods_of(data.voices):
        changes[CONF_MOOD] = None
    heard = {name: value for name, value in changes.items() if value != NEUTRAL.get(name)}
    named = [f"{name}={value}" for name, value in heard.items() if value is not None]
    return " ".join([revision, *named])


def _mood(
    data: IndexTTSData,
    defaults: Mapping[str, Any],
    options: Mapping[str, Any],
    speaker: Voice | None,
) -> tuple[str | None, float | None]:
    """Return the mood and its intensity; a default mood that the speaker lacks is left out."""
    mood = text(CONF_MOOD, options.get(CONF_MOOD))
    intensity = number(ATTR_INTENSITY, options.get(ATTR_INTENSITY), 0, MAX_INTENSITY)
    if mood is None:
        default = defaults.get(CONF_MOOD)
        if default is None and intensity is not None:
            raise refused_option(ATTR_INTENSITY, "without_mood")
        return (default, intensity) if speaker and default in speaker.moods else (None, None)
    if data.stood_in_for:  # the other model's voices may have recorded it
        return mood, intensity
    # A voice without feelings takes every mood of the household, and speaks as it always does.
    own = moods_of(data.voices) if speaker is None else speaker.moods
    known = dict.fromkeys((*data.moods, *own))
    if not known:
        raise refused_option(CONF_MOOD, "no_moods")
    if speaker and mood not in known:
        raise refused_option(CONF_MOOD, "unknown_mood", mood=mood, moods=", ".join(known))
    return mood, intensity


def _voice(data: IndexTTSData, id_: str, language: str) -> Voice | None:
    voice = data.voice(id_)
    if data.stood_in_for and not (voice and voice.speaks(language)):  # the other model's may
        return None
    if voice is None:
        known = ", ".join(voice.id for voice in data.voices)
        raise refused_option(CONF_VOICE, "unknown_voice", voice=id_, voices=known)
    if not voice.speaks(language):
        languages = ", ".join(voice.languages)
        raise refused_option(
            CONF_VOICE, "foreign_voice", voice=id_, language=language, languages=languages
        )
    return voice
