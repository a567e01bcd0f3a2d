"""The scope `models`: what lies in the models folder, and what somebody wants done with a model."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
import logging

from indextts_daemon.config import Settings
from indextts_daemon.errors import SettingsError, SpeechError

from .activation import Activation
from .generation import Generation, Generations
from .lineup import Lineup, same
from .operations import Running
from .pool import known
from .reloading import Change
from .swapping import PROBATION, Refusal, Swapper, Undo
from .versions import ModelsWish, Versions

LOGGER = logging.getLogger(__name__)

Plan = Callable[[Settings, Activation], Lineup]  # reads the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """How what was promoted goes back, by what brought it in."""

    model: Undo
    settings: Undo


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aim:
    """What the house is to be like."""

    lineup: Lineup
    settings: Settings
    activation: Activation
    wanted: tuple[str, ...] = ()  # models that are to be loaded


class ModelsScope:
    """Loads, unloads, activates and rolls back; by itself it follows the active folders only."""

    name = "models"

    def __init__(
        self,
        generations: Generations,
        versions: Versions,
        swapper: Swapper,
        *,
        plan: Plan,
        undoing: Undoing,
    ) -> None:
        self._generations = generations
        self._versions = versions
        self._swapper = swapper
        self._plan = plan
        self._undoing = undoing

    async def stage(self, wish: object, running: Running) -> Change | None:
        """Make ready what is wished, or what the folders hold now. Raises SpeechError."""
        if isinstance(wish, ModelsWish):
            running.detail(model=wish.model, **({"version": wish.version} if wish.version else {}))
            if wish.action == "unload":
                return await self._unload(wish)
            return await self._follow(wish, running)
        return await self._look(running)

    async def restage(self, settings: Settings, running: Running) -> Change:
        """Make ready the line-up under other settings. Raises SpeechError."""
        activation = self._versions.activation
        lineup = await asyncio.to_thread(self._plan, settings, activation)
        aim = _Aim(lineup=lineup, settings=settings, activation=activation)
        return await self._staged(aim, running, undo=self._undoing.settings)

    async def _look(self, running: Running) -> Change | None:
        current, activation = self._generations.current, self._versions.activation
        lineup = await asyncio.to_thread(self._plan, current.settings, activation)
        for id_, spec in lineup.specs.items():
            old = current.models.get(id_)
            if old is not None and old.worker is not None and not spec.content and old.spec.content:
                raise SettingsError(
                    f"The files of {id_} are not whole any more. It speaks on as it is loaded."
                )
            trouble = activation.failure(id_, spec.version, revision=spec.content)
            if trouble and old is not None and not same(old.spec, spec):
                raise SettingsError(f"{id_} failed with these files already: {trouble}")
        if _as_it_is(lineup, current):
            return None
        aim = _Aim(lineup=lineup, settings=current.settings, activation=activation)
        return await self._staged(aim, running, undo=self._undoing.model)

    async def _follow(self, wish: ModelsWish, running: Running) -> Change:
        current = self._generations.current
        settings = current.settings
        activation = self._versions.activation.under(settings)
        if wish.action == "activate":
            await asyncio.to_thread(self._require, wish, activation)
            activation = activation.activate(wish.model, wish.version)
        elif wish.action == "rollback":
            known(current, wish.model)
            activation = activation.rollback(wish.model)
        else:
            known(current, wish.model)
        lineup = await asyncio.to_thread(self._plan, settings, activation)
        wanted = () if wish.action == "rollback" else (wish.model,)
        aim = _Aim(lineup=lineup, settings=settings, activation=activation, wanted=wanted)
        return await self._staged(aim, running, undo=self._undoing.model)

    async def _staged(self, aim: _Aim, running: Running, *, undo: Undo) -> Change:
        """Stage what is aimed at, and remember what came of it."""
        before = self._swapper.refusal
        try:
            change = await self._swapper.staged(
                aim.lineup, aim.settings, running, wanted=aim.wanted, undo=undo
            )
        except SpeechError:
            refusal = self._swapper.refusal
            if refusal is not None and refusal is not before:
                await self._choose(_failed(self._versions.activation, refusal))
            raise
        spec = aim.lineup.specs[aim.lineup.default]
        chosen, activation = self._versions.activation, aim.activation
        if before is not None and running.now.who == PROBATION:
            running.detail(failed=before.failed)
            activation = _failed(activation, before)
        await self._choose(activation.succeed(spec.model, spec.version))

        async def give_up() -> None:
            await change.give_up()
            await self._choose(chosen)

        return replace(change, give_up=give_up)

    async def _choose(self, activation: Activation) -> None:
        if activation == self._versions.activation:
            return
        try:
            await self._versions.choose(activation)
        except OSError as err:
            LOGGER.warning("which models were chosen could not be kept: %s", err.strerror)

    async def _unload(self, wish: ModelsWish) -> Change:
        current = self._generations.current
        model = known(current, wish.model)
        drain_s = current.settings.models.drain_timeout_s
        await model.unload(timeout_s=drain_s, reason="admin")
        return Change(apply=_unchanged)

    def _require(self, wish: ModelsWish, activation: Activation) -> None:
        """Raise what `Versions.find` raises, for a model that has versions."""
        known_here = wish.model in self._generations.current.models
        if wish.version is not None or not known_here:
            self._versions.find(wish.model, wish.version or activation.version(wish.model))


def _as_it_is(lineup: Lineup, current: Generation) -> bool:
    models = current.models
    return (
        lineup.default == current.default
        and lineup.specs.keys() == models.keys()
        and all(same(spec, models[id_].spec) for id_, spec in lineup.specs.items())
    )


def _failed(activation: Activation, refusal: Refusal) -> Activation:
    return activation.fail(
        refusal.model, refusal.version, revision=refusal.content, reason=refusal.failed
    )


def _unchanged(generation: Generation) -> Generation:
    return generation
