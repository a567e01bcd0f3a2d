"""Lets the rooms speak without a door: to themselves at the start, and for the command line."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

import numpy as np

from .api.keys import Services
from .api.schema import speech as speech_schema
from .api.speech import encoded
from .compose import build
from .config import Settings
from .errors import EngineUnavailableError, SpeechError
from .identity import Identity, Pairing
from .service.models import Model
from .service.routing import FALLBACK, SELF, SpeechOrder
from .text.language import language_name, match
from .worker.handle import WorkerState

SILENCE = 1e-3  # peak below which nobody would hear anything


async def speak_here(
    settings: Settings, body: dict[str, object], *, data_dir: Path
) -> AsyncGenerator[bytes]:
    """Speak without a running daemon; `body` is that of POST /v1/audio/speech.

    Raises SpeechError.
    """
    order, output, _ = speech_schema(body)
    nobody = Identity(instance_id="", token="")
    services = build(settings, nobody, Pairing(data_dir), data_dir=data_dir)
    try:
        await loaded(services.pool.default, timeout_s=settings.worker.load_timeout_s)
        async with (
            services.synthesizer.speak(order) as speech,
            aclosing(encoded(speech, output, services)) as audio,
        ):
            async for part in audio:
                yield part
    finally:
        await services.pool.close()
        services.encoders.shutdown(wait=False)


async def loaded(model: Model, *, timeout_s: float) -> None:
    """Wait until the model can speak, does not load, or the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while model.state is not WorkerState.ready and not model.load_failed:
                with suppress(EngineUnavailableError):
                    await model.ready()


async def first_words(services: Services) -> str:
    """Speak once through the whole of the service; return what was wrong, or nothing."""
    peak = 0.0
    try:
        model = await _first_speaker(services)
        language = _languages(model)[0]
        order = SpeechOrder(
            text="OK.", language=language, model=model.id, priority="critical", frontend=SELF
        )
        async with services.synthesizer.speak(order) as speech:
            async for chunk in speech:
                peak = max(peak, float(np.abs(chunk.samples).max(initial=0.0)))
    except SpeechError as err:
        return err.message
    return "" if peak > SILENCE else "The model made silence."


async def language_trouble(services: Services) -> str:
    """Say so if no voice speaks the household's language, as far as is known.

    No model but the fallback is loaded for it: a warning is not worth a place on the card.
    """
    home, pool = services.about.language, services.pool
    if any(model.info is None and model.id != FALLBACK for model in pool):
        return ""
    spoken: list[str] = []
    for model in pool:
        if model.info is None:
            with suppress(SpeechError):
                await model.ready()
        spoken += _languages(model)
        if match(home, spoken) is not None:
            return ""
    return (
        f"No voice speaks the household's language, {language_name(home)}. "
        f"Change the setting `language` to one of: {', '.join(dict.fromkeys(spoken))}."
    )


async def _first_speaker(services: Services) -> Model:
    """Return the default model once it is ready, or what speaks in its place; load none away."""
    default, fallback = services.pool.default, services.pool.get(FALLBACK)
    if services.sharing.may_use_gpu(default):
        with suppress(EngineUnavailableError):
            await default.ready("critical")
            return default
    await fallback.ready("critical")
    return fallback


def _languages(model: Model) -> list[str]:
    return [tag for voice in (model.info.voices if model.info else ()) for tag in voice.languages]
