"""The scope `models`: what lies in the models folder, and what somebody wants done with a model."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
import logging

from indextts_daemon.config import Settings
from indextts_daemon.errors import Problem, SettingsError, SpeechError
from indextts_daemon.worker.handle import WorkerSpec

from .activation import Activation
from .generation import Generation, Generations
from .lineup import Lineup, same
from .models import Model
from .operations import Running
from .pool import known
from .reloading import Change
from .routing import FALLBACK
from .swapping import PROBATION, Refusal, Swapper, Undo
from .versions import ModelsWish, VersionIncompleteError, Versions

LOGGER = logging.getLogger(__name__)

TORN = "The files of {} are not whole any more. It speaks on as it is loaded."

Plan = Callable[[Settings, Activation], Lineup]  # reads the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """How what was promoted goes back, by what brought it in."""

    model: Undo
    settings: Callable[[Settings], Undo]  # of the settings that are coming; reads the disk


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
        current, activation = self._generations.current, self._versions.activation
        lineup = await asyncio.to_thread(self._plan, settings, activation)
        untouched = {
            id_
            for id_, spec in lineup.specs.items()
            if id_ in current.models
            and same(
                replace(spec, content=current.models[id_].spec.content), current.models[id_].spec
            )
        }
        torn, now = _torn(lineup, current), current.settings
        leads_away = (settings.engine, settings.indextts.model) != (now.engine, now.indextts.model)
        lineup = _keeping(lineup, current, untouched | torn.keys(), () if leads_away else torn)
        aim = _Aim(lineup=lineup, settings=settings, activation=activation)
        undo = await asyncio.to_thread(self._undoing.settings, settings)
        return await self._staged(aim, running, undo=undo)

    async def _look(self, running: Running) -> Change | None:
        current, activation = self._generations.current, self._versions.activation
        lineup = await asyncio.to_thread(self._plan, current.settings, activation)
        torn, troubles = _torn(lineup, current), _troubles(lineup, current, activation)
        lineup = _keeping(lineup, current, troubles, torn)  # what is wrong with one costs no other
        problems = [Problem(message=trouble) for trouble in troubles.values()]
        if _as_it_is(lineup, current):
            if problems:
                raise SettingsError(problems[0].message, problems=problems)
            return None
        running.warn(problems)
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
        if wish.model in lineup.unfit:
            raise VersionIncompleteError(lineup.unfit[wish.model], param="version")
        troubles = _troubles(lineup, current, activation)
        running.warn([Problem(message=why) for id_, why in troubles.items() if id_ != wish.model])
        torn = _torn(lineup, current) if wish.action == "load" else ()  # others choose anew
        lineup = _keeping(lineup, current, current.models.keys() - {wish.model}, torn)
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
        try:
            await self._choose(activation.succeed(spec.model, spec.version, revision=spec.content))
        except BaseException:
            await asyncio.shield(change.give_up())
            raise

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

    async def _unload(self, wish: ModelsWish) -> Change | None:
        current = self._generations.current
        model = known(current, wish.model)
        drain_s = current.settings.models.drain_timeout_s
        if not (model.present or model.kept):
            return None
        await model.unload(timeout_s=drain_s, reason="admin")
        return Change(apply=_unchanged)

    def _require(self, wish: ModelsWish, activation: Activation) -> None:
        """Raise what `Versions.find` raises, for a model that has versions."""
        known_here = wish.model in self._generations.current.models
        if wish.version is not None or not known_here:
            self._versions.find(wish.model, wish.version or activation.version(wish.model))


def _trouble(spec: WorkerSpec, old: Model | None, activation: Activation) -> str:
    """Say why a model stays as it is loaded, whatever its folder holds now; or nothing."""
    if old is None or same(old.spec, spec):
        return ""
    if old.worker is not None and not spec.content and old.spec.content:
        return TORN.format(spec.model)
    failure = activation.failure(spec.model, spec.version, revision=spec.content)
    return f"{spec.model} failed with these files already: {failure}" if failure else ""


def _troubles(lineup: Lineup, current: Generation, activation: Activation) -> dict[str, str]:
    """Say which models stay as they are, whatever their folders hold, and why."""
    told = {
        id_: trouble
        for id_, spec in lineup.specs.items()
        if (trouble := _trouble(spec, current.models.get(id_), activation))
    }
    return told | _torn(lineup, current)


def _torn(lineup: Lineup, current: Generation) -> dict[str, str]:
    """Say which loaded models stay as they are because their files cannot be read just now."""
    return {
        id_: TORN.format(id_)
        for id_ in lineup.unfit
        if id_ in current.models and current.models[id_].worker is not None
    }


def _keeping(
    lineup: Lineup, current: Generation, ids: Collection[str], torn: Collection[str]
) -> Lineup:
    """Return a line-up in which these and the torn models are as they are now, but for limits.

    A default that is torn stays it.
    """
    told = lineup.specs[FALLBACK]  # all have the same limits
    kept = {
        id_: replace(
            current.models[id_].spec,
            load_timeout_s=told.load_timeout_s,
            step_timeout_s=told.step_timeout_s,
        )
        for id_ in {*ids, *torn}
        if id_ in current.models
    }
    lineup = replace(lineup, specs={**lineup.specs, **kept})
    if current.default in torn:
        lineup = replace(lineup, default=current.default, reason=current.reason)
    return lineup


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
