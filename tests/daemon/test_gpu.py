"""The graphics card in words, and whether IndexTTS can use it."""

from types import SimpleNamespace
from typing import Any

import pytest

from indextts_daemon import gpu

GIB = 2**30


class NVMLError(Exception):
    """As the NVIDIA library raises."""


def driver(*, fails: str | None = None, **other: Any) -> Any:
    """Answer as the NVIDIA library does for a good card, but for what is said."""

    def call(name: str, answer: Any) -> Any:
        def answered(*_: Any) -> Any:
            if fails == name:
                raise NVMLError("Driver Not Loaded")
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
    }
    calls = {name: call(name, answer) for name, answer in answers.items()}
    return SimpleNamespace(NVMLError=NVMLError, **calls)


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
