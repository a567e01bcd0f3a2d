"""The wait in front of a model, against a plain model of it and a clock that only tests move."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from prometheus_client.metrics import MetricWrapperBase
import pytest

from indextts_daemon.errors import EngineUnavailableError, QueueFullError
from indextts_daemon.metrics import PRIORITIES, Metrics
from indextts_daemon.service.queue import JobQueue, Place


class Clock:
    """Seconds that pass when the test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Job:
    """One that wants a place, and what became of it."""

    priority: str
    since: float
    task: asyncio.Task[None] | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)
    broken: bool = False
    place: Place | None = None
    waited_s: float | None = None
    refusal: QueueFullError | EngineUnavailableError | None = None
    admitted_at: float = 0.0
    made_at: float = 0.0


async def hold(queue: JobQueue, job: Job, admitted: list[Job]) -> None:
    try:
        async with queue.place(job.priority) as place:
            job.place, job.waited_s = place, place.waited_s
            admitted.append(job)
            await job.done.wait()
            if job.broken:
                raise ConnectionResetError  # noqa: TRY301 as a client that hangs up does
    except (QueueFullError, EngineUnavailableError) as err:
        job.refusal = err
    except ConnectionResetError:
        pass


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


async def give_up_on(jobs: list[Job]) -> None:
    """Let the timers that have run out do what they do."""
    await asyncio.wait({job.task for job in jobs if job.task} or {asyncio.create_task(settle())})


def mean(past: float | None, newest: float) -> float:
    return newest if past is None else past + 0.2 * (newest - past)


def samples(metric: MetricWrapperBase) -> dict[tuple[str, ...], float]:
    """Return the values by the end of their name and their priority."""
    return {
        (sample.name.removeprefix(family.name), *sample.labels.values()): sample.value
        for family in metric.collect()
        for sample in family.samples
        if "le" not in sample.labels
    }


