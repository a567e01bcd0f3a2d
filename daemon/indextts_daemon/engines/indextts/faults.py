"""What a fault in the model's code costs: its job, the work at hand, or the process."""

from collections.abc import Iterator
from contextlib import contextmanager
import logging
import traceback

import torch

from indextts_daemon.errors import (
    BrokenEngineError,
    OutOfMemoryError,
    SpeechError,
    SynthesisError,
    place_of,
)

_LOG = logging.getLogger(__name__)
_FULL = (  # what torch says in RuntimeErrors that are not of its own class for this
    *("out of memory", "can't allocate memory", "not enough memory"),
    *("STATUS_ALLOC_FAILED", "cudaErrorMemoryAllocation"),
)
_FAILED = (  # after any of these no work on the card succeeds
    *(
        "CUDA error",
        "CUDA driver error",
        "cuDNN error",
        "cudaError",
        "CUDNN_STATUS",
        "CUBLAS_STATUS",
    ),
    *("device-side assert", "illegal memory access", "unspecified launch failure"),
)


def memory_is_full(error: BaseException) -> bool:
    """Tell whether there was no memory for what was asked, on the card or beside it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _FULL)


def card_failed(error: BaseException) -> bool:
    """Tell whether the card is out of order for this process, rather than only full."""
    if memory_is_full(error):
        return False
    if isinstance(error, torch.AcceleratorError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _FAILED)


@contextmanager
def at_its_own_cost() -> Iterator[None]:
    """Make of any fault the job's own error; only a card that failed costs the process.

    Raises SpeechError, OutOfMemoryError once nothing holds what the work had, and
    BrokenEngineError.
    """
    try:
        yield
    except (SpeechError, OutOfMemoryError):
        raise
    except Exception as err:  # whatever the model's code throws costs this job and no other
        if memory_is_full(err):
            traceback.clear_frames(err.__traceback__)  # they hold what is to be given back
            raise OutOfMemoryError("The memory is full.") from err
        if card_failed(err):
            raise BrokenEngineError(f"The card failed: {place_of(err)}.") from err
        _LOG.error("A job failed: %s.", place_of(err))
        raise SynthesisError("The engine failed on this job.") from err
