"""The graphics card in words, whether IndexTTS can use it, and who holds its memory."""

from types import SimpleNamespace
from typing import Any

import pytest

from indextts_daemon import gpu

GIB = 2**30


class NVMLError(Exception):
    """As the NVIDIA library raises."""


class LibraryNotFoundError(NVMLError):
    pass


class NotSupportedError(NVMLError):
    pass


class FunctionNotFoundError(NVMLError):
    pass


def driver(*, fails: str | None = None, error: Any = NVMLError, **other: Any) -> Any:
    """Answer as the NVIDIA library does for a good card, but for what is said."""

    def call(name: str, answer: Any) -> Any:
        def answered(*_: Any) -> Any:
            if fails == name:
                raise error("Driver Not Loaded")
            return answer

        return answered

    answers = {
        "nvmlInit": None,
        "nvmlShutdown": None,
        "nvmlDeviceGetCount": other.get("cards", 1),
        "nvmlDeviceGetHandleByIndex": 0,
        "nvmlDeviceGetName": "NVIDIA GeForce RTX 5090",
        "nvmlSystemGetDriverVersion": "580.65",
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(
            total=other.get("total", 32 * GIB), free=other.get("free", 30 * GIB)
        ),
        "nvmlDeviceGetCudaComputeCapability": other.get("capability", (12, 0)),
        "nvmlSystemGetCudaDriverVersion_v2": other.get("cuda", 13020),
        "nvmlDeviceGetComputeRunningProcesses": other.get("compute", []),
        "nvmlDeviceGetGraphicsRunningProcesses": other.get("graphics", []),
        "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=other.get("load", 0)),
    }
    calls = {name: call(name, answer) for name, answer in answers.items()}
    return SimpleNamespace(
        NVMLError=NVMLError,
        NVMLError_LibraryNotFound=LibraryNotFoundError,
        NVMLError_NotSupported=NotSupportedError,
        NVMLError_FunctionNotFound=FunctionNotFoundError,
        **calls,
    )


def process(pid: int, gib: float | None) -> Any:
    """Answer for one process as the NVIDIA library does."""
    return SimpleNamespace(pid=pid, usedGpuMemory=None if gib is None else int(gib * GIB))


def measured(found: Any, monkeypatch: pytest.MonkeyPatch, *ours: int) -> tuple[Any, int]:
    """Return what is measured with this driver, and how many errors were counted."""
    failures: list[int] = []
    monkeypatch.setattr(gpu, "pynvml", found)
    return gpu.usage(ours, failed=lambda: failures.append(1)), len(failures)


def test_a_card_that_can_be_used_has_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "pynvml", driver())
    found = gpu.look()
    assert found.words == "NVIDIA GeForce RTX 5090, 32 GiB (30 free), driver 580.65"
    assert (found.there, found.trouble) == (True, "")


@pytest.mark.parametrize(
    ("described", "there", "trouble"),
    [
        (driver(cuda=12090), True, "driver is too old for CUDA 13"),
        (driver(capability=(7, 0)), True, "card is too old for torch"),
        (driver(total=5 * GIB, free=5 * GIB), True, "less than 6 GiB of memory"),
        (driver(cards=0), False, "There is no NVIDIA GPU."),
        (driver(fails="nvmlInit"), False, "There is no NVIDIA GPU."),
        (driver(fails="nvmlDeviceGetName"), True, "driver does not answer"),
    ],
)
def test_what_stands_in_the_way_is_said(
    described: Any, there: object, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "pynvml", described)
    found = gpu.look()
    assert found.there is there
    assert trouble in found.trouble


def test_what_is_ours_and_what_is_others_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    card = driver(
        total=16 * GIB,
        free=5 * GIB,
        compute=[process(10, 6), process(20, 1)],
        graphics=[process(30, 0.5), process(20, 1)],
        load=40,
    )
    seen, failures = measured(card, monkeypatch, 10, 11)
    assert (seen.total_bytes, seen.free_bytes, seen.used_bytes) == (16 * GIB, 5 * GIB, 11 * GIB)
    assert seen.ours_bytes == 6 * GIB
    assert seen.foreign == (
        gpu.GpuProcess(pid=20, memory_bytes=GIB, graphics=True),
        gpu.GpuProcess(pid=30, memory_bytes=GIB // 2, graphics=True),
    )
    assert seen.foreign_bytes == 3 * GIB // 2
    assert (seen.load, failures) == (0.4, 0)


def test_memory_that_the_driver_keeps_to_itself_is_not_taken_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = driver(compute=[process(10, None), process(20, None)], graphics=[process(30, 1)])
    seen, failures = measured(card, monkeypatch, 10)
    assert seen.ours_bytes is None
    assert [one.memory_bytes for one in seen.foreign] == [None, GIB]
    assert (seen.foreign_bytes, failures) == (None, 0)


@pytest.mark.parametrize("error", [NotSupportedError, FunctionNotFoundError])
def test_a_card_that_lists_no_drawing_processes_still_lists_the_others(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = driver(
        compute=[process(10, 6)], fails="nvmlDeviceGetGraphicsRunningProcesses", error=error
    )
    seen, failures = measured(card, monkeypatch, 10)
    assert (seen.ours_bytes, seen.foreign, failures) == (6 * GIB, (), 0)


def test_a_driver_that_lists_nobody_still_tells_how_much_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = driver()

    def refuse(_: Any) -> Any:
        raise NotSupportedError

    card.nvmlDeviceGetComputeRunningProcesses = refuse
    card.nvmlDeviceGetGraphicsRunningProcesses = refuse
    card.nvmlDeviceGetUtilizationRates = refuse
    seen, failures = measured(card, monkeypatch, 10)
    assert (seen.ours_bytes, seen.foreign, seen.foreign_bytes, seen.load) == (None,) * 4
    assert (seen.free_bytes, failures) == (30 * GIB, 0)


@pytest.mark.parametrize(
    ("found", "counted"),
    [
        (driver(fails="nvmlInit", error=LibraryNotFoundError), 0),
        (driver(cards=0), 0),
        (driver(fails="nvmlInit"), 1),
        (driver(fails="nvmlDeviceGetCount"), 1),
        (driver(fails="nvmlDeviceGetHandleByIndex"), 1),
        (driver(fails="nvmlDeviceGetMemoryInfo"), 1),
    ],
)
def test_without_a_card_or_its_driver_nothing_is_known_and_errors_are_counted(
    found: Any, counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measured(found, monkeypatch) == (None, counted)


@pytest.mark.parametrize(
    ("call", "foreign", "load"),
    [
        ("nvmlDeviceGetComputeRunningProcesses", None, 0.0),
        ("nvmlDeviceGetUtilizationRates", (), None),
        ("nvmlShutdown", (), 0.0),
    ],
)
def test_a_driver_that_dies_in_the_middle_is_counted_and_hides_only_what_it_hides(
    call: str, foreign: Any, load: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, failures = measured(driver(fails=call), monkeypatch)
    assert (seen.free_bytes, seen.foreign, seen.load, failures) == (30 * GIB, foreign, load, 1)


def test_a_driver_that_comes_back_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured(driver(fails="nvmlInit"), monkeypatch) == (None, 1)
    seen, failures = measured(driver(), monkeypatch)
    assert (seen.free_bytes, failures) == (30 * GIB, 0)


def test_the_real_library_has_every_name_that_is_used() -> None:
    for name in vars(driver()):
        assert hasattr(gpu.pynvml, name), name
