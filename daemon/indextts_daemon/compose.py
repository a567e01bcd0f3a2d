"""Builds every room from the settings, and lets the whole of them speak without a door."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
import logging
from pathlib import Path
import socket

import numpy as np

from . import __version__
from .api.keys import Services
from .api.schema import speech as speech_schema
from .api.speech import encoded
from .checkpoints.catalogue import published
from .choice import Choice, choose
from .config import Settings
from .errors import EngineUnavailableError, SettingsError, SpeechError
from .identity import Identity, Pairing
from .metrics import Metrics
from .service.enrolment import EnrolmentProgress
from .service.events import EventBus
from .service.feelings import Mood
from .service.generation import Generation, Generations
from .service.health import Health
from .service.models import Casting, Model
from .service.moods import BUILT_IN, load_moods
from .service.operations import Operations
from .service.pool import ModelPool
from .service.queue import JobQueue
from .service.reloading import Reloader
from .service.revision import Revisions
from .service.routing import FALLBACK, SELF, Router, SpeechOrder
from .service.synthesizer import Synthesizer
from .service.voices import VoiceStore
from .speech import Voice
from .text.language import language_name, match
from .worker.handle import WorkerSpec, WorkerState

LOGGER = logging.getLogger(__name__)

MOODS_FILE = "moods.yaml"  # in the data folder
ENCODER_THREADS = 2
WORKER_NICE = 5  # a front that answers at once is worth more than a sentence a little sooner
SILENCE = 1e-3  # peak below which nobody would hear anything


def build(
    settings: Settings,
    identity: Identity,
    pairing: Pairing,
    *,
    data_dir: Path,
    remember: bool = False,
) -> Services:
    """Make every room; nothing runs yet. `remember` the revision in the data folder."""
    metrics, events = Metrics(), EventBus()
    metrics.runs(__version__)
    metrics.queue_capacity.set(settings.queue.capacity)
    choice = choose(settings, data_dir)
    specs = {choice.model: _spec(choice.engine, settings, choice)}
    specs.setdefault(FALLBACK, _spec(FALLBACK, settings, choice))

    def make(spec: WorkerSpec) -> Model:
        return Model(
            spec,
            queue=JobQueue(capacity=settings.queue.capacity, metrics=metrics),
            metrics=metrics,
            events=events,
            casting=_casting(choice, data_dir) if spec.engine == "indextts" else None,
        )

    generations = Generations(
        Generation(
            settings=settings,
            models={id_: make(spec) for id_, spec in specs.items()},
            default=choice.model,
            reason=choice.reason,
            moods=_moods(data_dir),
        )
    )
    operations = Operations(events)
    pool = ModelPool(
        generations, Revisions(data_dir / "state" / "revision.json" if remember else None)
    )
    sharing = Nobody()
    synthesizer = Synthesizer(Router(sharing), generations, metrics)
    return Services(
        name=socket.gethostname().partition(".")[0],
        version=__version__,
        identity=identity,
        pairing=pairing,
        pool=pool,
        synthesizer=synthesizer,
        health=Health(pool, synthesizer, sharing),
        events=events,
        metrics=metrics,
        encoders=ThreadPoolExecutor(ENCODER_THREADS, thread_name_prefix="encode"),
        generations=generations,
        operations=operations,
        reloader=Reloader(generations, operations, events),
        sharing=sharing,
    )


class Nobody:
    def may_use_gpu(self, model: Model) -> bool:
        return True

    def refusal(self) -> EngineUnavailableError:
        raise NotImplementedError


def _spec(engine: str, settings: Settings, choice: Choice) -> WorkerSpec:
    options: dict[str, dict[str, object]] = {
        "fake": {
            "load": settings.fake.load,
            "step_sleep_s": settings.fake.step_s,
            "voices": dict(settings.fake.voices),
        },
        "indextts": {
            "model": str(choice.folder),
            "quality": settings.indextts.quality,
            "device": settings.indextts.device,
        },
    }
    return WorkerSpec(
        model=choice.model if engine == choice.engine else engine,
        engine=engine,
        options=options.get(engine, {}),
        load_timeout_s=settings.worker.load_timeout_s,
        step_timeout_s=settings.worker.step_timeout_s,
        nice=WORKER_NICE,
    )


def _casting(choice: Choice, data_dir: Path) -> "Casting":
    """Have the recorded voices enrolled for the model before it loads."""
    return _Casting(choice, data_dir)


class _Casting:
    def __init__(self, choice: Choice, data_dir: Path) -> None:
        self._store = VoiceStore(data_dir / "voices", data_dir / "state" / "voices")
        self._folder = choice.folder or data_dir
        self._languages = published(choice.model).languages

    async def prepare(self, say: Callable[[str], None]) -> Mapping[str, object]:
        def told(progress: EnrolmentProgress) -> None:
            share = progress.done / progress.total
            say(f"It listens to the recordings of voices: {share:.0%} is done.")

        return await self._store.prepare(
            self._folder, languages=self._languages, progress=told
        )

    async def recast(self, say: Callable[[str], None]) -> tuple[Voice, ...]:
        raise NotImplementedError


def _moods(data_dir: Path) -> Mapping[str, Mood]:
    """Return the household's moods; a file that is no good leaves the built-in ones."""
    try:
        return load_moods(data_dir / MOODS_FILE)
    except SettingsError as err:
        LOGGER.error("the household's moods are left out: %s", err.message)  # noqa: TRY400
        return BUILT_IN


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
