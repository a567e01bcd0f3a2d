"""Builds every room from the settings; nothing runs yet."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
import socket
from typing import Any

from . import __version__
from .api.keys import Services
from .checkpoints.catalogue import published
from .config import Settings, Source, settings_history
from .errors import Problem
from .identity import Identity, Pairing
from .metrics import Metrics
from .planning import Planner
from .service import lexicon, moods
from .service.audition import Audition
from .service.baselines import Baselines
from .service.card import Card
from .service.castings import FakeCasting, IndexTTSCasting
from .service.config_scope import ConfigScope
from .service.documents import Documents
from .service.events import EventBus
from .service.followers import Followers
from .service.gate import Gate
from .service.generation import Generation, Generations
from .service.health import Health
from .service.memory import MemoryGuard
from .service.models import Casting, Model
from .service.models_scope import ModelsScope
from .service.needs import Needs
from .service.operations import Operations, Result
from .service.pause import PauseBook
from .service.pool import ModelPool
from .service.probation import Probation
from .service.promotion import Promoter
from .service.queue import JobQueue
from .service.reloading import Reloader
from .service.residency import Residency
from .service.revision import Revisions
from .service.routing import Router
from .service.settings_file import SettingsFile
from .service.sharing import Sharing
from .service.swapping import Swapper
from .service.synthesizer import Synthesizer
from .service.undoing import undoing
from .service.versions import Versions
from .service.voices import VoiceStore
from .service.voices_scope import VoicesScope
from .service.watching import Place, Watch
from .worker.handle import WorkerSpec

ENCODER_THREADS = 2
LISTENERS = 2  # processes that listen to what somebody sends


def build(
    settings: Settings,
    identity: Identity,
    pairing: Pairing,
    *,
    data_dir: Path,
    settings_file: SettingsFile | None = None,
) -> Services:
    """Make every room. Without the file of the settings nothing is remembered or watched."""
    state = None if settings_file is None else data_dir / "state"
    file = settings_file or SettingsFile(Source(), settings_history(data_dir))
    metrics, events = Metrics(), EventBus()
    metrics.runs(__version__)
    watch = None if state is None else Watch(_places(data_dir, file.source.file))
    acknowledge = _acknowledging(watch)
    operations = Operations(events, metrics=metrics, file=_in(state, "operations.json"))
    versions = Versions(data_dir / "models", _in(state, "models.json"))
    planner = Planner(data_dir=data_dir, versions=versions)
    voices = VoiceStore(data_dir / "voices", data_dir / "state" / "voices")
    documents = Documents.of(data_dir, remember=state is not None, written=acknowledge)

    def make(spec: WorkerSpec) -> Model:
        queue = JobQueue(capacity=settings.queue.capacity, metrics=metrics)
        casting = _casting(spec, voices)
        model = Model(spec, queue=queue, metrics=metrics, events=events, casting=casting)
        model.before_load = make_room
        model.on_ready = welcome
        model.on_changed = lambda: reloader.follow("models", who="file")
        return model

    async def make_room(model: Model) -> None:
        await memory.make_room(model)

    def welcome(model: Model) -> None:
        """Note what it holds, and give it the voices of the recordings if it loaded by itself."""
        memory.note(model)
        now = generations.current
        by_itself = now.models.get(model.id) is model and model not in now.voices
        if state is not None and by_itself and model.recast is not None:
            reloader.follow("voices", who="start")

    lineup = planner.plan(settings, versions.activation)
    household, wrong = _documents(documents)
    _tell_troubles(operations, {"config": file.problems, **wrong})
    generations = Generations(
        Generation(
            settings=settings,
            models={id_: make(spec) for id_, spec in lineup.specs.items()},
            default=lineup.default,
            reason=lineup.reason,
            **household,
        )
    )
    card = Card(metrics)
    residency = Residency(generations, operations)
    sharing = Sharing(
        generations,
        operations,
        residency,
        PauseBook(events, metrics, _in(state, "paused.json")),
        card,
    )
    gate, revisions = Gate(), Revisions(_in(state, "revision.json"))
    pool = ModelPool(generations, revisions, at_gate=lambda: gate.waiting)
    synthesizer = Synthesizer(Router(sharing), generations, metrics, gate)
    reloader = Reloader(generations, operations, events, metrics)
    memory = MemoryGuard(generations, Needs(_in(state, "needs.json")), card_free=card.free)
    swapper = Swapper(
        generations,
        pool,
        make=make,
        promoter=Promoter(
            generations,
            room=memory,
            audience=Audition(Baselines(_in(state, "canary.json"))),
            gate=gate,
            absent=sharing,
        ),
        probation=Probation(),
    )
    models = ModelsScope(
        generations,
        versions,
        swapper,
        plan=planner.plan,
        undoing=undoing(generations, reloader, versions, file),
    )
    followers = Followers(models)
    cast = VoicesScope(voices, generations, written=partial(_acknowledged, watch, "voices"))
    turn, then = asyncio.Lock(), partial(_catch_up, cast, reloader)
    reloader.add(
        ConfigScope(file, generations, followers.restage, written=partial(acknowledge, "config")),
        turn=turn,
        then=then,
    )
    reloader.add(models, turn=turn, then=then)
    reloader.add(cast, turn=swapper.voices_turn)
    reloader.add(documents.moods)
    reloader.add(documents.lexicon)
    return Services(
        name=socket.gethostname().partition(".")[0],
        version=__version__,
        identity=identity,
        pairing=pairing,
        pool=pool,
        synthesizer=synthesizer,
        health=Health(pool, synthesizer, sharing, file),
        events=events,
        metrics=metrics,
        encoders=ThreadPoolExecutor(ENCODER_THREADS, thread_name_prefix="encode"),
        listening=asyncio.Semaphore(LISTENERS),
        generations=generations,
        operations=operations,
        reloader=reloader,
        swapper=swapper,
        sharing=sharing,
        memory=memory,
        voices=voices,
        versions=versions,
        documents=documents,
        settings_file=file,
        followers=followers,
        watch=watch,
    )


def _in(folder: Path | None, name: str) -> Path | None:
    return None if folder is None else folder / name


def _places(data_dir: Path, settings: Path | None) -> dict[str, Place]:
    """Say where each scope is read from."""
    return {
        "config": Place(path=settings or data_dir / "settings.yaml"),
        "token": Place(path=data_dir / "token"),
        "voices": Place(path=data_dir / "voices", depth=1),
        "moods": Place(path=data_dir / moods.NAME),
        "lexicon": Place(path=data_dir / lexicon.NAME),
        "models": Place(path=data_dir / "models", depth=2),
    }


def _casting(spec: WorkerSpec, store: VoiceStore) -> Casting | None:
    """Return how a model comes by voices of recordings, if it can speak with such."""
    if spec.engine == "fake":
        folder = spec.options.get("model")
        return FakeCasting(store, Path(str(folder)) if folder else None, spec.content)
    if spec.engine != "indextts":
        return None
    languages = published(spec.model).languages
    return IndexTTSCasting(store, Path(str(spec.options["model"])), spec.content, languages)


def _catch_up(cast: VoicesScope, reloader: Reloader) -> None:
    """Look at the recordings again that a model could not be given; now it may be itself again."""
    if cast.is_behind:
        reloader.follow(cast.name, who="file")


def _documents(
    documents: Documents,
) -> tuple[dict[str, Any], dict[str, Sequence[Problem]]]:
    """Return what a generation holds of the documents, and what is wrong with their files."""
    moods, moods_wrong = documents.moods.begin()
    lexicon, lexicon_wrong = documents.lexicon.begin()
    return (
        {"moods": moods, "lexicon": lexicon},
        {"moods": moods_wrong, "lexicon": lexicon_wrong},
    )


def _tell_troubles(operations: Operations, wrong: Mapping[str, Sequence[Problem]]) -> None:
    """Note which files are not what counts, from the start on."""
    for scope, problems in wrong.items():
        if problems:
            running = operations.begin(scope, "reload", who="start")
            running.end(Result.rejected, generation=1, code="settings_invalid", errors=problems)


def _acknowledging(watch: Watch | None) -> Callable[[str, bytes], Awaitable[None]]:
    """Return what keeps a scope from being read again for what we wrote ourselves."""

    async def acknowledge(scope: str, content: bytes) -> None:
        if watch is not None:
            await watch.acknowledge(scope, content)

    return acknowledge


async def _acknowledged(watch: Watch | None, scope: str) -> None:
    """Keep a scope from being read again for what is there now."""
    if watch is not None:
        await watch.acknowledge(scope)
