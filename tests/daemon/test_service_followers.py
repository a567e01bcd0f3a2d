"""Doors and announcement follow the settings together with the models, and wait for none."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from indextts_daemon.config import Settings, load_settings
from indextts_daemon.errors import SettingsError
from indextts_daemon.service.followers import Followers
from indextts_daemon.service.reloading import Change

SETTINGS = load_settings(file=None, environment={}, flags={})
UNUSED: Any = object()


class Models:
    """Stands for the models, which have to be let go of once the change counts."""

    def __init__(self, after: Callable[[], Awaitable[None]]) -> None:
        self._after = after
        self.given_up = False

    async def restage(self, settings: Settings, running: object) -> Change:
        async def give_up() -> None:
            self.given_up = True

        return Change(apply=lambda now: now, after=self._after, give_up=give_up)


class Other:
    """Stands for a door or an announcement."""

    def __init__(self, *, able: bool = True) -> None:
        self.able = able
        self.seen: list[str] = []

    async def follow(self, settings: Settings) -> Change:
        if not self.able:
            raise SettingsError("This door is taken.")

        async def told(what: str) -> None:
            self.seen.append(what)

        return Change(
            apply=lambda now: now, after=lambda: told("after"), give_up=lambda: told("given up")
        )


def followers(models: Models, *others: Other) -> Followers:
    found = Followers(models)  # type: ignore[arg-type]
    for other in others:
        found.add(other)
    return found


async def test_nobody_waits_for_a_model_that_ends_its_story_first() -> None:
    story = asyncio.Event()

    async def ended() -> None:
        await story.wait()

    other = Other()
    change = await followers(Models(ended), other).restage(SETTINGS, UNUSED)
    after = asyncio.ensure_future(change.after())
    await asyncio.sleep(0.01)
    assert (other.seen, after.done()) == (["after"], False)
    story.set()
    await after
    assert other.seen == ["after"]


async def test_one_that_fails_afterwards_keeps_no_other_from_it_and_is_told() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    others = Other(), Other()
    change = await followers(Models(fails), *others).restage(SETTINGS, UNUSED)
    with pytest.raises(ZeroDivisionError):
        await change.after()
    assert [other.seen for other in others] == [["after"]] * 2


async def test_where_one_cannot_follow_all_others_give_up() -> None:
    async def never() -> None:
        raise AssertionError

    models, door = Models(never), Other()
    with pytest.raises(SettingsError, match="taken"):
        await followers(models, door, Other(able=False)).restage(SETTINGS, UNUSED)
    assert (models.given_up, door.seen) == (True, ["given up"])
