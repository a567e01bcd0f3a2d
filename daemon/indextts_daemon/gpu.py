"""The graphics card, as the driver describes it; torch is not needed for that."""

from dataclasses import dataclass

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
