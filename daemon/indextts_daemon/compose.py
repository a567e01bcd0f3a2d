"""Builds every room from the settings, and lets the whole of them speak without a door."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
import socket

import numpy as np

from . import __version__
from .api.keys import About, Services
from .api.schema import speech as speech_schema
from .api.speech import encoded
from .config import Settings
from .errors import EngineUnavailableError, SpeechError
from .identity import Identity, Pairing
from .metrics import Metrics
from .service.events import EventBus
from .service.health import Health
from .service.models import Model, ModelPool
from .service.queue import JobQueue
from .service.revision import Revisions
from .service.routing import SELF, Router, SpeechOrder
from .service.synthesizer import Synthesizer
from .text.language import language_name, match
from .worker.handle import WorkerSpec, WorkerState

FALLBACK = "embedded"  # what speaks when the default cannot
ENCODER_THREADS = 2
WORKER_NICE = 5  # a front that answers at once is worth more than a sentence a little sooner
SILENCE = 1e-3  # peak below which nobody would hear anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which engine speaks by default, and why."""

    engine: str
    reason: str


def choose_engine(wanted: str) -> Choice:
    """Resolve `auto`."""
    if wanted != "auto":
        return Choice(engine=wanted, reason="It was asked for.")
    return Choice(engine="embedded", reason="The embedded voices are what is installed.")


def build(
    settings: Settings, identity: Identity, pairing: Pairing, *, state: Path | None = None
) -> Services:
    """Make every room; nothing runs yet. Without a `state` folder nothing is remembered."""
    metrics, events = Metrics(), EventBus()
    metrics.runs(__version__)
    metrics.queue_capacity.set(settings.queue.capacity)
    choice = choose_engine(settings.engine)

    def make(spec: WorkerSpec) -> Model:
        queue = JobQueue(capacity=settings.queue.capacity, metrics=metrics)
        return Model(spec, queue=queue, metrics=metrics, events=events)

    engines = dict.fromkeys((choice.engine, FALLBACK))
    pool = ModelPool(
        [_spec(engine, settings) for engine in engines],
        default=choice.engine,
        make=make,
        revisions=Revisions(None if state is None else state / "revision.json"),
    )
    fallback = pool.get(FALLBACK)
    router = Router(pool, fallback=fallback, household_language=settings.language)
    synthesizer = Synthesizer(router, metrics)
    return Services(
        about=About(
            name=settings.discovery.name or socket.gethostname().partition(".")[0],
            version=__version__,
            engine=choice.engine,
            engine_reason=choice.reason,
            language=settings.language,
            auth=settings.server.auth,
            announced=settings.discovery.enabled,
            idle_client_timeout_s=settings.server.idle_client_timeout_s,
        ),
        identity=identity,
        pairing=pairing,
        pool=pool,
        synthesizer=synthesizer,
        health=Health(pool, synthesizer, fallback=fallback),
        events=events,
        metrics=metrics,
        encoders=ThreadPoolExecutor(ENCODER_THREADS, thread_name_prefix="encode"),
    )


def _spec(engine: str, settings: Settings) -> WorkerSpec:
    fake = {
        "load": settings.fake.load,
        "step_sleep_s": settings.fake.step_s,
        "voices": dict(settings.fake.voices),
    }
    return WorkerSpec(
        model=engine,
        engine=engine,
        options=fake if engine == "fake" else {},
        load_timeout_s=settings.worker.load_timeout_s,
        step_timeout_s=settings.worker.step_timeout_s,
        nice=WORKER_NICE,
    )


async def speak_here(
    settings: Settings, body: dict[str, object], *, data_dir: Path
) -> AsyncGenerator[bytes]:
    """Speak without a running daemon; `body` is that of POST /v1/audio/speech.

    Raises SpeechError.
    """
    order, output, _ = speech_schema(body)
    services = build(settings, Identity(instance_id="", token=""), Pairing(data_dir))
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
        model = await _first_speaker(services.pool)
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
    """Say so if no voice speaks the household's language, as far as can be known."""
    home, pool = services.about.language, services.pool
    if pool.default.info is None:
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


async def _first_speaker(pool: ModelPool) -> Model:
    """Return the default model once it is ready, or what speaks in its place."""
    try:
        await pool.default.ready("critical")
    except EngineUnavailableError:
        fallback = pool.get(FALLBACK)
        await fallback.ready("critical")
        return fallback
    return pool.default


def _languages(model: Model) -> list[str]:
    return [tag for voice in (model.info.voices if model.info else ()) for tag in voice.languages]
