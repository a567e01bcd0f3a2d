"""What is in a tensor file, published or converted: the one room that opens them, and runs none."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import errno
from pathlib import Path
import pickle
from types import MappingProxyType
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
import torch
from torch import Tensor

from indextts_daemon.checkpoints import pickled

from .spelling.rules import WRAPPER, CheckpointError

OTHER_FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float64})  # that become float32
WRAPPINGS = MappingProxyType(  # the key of a dict that may be around a file's tensors
    {"gpt": "model", "s2mel": "net", "codec": "model", "vocoder": "generator"}
)
NAMELESS = MappingProxyType({"emotion_speakers": "spk_matrix", "emotion_rows": "emo_matrix"})


def published(role: str, path: Path, name: str) -> dict[str, Tensor]:
    """Read a published file's tensors without what is wrapped around them and their names.

    `name` is what people call the file. Raises CheckpointError.
    """
    if path.suffix == ".safetensors":
        return safetensors(path, name)
    content = _unpickled(path, name)
    if role in NAMELESS:
        content = {NAMELESS[role]: content}
    if not isinstance(content, dict):
        raise CheckpointError(f"{name} holds no tensors by name.")
    wrapped = content.get(WRAPPINGS.get(role, ""))
    return _flat(wrapped if isinstance(wrapped, dict) else content, name)


def _flat(content: Mapping[Any, Any], name: str) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for key, value in content.items():
        if isinstance(value, Tensor):
            tensors[str(key).removeprefix(WRAPPER)] = value.detach()
        elif isinstance(value, dict) and all(isinstance(one, Tensor) for one in value.values()):
            inner = _flat(value, name).items()
            tensors |= {f"{key}.{inner_key}": tensor for inner_key, tensor in inner}
        else:
            raise CheckpointError(f"{name} holds something that is no tensor: {key}.")
    return tensors


def _unpickled(path: Path, name: str) -> Any:
    """Load what torch saved: tensors and plain containers, or nothing at all."""
    with readable(name):
        mapped = pickled.is_zip(path)
    try:
        if mapped:
            pickled.key_names(path)  # looks at the checksum, so what is odd after this is meant
        return torch.load(  # noqa: TID251 the one place: it runs no code, as weights_only says
            path, map_location="cpu", weights_only=True, mmap=mapped
        )
    except pickle.UnpicklingError as err:
        raise CheckpointError(
            f"{name} holds something else than tensors; it was refused and not run."
        ) from err
    except Exception as err:  # damaged bytes make an unpickler raise anything
        if mapped and _lacks_memory(err):  # of a damaged file that is no zip it says nothing
            raise _too_large(name) from err
        raise CheckpointError(f"{name} is damaged or cut off: fetch it again.") from err


def safetensors(path: Path, name: str) -> dict[str, Tensor]:
    """Map a safetensors file's tensors. Raises CheckpointError."""
    with readable(name):
        try:
            return load_file(path)
        except (SafetensorError, ValueError, KeyError, RuntimeError, MemoryError, OSError) as err:
            if _lacks_memory(err):
                raise _too_large(name) from err
            if isinstance(err, OSError):
                raise
            raise CheckpointError(
                f"{name} is damaged or cut off: fetch it, or convert it, again."
            ) from err


def _lacks_memory(err: BaseException) -> bool:
    """Whether the system has no room; torch and safetensors say it in the system's words only."""
    errno_says = isinstance(err, OSError) and err.errno == errno.ENOMEM
    return isinstance(err, MemoryError) or errno_says or "allocate memory" in str(err)


def _too_large(name: str) -> CheckpointError:
    return CheckpointError(f"There is not enough memory to open {name}.", code="out_of_memory")


def usable(tensors: Mapping[str, Tensor], name: str, device: str) -> dict[str, Tensor]:
    """Refuse what is no plain array of the numbers in the file; bring floats to float32."""
    plain = {}
    for key, tensor in tensors.items():
        if (
            tensor.layout != torch.strided
            or tensor.is_quantized
            or tensor.device.type != "cpu"
            or tensor.numel() == 0
            or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()
        ):
            raise CheckpointError(f"{name} holds a tensor that is no plain array: {key}.")
        floats = tensor.dtype in OTHER_FLOATS
        plain[key] = tensor.to(device=device, dtype=torch.float32 if floats else None)
    return plain


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Translate what the system says of a file."""
    try:
        yield
    except OSError as err:
        raise CheckpointError(f"{name} cannot be read ({err.strerror}).") from err
