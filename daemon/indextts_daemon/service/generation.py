"""Generations: what a request is bound to from its admission to its end, whatever is reloaded."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from indextts_daemon.config import Settings
from indextts_daemon.speech import ModelInfo, Voice
from indextts_daemon.text.lexicon import Lexicon

from .feelings import Mood
from .models import Model
from .moods import BUILT_IN


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Generation:
    """Everything that decides how words sound, as it was at one moment."""

    number: int = 1
    settings: Settings
    models: Mapping[str, Model]  # by id
    default: str
    reason: str = ""  # why that is the default
    voices: Mapping[Model, tuple[Voice, ...]] = field(default_factory=dict)  # where not as loaded
    moods: Mapping[str, Mood] = field(default_factory=lambda: BUILT_IN)
    lexicon: Lexicon = field(default_factory=Lexicon)

    def info(self, model: Model) -> ModelInfo | None:
        """Return what a model can do, with the voices that it has in this generation."""
        if model.info is None or model not in self.voices:
            return model.info
        return replace(model.info, voices=self.voices[model])


class Binding:
    """A request's hold on a generation, and on the models that it may still need of it."""

    def __init__(self, generations: "Generations") -> None:
        self._generations = generations
        self.renew()

    @property
    def outdated(self) -> bool:
        """Whether there is another generation by now."""
        return self.generation is not self._generations.current

    def settle(self, *models: Model) -> None:
        """Say that of all models it may need these only."""
        self.needs = frozenset(models)
        self._generations.let_go()

    def renew(self) -> None:
        """Begin anew with what is current: nothing has come of it so far."""
        self.generation = self._generations.current
        self.needs = frozenset(self.generation.models.values())


class Generations:
    """Owns the generation that is current; a commit is one assignment."""

    def __init__(self, first: Generation) -> None:
        self.current = first
        self.newcomers: set[Model] = set()  # they are loaded and heard, and may not count yet
        self._bindings: set[Binding] = set()
        self._left = asyncio.Event()  # somebody let go of something

    @property
    def residents(self) -> tuple[Model, ...]:
        """All models that may hold memory: those that count, and who is about to."""
        return tuple(dict.fromkeys((*self.current.models.values(), *self.newcomers)))

    @contextmanager
    def bound(self) -> Iterator[Binding]:
        """Hold the current generation while inside."""
        binding = Binding(self)
        self._bindings.add(binding)
        try:
            yield binding
        finally:
            self._bindings.discard(binding)
            self.let_go()

    def let_go(self) -> None:
        """Wake who waits for somebody to need less."""
        self._left.set()

    def commit(self, change: Callable[[Generation], Generation]) -> Generation:
        """Put what `change` makes of the current generation in its place."""
        self.current = replace(change(self.current), number=self.current.number + 1)
        return self.current

    def needed(self, model: Model) -> int:
        """Return how many requests may still need a model."""
        return sum(model in binding.needs for binding in self._bindings)

    def chosen(self, model: Model) -> int:
        """Return how many requests need a model and no other one any more."""
        return sum(binding.needs == {model} for binding in self._bindings)

    async def unneeded(self, model: Model) -> None:
        """Wait until no request needs a model any more."""
        while self.needed(model):
            self._left.clear()
            await self._left.wait()

    async def passed(self, number: int) -> None:
        """Wait until no request is bound to a generation before that of this number."""
        while any(binding.generation.number < number for binding in self._bindings):
            self._left.clear()
            await self._left.wait()
