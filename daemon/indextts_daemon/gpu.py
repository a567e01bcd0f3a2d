"""The graphics card, as the driver describes it; torch is not needed for that."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import pynvml  # type: ignore[import-untyped]

CUDA_OF_TORCH = 13  # the CUDA major that torch's default wheels are built for
LEAST_CAPABILITY = (7, 5)  # that they have code for: GeForce GTX 16, RTX 20 and newer
LEAST_MEMORY_GIB = 6  # 3.1 of weights in float32, and room for a long sentence
GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """What was found, in words; `trouble` is why it cannot be used, or nothing."""

    words: str
    trouble: str = ""
    there: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process on the card; some drivers keep to themselves how much of it it holds."""

    pid: int
    memory_bytes: int | None
    graphics: bool  # it draws: a desktop, a browser, a game


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUsage:
    """Who holds how much of the card's memory; None is what the driver does not tell."""

    total_bytes: int
    free_bytes: int
    ours_bytes: int | None
    foreign: tuple[GpuProcess, ...] | None
    load: float | None  # how much of the last moment the card was at work, 0 to 1

    @property
    def used_bytes(self) -> int:
        """What anybody holds, the driver too."""
        return self.total_bytes - self.free_bytes

    @property
    def foreign_bytes(self) -> int | None:
        """What the processes of others hold, as far as that is told."""
        told = [process.memory_bytes for process in self.foreign or ()]
        known = [held for held in told if held is not None]
        return None if self.foreign is None or len(known) < len(told) else sum(known)


def look() -> Gpu:
    """Describe the first card and judge whether IndexTTS can use it."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return Gpu(words="no NVIDIA GPU", trouble="There is no NVIDIA GPU.", there=False)
    try:
        return _described()
    except pynvml.NVMLError as err:
        return Gpu(
            words=f"the NVIDIA driver does not answer ({err})",
            trouble="The NVIDIA driver does not answer. Restart the machine.",
        )
    finally:
        pynvml.nvmlShutdown()


def usage(ours: Collection[int], *, failed: Callable[[], object]) -> GpuUsage | None:
    """Measure the first card, as seen by the processes `ours`; None without one.

    Never raises: `failed` is called for each driver error, and what it hides is None.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return None  # there is no driver, which is no error
    except pynvml.NVMLError:
        failed()
        return None
    try:
        return _measured(frozenset(ours), failed)
    except pynvml.NVMLError:
        failed()
        return None
    finally:
        _let_go(failed)


def held_by(pid: int) -> int | None:
    """Return how much of the card a process holds; None without one, or if that is not told."""
    seen = usage((), failed=lambda: None)
    return next((one.memory_bytes for one in (seen and seen.foreign) or () if one.pid == pid), None)


def _measured(ours: frozenset[int], failed: Callable[[], object]) -> GpuUsage | None:
    if not pynvml.nvmlDeviceGetCount():
        return None
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    processes = _processes(card, failed)
    held = [one.memory_bytes for one in processes or () if one.pid in ours]
    known = [bytes_ for bytes_ in held if bytes_ is not None]
    return GpuUsage(
        total_bytes=memory.total,
        free_bytes=memory.free,
        ours_bytes=None if processes is None or len(known) < len(held) else sum(known),
        foreign=None
        if processes is None
        else tuple(process for process in processes if process.pid not in ours),
        load=_load(card, failed),
    )


def _processes(card: Any, failed: Callable[[], object]) -> tuple[GpuProcess, ...] | None:
    """List who is on the card, each once; None if the driver does not tell who computes."""
    computing = _asked(pynvml.nvmlDeviceGetComputeRunningProcesses, card, failed)
    drawing = _asked(pynvml.nvmlDeviceGetGraphicsRunningProcesses, card, failed) or ()
    if computing is None:
        return None
    draws = {one.pid for one in drawing}
    found: dict[int, GpuProcess] = {}
    for one in (*computing, *drawing):  # who does both is listed twice
        before = found.get(one.pid)
        told = [one.usedGpuMemory, before.memory_bytes if before else None]
        found[one.pid] = GpuProcess(
            pid=one.pid,
            memory_bytes=max((held for held in told if held is not None), default=None),
            graphics=one.pid in draws,
        )
    return tuple(found.values())


def _load(card: Any, failed: Callable[[], object]) -> float | None:
    rates = _asked(pynvml.nvmlDeviceGetUtilizationRates, card, failed)
    return None if rates is None else rates.gpu / 100


def _asked(ask: Callable[[Any], Any], card: Any, failed: Callable[[], object]) -> Any:
    """Ask for what not every card and driver tells."""
    try:
        return ask(card)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return None
    except pynvml.NVMLError:
        failed()
        return None


def _let_go(failed: Callable[[], object]) -> None:
    try:
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        failed()


def _described() -> Gpu:
    if not pynvml.nvmlDeviceGetCount():
        return Gpu(words="no NVIDIA GPU", trouble="There is no NVIDIA GPU.", there=False)
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    driver = pynvml.nvmlSystemGetDriverVersion()
    words = (
        f"{pynvml.nvmlDeviceGetName(card)}, {memory.total / GIB:.0f} GiB "
        f"({memory.free / GIB:.0f} free), driver {driver}"
    )
    cuda = pynvml.nvmlSystemGetCudaDriverVersion_v2() // 1000
    capability = tuple(pynvml.nvmlDeviceGetCudaComputeCapability(card))
    return Gpu(words=words, trouble=_trouble(cuda, capability, memory.total))


def _trouble(cuda: int, capability: tuple[int, ...], total: int) -> str:
    if cuda < CUDA_OF_TORCH:
        return f"The NVIDIA driver is too old for CUDA {CUDA_OF_TORCH}. Update it to use the GPU."
    if capability < LEAST_CAPABILITY:
        return "The card is too old for torch. A GeForce GTX 16 or RTX 20 is the oldest that works."
    if total < LEAST_MEMORY_GIB * GIB:
        return f"The card has less than {LEAST_MEMORY_GIB} GiB of memory."
    return ""
