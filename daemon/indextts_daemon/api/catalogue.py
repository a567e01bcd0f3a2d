"""What can be said: languages, models, and the bounds of every parameter."""

from aiohttp import web

from indextts_daemon.audio.output import DEFAULT_SAMPLE_RATE, FORMATS, SAMPLE_RATES
from indextts_daemon.speech import EMOTIONS
from indextts_daemon.text.language import language_name, match
from indextts_daemon.worker.handle import WorkerState

from .keys import SERVICES
from .schema import (
    INTENSITY,
    MAX_INPUT_CHARACTERS,
    MAX_SESSION_CHARACTERS,
    SEED,
    SILENCE_MS,
    SPEED,
)
from .validators import Number


async def languages(request: web.Request) -> web.Response:
    """List the languages and who speaks them, best voice first."""
    services = request.app[SERVICES]
    speakers: dict[str, list[str]] = {}
    for known in services.pool.voices().values():
        for language in known.languages:
            speakers.setdefault(language, []).append(known.id)
    household = services.about.language
    return web.json_response(
        {
            "default": match(household, speakers) or next(iter(speakers), household),
            "languages": [
                {"code": code, "name": language_name(code), "voices": ids}
                for code, ids in speakers.items()
            ],
        }
    )


async def models(request: web.Request) -> web.Response:
    """List every known model and what its process is doing."""
    services = request.app[SERVICES]
    pool, current = services.pool, services.generations.current
    pinned = current.settings.models.pinned
    return web.json_response(
        {
            "object": "list",
            "data": [
                {
                    "id": model.id,
                    "object": "model",
                    "owned_by": "indextts-daemon",
                    "engine": model.spec.engine,
                    "state": str(model.state),
                    "default": model is pool.default,
                    "reason": model.reason,
                    "name": model.name,
                    "version": model.spec.version,
                    "generation": current.number,
                    "active": model is pool.default,
                    "loaded": model.state is WorkerState.ready,
                    "pinned": model.id in pinned,
                    "memory_bytes": model.memory_bytes,
                }
                for model in pool
            ],
        }
    )


async def capabilities(request: web.Request) -> web.Response:
    """Say what may be asked of /v1/audio/speech, so that clients need not know it."""
    services = request.app[SERVICES]
    info = services.pool.default.info
    parameters = {"lead_in_ms": _bounds(SILENCE_MS, 0), "tail_ms": _bounds(SILENCE_MS, 0)}
    engine = {"speed": _bounds(SPEED, 1.0), "seed": _bounds(SEED)}
    acted_on = info.parameters if info is not None else frozenset()
    parameters |= {name: bounds for name, bounds in engine.items() if name in acted_on}
    if feels := "emotion" in acted_on:
        parameters["intensity"] = _bounds(INTENSITY, 1.0)
    return web.json_response(
        {
            "formats": FORMATS,
            "sample_rates": SAMPLE_RATES,
            "default_sample_rate": DEFAULT_SAMPLE_RATE,
            "max_input_characters": MAX_INPUT_CHARACTERS,
            "max_session_characters": MAX_SESSION_CHARACTERS,
            "parameters": parameters,
            "emotions": EMOTIONS if feels else (),
            "moods": tuple(services.generations.current.moods) if feels else (),
            "pronunciation": info.pronunciation if info is not None else (),
        }
    )


def _bounds(number: Number, default: float | None = None) -> dict[str, float]:
    bounds = {"min": number.low, "max": number.high}
    return bounds if default is None else bounds | {"default": default}