class QueueMachine(RuleBasedStateMachine):
    """Whoever comes, leaves or gives up in whichever order: first come, first served, no leak."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.metrics, self.clock = Metrics(), Clock()
        self.admitted: list[Job] = []
        self.expected: list[Job] = []  # the order in which places must have been given
        self.waiting: list[Job] = []
        self.inside: list[Job] = []
        self.listening: list[Job] = []
        self.slots = 1
        self.held_s: float | None = None
        self.heard_s: float | None = None

    @initialize(capacity=st.integers(1, 3))
    def open(self, capacity: int) -> None:
        self.capacity = capacity
        self.queue = JobQueue(capacity=capacity, metrics=self.metrics, clock=self.clock)

    @rule(priority=st.sampled_from(PRIORITIES))
    def come(self, priority: str) -> None:
        job = Job(priority=priority, since=self.clock.now)
        self.run(self.start(job))
        room = self.capacity + (1 if priority == "critical" else 0)
        if len(self.waiting) + len(self.listening) >= room:
            assert job.refusal is not None
            assert job.refusal.retry_after_s == pytest.approx(self.retry_after_s())
            return
        assert job.refusal is None
        if len(self.inside) < self.slots and not self.waiting:
            self.expect(job)
        else:
            self.waiting.append(job)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def be_spoken(self, data: Any) -> None:
        job = data.draw(st.sampled_from(self.inside))
        job.place.release()
        self.run(settle())
        job.made_at = self.clock.now
        self.listening.append(job)
        self.left(job)

    @precondition(lambda self: self.listening)
    @rule(data=st.data(), hung_up=st.booleans())
    def be_heard(self, data: Any, hung_up: bool) -> None:  # noqa: FBT001 hypothesis gives it
        job = data.draw(st.sampled_from(self.listening))
        if hung_up:
            job.task.cancel()
        else:
            job.done.set()
        self.run(settle())
        self.listening.remove(job)
        self.heard(job.made_at)

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), broken=st.booleans())
    def leave(self, data: Any, broken: bool) -> None:  # noqa: FBT001 hypothesis gives it
        job = data.draw(st.sampled_from(self.inside))
        job.broken = broken
        job.done.set()
        self.run(settle())
        self.left(job)
        self.heard(self.clock.now)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def hang_up(self, data: Any) -> None:
        job = data.draw(st.sampled_from(self.inside))
        job.task.cancel()
        self.run(settle())
        self.left(job)
        self.heard(self.clock.now)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: Any) -> None:
        job = data.draw(st.sampled_from(self.waiting))
        job.task.cancel()
        self.run(settle())
        self.waiting.remove(job)

    @precondition(lambda self: self.inside and self.waiting and len(self.inside) <= self.slots)
    @rule(data=st.data())
    def give_up_in_the_moment_of_admission(self, data: Any) -> None:
        leaving, next_one = data.draw(st.sampled_from(self.inside)), self.waiting[0]
        self.run(self.cross(leaving, next_one))
        self.waiting.pop(0)
        self.left(leaving)
        self.heard(self.clock.now)
        assert next_one.waited_s is None

    @precondition(lambda self: self.slots and self.inside and self.waiting)
    @rule(data=st.data())
    def give_up_just_before_admission(self, data: Any) -> None:
        leaving, next_one = data.draw(st.sampled_from(self.inside)), self.waiting.pop(0)
        leaving.done.set()
        next_one.task.cancel()
        self.run(settle())
        self.left(leaving)
        self.heard(self.clock.now)

    @rule(slots=st.integers(1, 3))
    def resize(self, slots: int) -> None:
        self.slots = slots
        self.queue.resize(slots)
        self.run(settle())
        self.move_up()

    @rule()
    def close(self) -> None:
        self.slots = 0
        self.queue.close(lambda: EngineUnavailableError("Closed.", retry_after_s=77.0))

    @precondition(lambda self: not self.slots)
    @rule()
    def give_nobody_hope(self) -> None:
        self.queue.close(lambda: EngineUnavailableError("Closed.", retry_after_s=77.0), hold=False)
        self.run(give_up_on(self.waiting))
        for job in self.waiting:
            assert isinstance(job.refusal, EngineUnavailableError)
        self.waiting.clear()
        self.close()

    @rule(seconds=st.floats(0.1, 100))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def places_are_given_in_the_order_of_coming(self) -> None:
        assert self.admitted == self.expected

    @invariant()
    def the_figures_are_right(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert self.queue.in_flight == len(self.inside)
        assert self.queue.listening == len(self.listening)
        assert self.queue.waiting == len(self.waiting) <= self.capacity + 1
        self.check_gauges()
        waits = samples(self.metrics.queue_wait)
        for priority in PRIORITIES:
            given_out = [job.waited_s or 0 for job in self.admitted if job.priority == priority]
            assert waits["_count", priority] == len(given_out)
            assert waits["_sum", priority] == pytest.approx(sum(given_out))
        assert self.queue.retry_after_s() == pytest.approx(self.retry_after_s())

    def teardown(self) -> None:
        for job in [*self.waiting, *self.inside, *self.listening]:
            assert job.task is not None
            job.task.cancel()
        self.run(settle())
        assert not asyncio.all_tasks(self.loop)
        self.waiting, self.inside = [], []
        self.check_gauges()
        self.loop.close()

    def check_gauges(self) -> None:
        assert samples(self.metrics.in_flight) == {("",): len(self.inside)}
        lengths = samples(self.metrics.queue_length)
        for priority in PRIORITIES:
            ours = [job for job in self.waiting if job.priority == priority]
            assert lengths["", priority] == len(ours)

    def retry_after_s(self) -> float:
        if not self.slots:
            return 77.0
        held_s = 1.0 if self.held_s is None else self.held_s
        moving_up_s = held_s / self.slots + (self.heard_s or 0.0)
        if not self.listening:
            return moving_up_s
        heard_s = 1.0 if self.heard_s is None else self.heard_s
        return min(moving_up_s, heard_s / len(self.listening))

    def run(self, work: Any) -> None:
        self.loop.run_until_complete(work)

    async def start(self, job: Job) -> None:
        job.task = asyncio.create_task(hold(self.queue, job, self.admitted))
        await settle()

    async def cross(self, leaving: Job, next_one: Job) -> None:
        before = self.queue.waiting
        leaving.done.set()
        while self.queue.waiting == before:  # noqa: ASYNC110 one turn of the loop at a time
            await asyncio.sleep(0)
        assert next_one.task is not None
        next_one.task.cancel()  # it has its place, and does not know it yet
        await settle()

    def expect(self, job: Job) -> None:
        assert job.waited_s == pytest.approx(self.clock.now - job.since)
        job.admitted_at = self.clock.now
        self.inside.append(job)
        self.expected.append(job)

    def left(self, job: Job) -> None:
        self.inside.remove(job)
        self.held_s = mean(self.held_s, self.clock.now - job.admitted_at)
        self.move_up()

    def heard(self, since: float) -> None:
        self.heard_s = mean(self.heard_s, self.clock.now - since)

    def move_up(self) -> None:
        while self.waiting and len(self.inside) < self.slots:
            self.expect(self.waiting.pop(0))


QueueMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
TestWhoeverComesAndLeaves = QueueMachine.TestCase


async def hold_for(queue: JobQueue, clock: Clock, seconds: float) -> None:
    async with queue.place("interactive"):
        clock.now += seconds


async def test_the_estimate_follows_how_long_places_are_held() -> None:
    clock = Clock()
    queue = JobQueue(capacity=1, metrics=Metrics(), clock=clock)
    queue.resize(2)
    for seconds in (8.0, 0.5, 30.0):
        for _ in range(40):
            await hold_for(queue, clock, seconds)
        assert queue.retry_after_s() == pytest.approx(seconds / 2, rel=0.01)


async def test_one_odd_job_moves_the_estimate_a_little() -> None:
    clock = Clock()
    queue = JobQueue(capacity=1, metrics=Metrics(), clock=clock)
    await hold_for(queue, clock, 2.0)
    assert queue.retry_after_s() == 2.0
    await hold_for(queue, clock, 7.0)
    assert queue.retry_after_s() == 3.0


async def test_the_reserved_place_is_one_and_for_critical_requests_only() -> None:
    queue = JobQueue(capacity=1, metrics=Metrics())
    admitted: list[Job] = []
    jobs = [Job(priority=p, since=0) for p in ("interactive", "interactive", *PRIORITIES * 2)]
    tasks = [asyncio.create_task(hold(queue, job, admitted)) for job in jobs]
    await settle()
    # One is inside and one waits; of those after them, only the first critical one finds room.
    assert [job.refusal is None for job in jobs] == [True, True, True, False, False, False]
    assert jobs[3].refusal is not None
    assert "2 requests are waiting already" in jobs[3].refusal.message
    for job in jobs:
        job.done.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)
    assert admitted == jobs[:3]


async def test_a_refusal_takes_no_place() -> None:
    queue = JobQueue(capacity=1, metrics=Metrics())
    async with queue.place("interactive"):
        waiting = asyncio.create_task(hold(queue, Job(priority="interactive", since=0), []))
        await settle()
        for _ in range(5):
            with pytest.raises(QueueFullError):
                async with queue.place("interactive"):
                    pytest.fail("there was no room")
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
    assert (queue.in_flight, queue.waiting) == (0, 0)


async def test_a_place_that_is_released_is_free_while_its_audio_is_still_heard() -> None:
    metrics = Metrics()
    queue = JobQueue(capacity=2, metrics=metrics)
    async with queue.place("interactive") as first:
        first.release()
        first.release()
        async with queue.place("interactive") as second:
            assert (queue.in_flight, queue.listening) == (1, 1)
            second.release()
            with pytest.raises(QueueFullError):  # what they have not heard yet is kept in memory
                async with queue.place("interactive"):
                    pass
            async with queue.place("critical"):
                pass
    assert (queue.in_flight, queue.listening, queue.waiting) == (0, 0, 0)
    assert metrics.in_flight._value.get() == 0


async def test_a_full_house_of_listeners_is_waited_for_as_long_as_they_listen() -> None:
    clock = Clock()
    queue = JobQueue(capacity=2, metrics=Metrics(), clock=clock)
    async with queue.place("interactive") as place:
        clock.now += 0.5
        place.release()
        clock.now += 8
    assert queue.retry_after_s() == 0.5 + 8
    queue.resize(2)
    async with queue.place("interactive") as first, queue.place("interactive") as second:
        first.release()
        second.release()
        with pytest.raises(QueueFullError) as refused:
            async with queue.place("interactive"):
                pytest.fail("there was no room")
    assert refused.value.retry_after_s == 8 / 2


def unavailable() -> EngineUnavailableError:
    return EngineUnavailableError("It loads.", retry_after_s=5.0)


async def test_a_closed_queue_serves_those_it_held_once_it_opens() -> None:
    queue = JobQueue(capacity=3, metrics=Metrics())
    queue.close(unavailable)
    admitted: list[Job] = []
    jobs = [Job(priority="interactive", since=0) for _ in range(3)]
    tasks = [asyncio.create_task(hold(queue, job, admitted)) for job in jobs]
    await settle()
    assert (queue.waiting, queue.in_flight) == (3, 0)
    queue.resize(2)
    await settle()
    assert admitted == jobs[:2]
    for job in jobs:
        job.done.set()
    await asyncio.gather(*tasks)
    assert admitted == jobs


async def test_a_closed_queue_holds_each_for_as_long_and_no_longer() -> None:
    queue = JobQueue(capacity=3, metrics=Metrics(), hold_s=0.05)
    queue.close(unavailable)
    jobs = [Job(priority="interactive", since=0) for _ in range(3)]
    async with asyncio.timeout(10):
        await asyncio.gather(*(hold(queue, job, []) for job in jobs))
    assert [str(job.refusal) for job in jobs] == ["It loads."] * 3
    assert (queue.waiting, queue.in_flight) == (0, 0)


async def test_the_patience_of_one_closing_does_not_count_in_the_next() -> None:
    queue = JobQueue(capacity=3, metrics=Metrics(), hold_s=0.2)
    async with queue.place("interactive"):
        queue.close(unavailable)
        task = asyncio.create_task(hold(queue, job := Job(priority="critical", since=0), []))
        await asyncio.sleep(0.15)
        queue.resize(1)
        queue.close(unavailable)
        await asyncio.sleep(0.1)  # longer than the first closing would have let it wait
        assert queue.waiting == 1
        queue.resize(1)
    job.done.set()
    await task
    assert job.refusal is None


async def test_who_waits_for_the_opening_waits_in_the_same_line_and_takes_no_place() -> None:
    queue = JobQueue(capacity=2, metrics=Metrics())
    await queue.opened("interactive")
    queue.close(unavailable)
    crowd = [asyncio.create_task(queue.opened("interactive")) for _ in range(2)]
    await settle()
    with pytest.raises(QueueFullError) as refused:
        await queue.opened("interactive")
    assert refused.value.retry_after_s == 5
    queue.resize(1)
    await asyncio.gather(*crowd)
    assert (queue.waiting, queue.in_flight) == (0, 0)


async def test_those_who_waited_for_the_opening_are_served_in_their_order() -> None:
    queue = JobQueue(capacity=3, metrics=Metrics())
    queue.close(unavailable)
    admitted: list[Job] = []

    async def come(job: Job) -> None:
        await queue.opened(job.priority)
        await hold(queue, job, admitted)

    jobs = [
        Job(priority=p, since=0) for p in ("interactive", "interactive", "critical", "critical")
    ]
    for job in jobs:
        job.done.set()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for job in jobs:
            tasks.create_task(come(job))
        await settle()
        queue.resize(1)
    assert admitted == jobs
