"""Kill -9 of the daemon itself at any moment: it always starts again, and holds a good state."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
import random
import time

import aiohttp
import pytest

from tests.daemon.house import VERSIONS, House, ask, children, furnish, is_gone
from tests.daemon.test_promise_kills import Measured, figures, measured
from tests.daemon.told import BROKEN, FIRST, Told, lexicon, moods, settings

GONE_S = 10.0  # until a process whose parent was killed has ended
MOST_CHANGES = 40  # in one life
LIFE_S = 15.0
EDITED = ("config", "moods", "lexicon")
__all__ = ["measured"]


@dataclass(slots=True, eq=False, kw_only=True)
class Household:
    """Whose daemon is killed again and again while all of them change something."""

    data_dir: Path
    chance: random.Random
    told: Told = field(default_factory=Told)
    edition: int = 0
    changes: int = 0
    spoke_s: list[float] = field(default_factory=list)

    async def live_and_die(self) -> None:
        """Start, see that nothing is lost, change things, and be killed."""
        since = time.monotonic()
        with House(self.data_dir) as house:
            async with house.session() as session:
                await self.told.assert_kept(session)
                await self.told.assert_speaks(session)
                self.spoke_s.append(time.monotonic() - since)
                await self.change_until_killed(house, session)
            assert "Traceback" not in house.log
            assert "cannot be read" not in house.log

    async def change_until_killed(self, house: House, session: aiohttp.ClientSession) -> None:
        async with asyncio.TaskGroup() as people:
            for subject in FIRST:
                people.create_task(self.change(session, subject))
            people.create_task(self.disturb(session))
            await self.changed(self.chance.randrange(MOST_CHANGES))
            await asyncio.sleep(self.chance.uniform(0, 0.3))
            workers = children(house.process.pid)
            house.process.kill()
            house.process.wait()
        await all_gone(workers)

    async def changed(self, times: int) -> None:
        """Wait until so many changes were taken; not for ever, on a machine that is busy."""
        enough = self.changes + times
        with suppress(TimeoutError):
            async with asyncio.timeout(LIFE_S):
                while self.changes < enough:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    async def change(self, session: aiohttp.ClientSession, subject: str) -> None:
        with suppress(*BROKEN):
            while True:
                await asyncio.sleep(self.chance.uniform(0, 0.2 if subject in EDITED else 1.0))
                self.changes += await self.told.tell(session, subject, value=self.another(subject))

    def another(self, subject: str) -> object:
        """Return something else than there is now."""
        now = self.told.acknowledged[subject]
        if subject in EDITED:
            self.edition += 1
            return self.edition
        if subject == "models":
            return self.chance.choice([version for version in VERSIONS if version != now])
        return not now

    async def disturb(self, session: aiohttp.ClientSession) -> None:
        with suppress(*BROKEN):
            while True:
                await ask(session, "POST", "/v1/reload", json={})
                order = {"voice": "attic", "input": "I speak meanwhile.", "response_format": "wav"}
                async with session.post("/v1/audio/speech", json=order) as answer:
                    await answer.read()

    async def die_young(self) -> None:
        """Be killed while it starts."""
        null = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *House(self.data_dir).command, stdin=null, stdout=null, stderr=null
        )
        await asyncio.sleep(self.chance.uniform(0, 2.0))
        workers = children(process.pid)
        process.kill()
        await process.wait()
        await all_gone(workers)


async def all_gone(workers: list[int]) -> None:
    """Wait until processes have ended whose parent was killed."""
    async with asyncio.timeout(GONE_S):
        while not all(map(is_gone, workers)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def kill_fronts(data_dir: Path, number: int, measured: Measured) -> None:
    furnish(data_dir, config=settings(0), moods=moods(0), lexicon=lexicon(0))
    seed = random.randrange(1 << 32)  # noqa: S311 it is told
    measured("seed", seed)
    household = Household(data_dir=data_dir, chance=random.Random(seed))  # noqa: S311
    for place in range(number):
        await (household.die_young() if place % 5 == 4 else household.live_and_die())
    with House(data_dir) as house:
        async with house.session() as session:
            await household.told.assert_kept(session)
            await household.told.assert_speaks(session)
        assert house.stop() == 0
    measured("kills", number)
    measured("changes that were taken", household.changes)
    measured("from the start to a sentence", figures(household.spoke_s))


async def test_whenever_the_daemon_is_killed_it_starts_with_what_was_good(
    tmp_path: Path, measured: Measured
) -> None:
    """Ten times; the long form does it a hundred times."""
    await kill_fronts(tmp_path / "data", 10, measured)


@pytest.mark.long
async def test_a_hundred_times_killed_the_daemon_still_starts(
    tmp_path: Path, measured: Measured
) -> None:
    await kill_fronts(tmp_path / "data", 100, measured)
