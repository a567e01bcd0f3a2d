"""Who uses the processors, against a /proc that is written here."""

import os
from pathlib import Path

import pytest

from indextts_daemon.bench.proc import Neighbours, Snapshot, look

TICKS = os.sysconf("SC_CLK_TCK")
OWN, CHILD, NEIGHBOUR = 100, 101, 200


class FakeProc:
    """A /proc whose clock and counters move as they are told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 1000.0
        self.total_s = 0.0
        self.stolen_s = 0.0

    def process(
        self, pid: int, *, parent: int = 1, cpu_s: float = 0.0, name: str = "sh", born: int = 7
    ) -> None:
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        half = round(cpu_s * TICKS / 2)
        fields = ["S", parent, *[0] * 9, half, half, *[0] * 6, born, *[0] * 30]
        (folder / "stat").write_text(f"{pid} ({name}) {' '.join(map(str, fields))}\n")

    def look(self) -> Snapshot:
        ticks = round(self.total_s * TICKS)
        stolen = round(self.stolen_s * TICKS)
        (self.root / "stat").write_text(f"cpu  {ticks} 0 0 99 0 0 0 {stolen} 0 0\ncpu0 1 2 3\n")
        return look(self.root, clock=lambda: self.now)


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    fake = FakeProc(tmp_path)
    (tmp_path / "self").mkdir()
    fake.process(OWN)
    fake.process(CHILD, parent=OWN)
    fake.process(NEIGHBOUR)
    return fake


def after(
    proc: FakeProc, seconds: float, *, neighbour_s: float = 0.0, own_s: float = 0.0
) -> Neighbours:
    watch = Neighbours(OWN, proc.look())
    proc.now += seconds
    proc.total_s += neighbour_s + own_s
    proc.process(CHILD, parent=OWN, cpu_s=own_s)
    proc.process(NEIGHBOUR, cpu_s=neighbour_s, name="a (busy) one")
    watch.note(proc.look())
    return watch


def test_a_neighbour_over_a_tenth_of_a_core_is_named(proc: FakeProc) -> None:
    watch = after(proc, 10.0, neighbour_s=3.0)
    assert watch.worst == {"a (busy) one": pytest.approx(0.3)}
    assert watch.others_share == pytest.approx(0.3)


def test_a_quiet_neighbour_is_not_mentioned(proc: FakeProc) -> None:
    assert not after(proc, 10.0, neighbour_s=0.9).worst


def test_our_own_processes_are_no_neighbours(proc: FakeProc) -> None:
    watch = after(proc, 10.0, own_s=15.0)
    assert not watch.worst
    assert watch.others_share == 0


def test_a_short_burst_is_not_averaged_away(proc: FakeProc) -> None:
    watch = after(proc, 2.0, neighbour_s=1.0)
    proc.now += 100.0
    watch.note(proc.look())
    assert watch.worst == {"a (busy) one": pytest.approx(0.5)}


def test_moments_are_put_together_until_they_can_be_judged(proc: FakeProc) -> None:
    watch = after(proc, 0.5, neighbour_s=0.5)
    assert not watch.worst
    proc.now += 0.5
    watch.note(proc.look())
    assert watch.worst == {"a (busy) one": pytest.approx(0.5)}


def test_what_a_process_used_before_is_not_held_against_it(proc: FakeProc) -> None:
    proc.process(NEIGHBOUR, cpu_s=500.0)
    watch = Neighbours(OWN, proc.look())
    proc.now += 10.0
    watch.note(proc.look())
    assert not watch.worst


def test_a_process_with_the_number_of_another_starts_at_zero(proc: FakeProc) -> None:
    proc.process(NEIGHBOUR, cpu_s=500.0)
    watch = Neighbours(OWN, proc.look())
    proc.now += 10.0
    proc.process(NEIGHBOUR, cpu_s=5.0, name="new", born=8)
    watch.note(proc.look())
    assert watch.worst == {"new": pytest.approx(0.5)}


def test_processes_that_came_and_went_count_together(proc: FakeProc) -> None:
    watch = Neighbours(OWN, proc.look())
    proc.now, proc.total_s = proc.now + 10.0, 4.0
    watch.note(proc.look())
    assert not watch.worst
    assert watch.others_share == pytest.approx(0.4)


def test_what_the_host_keeps_back_is_told(proc: FakeProc) -> None:
    watch = Neighbours(OWN, proc.look())
    proc.now, proc.stolen_s = proc.now + 10.0, 2.0
    watch.note(proc.look())
    assert watch.stolen_share == pytest.approx(0.2)


def test_a_family_is_everybody_below(proc: FakeProc) -> None:
    proc.process(50, parent=CHILD)  # a grandchild, with a lower number
    assert proc.look().family(OWN) == {OWN, CHILD, 50}


def test_the_machine_itself_can_be_read() -> None:
    snapshot = look()
    assert os.getpid() in snapshot.family(os.getppid())
    assert snapshot.busy_s > 0
