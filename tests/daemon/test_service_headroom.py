"""The headroom: what the kernel says is free, and the bounds of groups that we are in."""

from pathlib import Path

import pytest

from indextts_daemon.service.headroom import available

KIB, GIB = 2**10, 2**30


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(
        "MemTotal:       16000000 kB\nMemAvailable:    8388608 kB\nCached: 1 kB\n"
    )
    return tmp_path


def group(machine: Path, name: str, most: str, used: int, inactive: int = 0) -> None:
    folder = machine / "sys/fs/cgroup" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")
    (machine / "proc/self/cgroup").write_text(f"1:cpu:/other\n0::/{name}\n")


def test_without_a_bound_what_the_kernel_can_spare_counts(machine: Path) -> None:
    assert available(machine) == 8 * GIB
    group(machine, "system.slice/daemon", "max", 5)
    assert available(machine) == 8 * GIB


def test_a_bound_on_our_group_counts_and_its_cached_files_do_not(machine: Path) -> None:
    group(machine, "system.slice/daemon", str(3 * GIB), 2 * GIB, GIB // 2)
    assert available(machine) == GIB + GIB // 2


def test_a_bound_on_a_group_around_ours_counts_too(machine: Path) -> None:
    group(machine, "", str(2 * GIB), GIB)
    group(machine, "house", str(6 * GIB), 2 * GIB)
    group(machine, "house/daemon", "max", GIB)
    assert available(machine) == GIB


def test_a_group_that_is_over_its_bound_has_no_room_and_none_less(machine: Path) -> None:
    group(machine, "daemon", str(GIB), 2 * GIB)
    assert available(machine) == 0


def test_the_machine_itself_may_have_less_than_the_bound(machine: Path) -> None:
    group(machine, "daemon", str(64 * GIB), GIB)
    assert available(machine) == 8 * GIB


def test_where_nobody_tells_nothing_is_known(tmp_path: Path) -> None:
    assert available(tmp_path) is None


def test_this_machine_tells() -> None:
    assert (available() or 0) > KIB
