"""How much of the machine's own memory may still be used: what is free, and what is allowed."""

from pathlib import Path


def available(root: Path = Path("/")) -> int | None:
    """Return how much of the machine's own memory may still be used; None if nobody tells.

    Reads the kernel's files. A bound set on this process or its container counts.
    """
    bounds = [_of_machine(root), *_of_groups(root)]
    return min((bound for bound in bounds if bound is not None), default=None)


def _of_machine(root: Path) -> int | None:
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) << 10
    return None


def _of_groups(root: Path) -> list[int | None]:
    """Return the room in this process's control group and in those around it (version 2)."""
    mount = root / "sys/fs/cgroup"
    lines = _read(root / "proc/self/cgroup").splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), "/").lstrip("/")
    inner = mount / own
    around = [group for group in inner.parents if group.is_relative_to(mount)]
    return [_of_group(group) for group in (inner, *around)]


def _of_group(group: Path) -> int | None:
    most, used = _read(group / "memory.max").strip(), _read(group / "memory.current").strip()
    if not (most.isdigit() and used.isdigit()):
        return None  # "max", or no such group
    stat = dict(line.split(maxsplit=1) for line in _read(group / "memory.stat").splitlines())
    cache = int(stat.get("inactive_file", 0))  # files that the kernel drops before it refuses
    return max(0, int(most) - int(used) + cache)


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except OSError:
        return ""
