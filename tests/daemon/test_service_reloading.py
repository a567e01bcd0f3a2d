"""Reloading: staged first, committed in one assignment, told in any case; one at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from indextts_daemon.errors import (
    Problem,
    QueueFullError,
    SettingsError,
    UnsupportedLanguageError,
)
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.generation import Generation, Generations
from indextts_daemon.service.operations import Operation, Operations, Result, Running
from indextts_daemon.service.reloading import MOST_WISHES, Change, Reloader
from tests.daemon.rooms import StubModel, generations_of, until


async def nothing(_: object, __: Running) -> Change | None:
    return None


@dataclass
class Scripted:
    """A scope that does as it is told."""

    act: Callable[[object, Running], Awaitable[Change | None]] = nothing
    name: str = "config"
    staged: int = 0

    async def stage(self, wish: object, running: Running) -> Change | None:
        self.staged += 1
        return await self.act(wish, running)


@dataclass
class House:
    """A reloader and what it changes."""

    events: EventBus = field(default_factory=EventBus)
    generations: Generations = field(
        default_factory=lambda: generations_of(StubModel(id="big", knows=None))
    )

    def __post_init__(self) -> None:
        self.reloader = Reloader(self.generations, Operations(self.events), self.events)


@pytest.fixture
def house() -> House:
    return House()


async def test_a_change_is_committed_told_and_only_then_freed(house: House) -> None:
    order: list[str] = []

    async def freed() -> None:
        order.append(f"freed in {house.generations.current.number}")

    async def act(wish: object, running: Running) -> Change:
        running.say("Half of it.")
        order.append(f"staged {wish} in {house.generations.current.number}")
        return Change(apply=lambda now: replace(now, reason="new"), after=freed)

    house.reloader.add(Scripted(act))
    with house.events.subscribe() as heard:
        done = await house.reloader.reload("config", who="api", wish="this", subject="it")
        await asyncio.sleep(0)
    assert order == ["staged this in 1", "freed in 2"]
    assert house.generations.current.reason == "new"
    assert (done.result, done.generation, done.who, done.subject) == (
        Result.applied,
        2,
        "api",
        "it",
    )
    assert done.ended_at is not None
    assert done.ended_at >= done.started_at
    told = [heard.get_nowait() for _ in range(heard.qsize())]
    assert [event.name for event in told] == [
        *("operation", "operation", "generation", "operation"),
    ]
    assert told[2].data == {"generation": 2, "scope": "config"}
    assert house.reloader.operations.get(done.id) == done


async def test_what_does_not_differ_makes_no_generation(house: House) -> None:
    house.reloader.add(Scripted())
    done = await house.reloader.reload("config", who="file")
    assert (done.result, done.generation) == (Result.unchanged, 1)
    assert house.generations.current.number == 1


@pytest.mark.parametrize(
    ("error", "code", "problems"),
    [
        (
            SettingsError("Line 3: no.", problems=[Problem(message="no", path="a.b", line=3)]),
            "settings_invalid",
            (Problem(message="no", path="a.b", line=3),),
        ),
        (
            UnsupportedLanguageError("Not spoken."),
            "unsupported_language",
            (Problem(message="Not spoken."),),
        ),
    ],
)
async def test_what_is_refused_changes_nothing_and_says_why(
    house: House, error: Exception, code: str, problems: tuple[Problem, ...]
) -> None:
    async def act(_: object, __: Running) -> Change:
        raise error

    house.reloader.add(Scripted(act))
    done = await house.reloader.reload("config", who="file")
    assert (done.result, done.code, done.errors) == (Result.rejected, code, problems)
    assert house.generations.current.number == 1


async def test_a_fault_of_ours_is_a_refusal_without_its_words(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(_: object, __: Running) -> Change:
        raise ValueError("some secret text")

    house.reloader.add(Scripted(act))
    done = await house.reloader.reload("config", who="file")
    assert (done.result, done.code) == (Result.rejected, "internal")
    assert "secret" not in caplog.text + str(done)
    assert "ValueError in test_service_reloading.py" in caplog.text
    assert (await house.reloader.reload("config", who="file")).result is Result.rejected


@pytest.mark.parametrize("gives_up", [True, False])
async def test_a_commit_that_fails_gives_everything_up_and_the_next_one_works(
    house: House, caplog: pytest.LogCaptureFixture, *, gives_up: bool
) -> None:
    given_up: list[object] = []

    def apply(_: Generation) -> Generation:
        raise ValueError("some secret text")

    async def act(wish: object, _: Running) -> Change:
        async def give_up() -> None:
            given_up.append(wish)
            if not gives_up:
                raise OSError("another secret text")

        return Change(apply=(lambda now: now) if wish == "good" else apply, give_up=give_up)

    house.reloader.add(Scripted(act))
    done = await house.reloader.reload("config", who="api", wish="bad")
    assert (done.result, done.code, done.generation) == (Result.rejected, "internal", 1)
    assert done.ended_at is not None
    assert given_up == ["bad"]
    assert "secret" not in caplog.text + str(done)
    good = await house.reloader.reload("config", who="api", wish="good")
    assert (good.result, good.generation, given_up) == (Result.applied, 2, ["bad"])


async def test_no_more_than_so_many_wishes_of_a_scope_wait(house: House) -> None:
    go = asyncio.Event()

    async def act(wish: object, _: Running) -> None:
        await go.wait()

    house.reloader.add(Scripted(act))
    house.reloader.add(Scripted(name="moods"))

    async def wish(scope: str = "config") -> Operation:
        async with asyncio.timeout(20):
            return await house.reloader.reload(scope, who="api", wish="this")

    crowd = [asyncio.create_task(wish()) for _ in range(MOST_WISHES)]
    await until(lambda: len(house.reloader.operations.listed()) == MOST_WISHES)
    with pytest.raises(QueueFullError):
        await wish()
    with pytest.raises(QueueFullError):
        house.reloader.start("config", who="api", wish="this", action="put")
    assert len(house.reloader.operations.listed()) == MOST_WISHES  # as if nobody had asked
    assert (await wish("moods")).result is Result.unchanged
    read = asyncio.create_task(house.reloader.reload("config", who="file"))  # the disk is no wish
    back = house.reloader.start(
        "config", who="probation", wish="back", action="rollback", urgent=True
    )
    go.set()
    assert {one.result for one in await asyncio.gather(*crowd, read)} == {Result.unchanged}
    assert (await wish()).result is Result.unchanged
    ended = house.reloader.operations.get(back.id)
    assert ended is not None
    assert ended.result is Result.unchanged


async def test_calls_that_come_during_a_reload_become_exactly_one_more(house: House) -> None:
    going, go = asyncio.Event(), asyncio.Event()

    async def act(_: object, __: Running) -> None:
        going.set()
        await go.wait()

    scope = Scripted(act)
    house.reloader.add(scope)
    first = asyncio.create_task(house.reloader.reload("config", who="file"))
    await going.wait()
    rest = [asyncio.create_task(house.reloader.reload("config", who="api")) for _ in range(9)]
    await asyncio.sleep(0)
    go.set()
    done = await asyncio.gather(first, *rest)
    assert scope.staged == 2
    assert len({operation.id for operation in done}) == 2


async def test_wishes_are_never_merged_and_come_in_their_order(house: House) -> None:
    seen: list[object] = []

    async def act(wish: object, _: Running) -> None:
        seen.append(wish)

    house.reloader.add(Scripted(act))
    await asyncio.gather(
        *(house.reloader.reload("config", who="api", wish=number) for number in range(5))
    )
    assert seen == [0, 1, 2, 3, 4]


async def test_scopes_that_share_a_turn_take_turns_and_others_do_not(house: House) -> None:
    inside: set[str] = set()
    together: set[frozenset[str]] = set()

    def acting(name: str) -> Scripted:
        async def act(_: object, __: Running) -> None:
            inside.add(name)
            together.add(frozenset(inside))
            await asyncio.sleep(0.01)
            inside.discard(name)

        return Scripted(act, name)

    turn = asyncio.Lock()
    house.reloader.add(acting("config"), turn=turn)
    house.reloader.add(acting("models"), turn=turn)
    house.reloader.add(acting("moods"))
    await asyncio.gather(
        *(house.reloader.reload(scope, who="api") for scope in house.reloader.scopes)
    )
    assert frozenset({"config", "moods"}) in together
    assert not any({"config", "models"} <= pair for pair in together)


async def test_who_gives_up_waiting_does_not_stop_it(house: House) -> None:
    go, gone = asyncio.Event(), asyncio.Event()

    async def act(_: object, __: Running) -> Change:
        await go.wait()
        gone.set()
        return Change(apply=lambda now: now)

    house.reloader.add(Scripted(act))
    waiting = asyncio.create_task(house.reloader.reload("config", who="api"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    go.set()
    await gone.wait()
    await asyncio.sleep(0)
    assert house.generations.current.number == 2


async def test_what_was_started_is_told_at_once_and_ends_by_itself(house: House) -> None:
    house.reloader.add(Scripted())
    begun = house.reloader.start("config", who="api", wish=1, action="load", subject="big")
    assert (begun.result, begun.action) == (Result.running, "load")
    await until(lambda: all(one.ended_at for one in house.reloader.operations.listed()))


async def test_closing_gives_up_what_is_under_way(house: House) -> None:
    async def act(_: object, __: Running) -> None:
        await asyncio.Event().wait()

    house.reloader.add(Scripted(act))
    house.reloader.start("config", who="api", wish=1, action="load")
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await house.reloader.close()
