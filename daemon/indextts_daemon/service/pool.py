"""The models of the current generation, as whoever looks around sees them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
import hashlib
import logging
from weakref import WeakKeyDictionary

from indextts_daemon.config import Settings
from indextts_daemon.errors import ModelNotFoundError
from indextts_daemon.speech import Voice
from indextts_daemon.text import TEXT_RULES_VERSION
from indextts_daemon.worker.handle import WorkerState

from .generation import Generation, Generations
from .models import Model
from .moods import named
from .revision import Revisions

LOGGER = logging.getLogger(__name__)


class ModelPool:
    """All known models, one of which is the default, and those that are still leaving."""

    def __init__(
        self,
        generations: Generations,
        revisions: Revisions | None = None,
        at_gate: Callable[[], int] = lambda: 0,
    ) -> None:
        """`at_gate` tells how many wait to be admitted at all."""
        self._at_gate = at_gate
        self.revisions = revisions or Revisions()
        self._generations = generations
        self._leaving: set[Model] = set()
        self._told: WeakKeyDictionary[Generation, str] = WeakKeyDictionary()

    def __iter__(self) -> Iterator[Model]:
        return iter(self._generations.current.models.values())

    @property
    def settings(self) -> Settings:
        """The settings that count now."""
        return self._generations.current.settings

    @property
    def default(self) -> Model:
        """The model that speaks unless another is named."""
        generation = self._generations.current
        return generation.models[generation.default]

    @property
    def waiting(self) -> int:
        """How many wait, whatever for."""
        return self._at_gate() + sum(model.queue.waiting for model in self._everybody())

    @property
    def in_flight(self) -> int:
        """How many are being spoken."""
        return sum(model.queue.in_flight for model in self._everybody())

    def get(self, model: str) -> Model:
        """Return a known model. Raises ModelNotFoundError."""
        return known(self._generations.current, model)

    def voices(self) -> dict[str, Voice]:
        """Return every voice of a model that has been loaded, by id; the default model's win."""
        generation, found = self._generations.current, dict[str, Voice]()
        for model in sorted(self, key=lambda model: model.id != generation.default):
            info = generation.info(model)
            for voice in info.voices if info else ():
                found.setdefault(voice.id, voice)
        return found

    def revision(self, generation: Generation | None = None) -> str | None:
        """Return what changes when the same words would sound different; None if none can.

        While another model stands in for the default it is that one's, so that nobody keeps what
        it says for the default's own. That of a `generation` which is past is what it was.
        """
        current = self._generations.current
        if generation is not None and generation is not current:
            default = generation.models[generation.default]
            return self._told.get(generation) or _named(default, _rules(generation))
        if (revision := self._revision(current)) is not None:
            self._told[current] = revision
        return revision

    def part(self, models: Iterable[Model]) -> None:
        """Count models among those that are leaving, and are ended with everybody else."""
        for model in models:
            model.shown = False
            self._leaving.add(model)

    async def retire(self, model: Model, *, timeout_s: float) -> None:
        """End a model that is in no generation to come, once nobody needs it any more."""
        self.part((model,))
        try:
            async with asyncio.timeout(timeout_s):
                await self._generations.unneeded(model)
        except TimeoutError:
            LOGGER.warning("model %s is ended though it is still speaking", model.id)
        finally:
            await model.close()
            self._leaving.discard(model)
            if model.id not in self._generations.current.models:
                model.show()  # that it has gone

    async def close(self) -> None:
        """End every worker."""
        await asyncio.gather(*(model.close() for model in self._everybody()))

    def _everybody(self) -> list[Model]:
        return [*self, *self._leaving]

    def _revision(self, generation: Generation) -> str | None:
        rules = _rules(generation)
        default = generation.models[generation.default]
        info = generation.info(default)
        if info is not None and default.state is WorkerState.ready:
            if not default.is_cast:
                return None  # voices that are only still to come would count as gone
            others = (
                generation.info(one) for one in generation.models.values() if one is not default
            )
            elsewhere = {voice.id for other in others if other for voice in other.voices}
            return self.revisions.of(info, rules=rules, elsewhere=elsewhere)
        for model in generation.models.values():
            if model.info is not None and model.state is WorkerState.ready:
                return _named(model, rules)
        return None


def _rules(generation: Generation) -> str:
    manner = " ".join(filter(None, (named(generation.moods), generation.lexicon.name)))
    return f"{TEXT_RULES_VERSION} {manner}"


def _named(model: Model, rules: str) -> str:
    """Name how a model sounds that is not the default, or was once."""
    revision = model.info.revision if model.info is not None else ""
    return hashlib.sha256(f"{model.id} {revision} {rules}".encode()).hexdigest()[:16]


def known(generation: Generation, model: str) -> Model:
    """Return a generation's model of that id. Raises ModelNotFoundError."""
    try:
        return generation.models[model]
    except KeyError:
        ids = ", ".join(generation.models)
        raise ModelNotFoundError(
            f"There is no such model. Known are: {ids}.", param="model"
        ) from None
