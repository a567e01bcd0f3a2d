"""Whoever has to follow the settings besides the models: doors, the announcement, the log."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Protocol

from indextts_daemon.config import Settings

from .generation import Generation
from .models_scope import ModelsScope
from .operations import Running
from .reloading import Change


class Follower(Protocol):
    """Somebody who acts on settings."""

    async def follow(self, settings: Settings) -> Change | None:
        """Make ready what the settings ask for; None where that is the same as now.

        Raises SettingsError, and has then changed nothing.
        """
        ...


class Followers:
    """The models and everybody else, as one change."""

    def __init__(self, models: ModelsScope) -> None:
        self._models = models
        self._others: list[Follower] = []

    def add(self, follower: Follower) -> None:
        """Take up somebody else."""
        self._others.append(follower)

    async def restage(self, settings: Settings, running: Running) -> Change:
        """Make ready what the settings ask of everybody. Raises SpeechError, and gives all up."""
        changes: list[Change] = []
        async with AsyncExitStack() as stack:
            changes.append(await self._models.restage(settings, running))
            stack.push_async_callback(changes[0].give_up)
            for other in self._others:  # they are quick; a door must not be shut for long
                if (change := await other.follow(settings)) is not None:
                    changes.append(change)
                    stack.push_async_callback(change.give_up)
            stack.pop_all()
        return _together(changes)


def _together(changes: Sequence[Change]) -> Change:
    def apply(generation: Generation) -> Generation:
        for change in changes:
            generation = change.apply(generation)
        return generation

    async def after() -> None:
        """Let nobody wait for another, or be kept from it by one that fails."""
        afters = [change.after() for change in changes]
        for failure in await asyncio.gather(*afters, return_exceptions=True):
            if failure is not None:
                raise failure

    async def give_up() -> None:
        async with AsyncExitStack() as stack:
            for change in changes:
                stack.push_async_callback(change.give_up)

    return Change(apply=apply, after=after, give_up=give_up)
