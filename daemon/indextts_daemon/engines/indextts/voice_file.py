"""An enrolled voice as a file: what its recording conditions, and where that came from."""

from collections.abc import Mapping
from dataclasses import fields
import json
from pathlib import Path
import re
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
import torch
from torch import Tensor

from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.storage import atomic_write

from .conditioning import VoiceConditioning

FORMAT = "1"
RANKS = {  # of each tensor; the first axis is 1
    "speaker_embedding": 2,
    "speaker_rows": 3,
    "emotion_base": 2,
    "emotion": 2,
    "prompt_condition": 3,
    "prompt_mel": 3,
}
KEY = re.compile(r"[0-9a-f]{32}")


class VoiceFileError(EngineUnavailableError):
    """A voice's file cannot be used; the daemon makes it anew when it looks at the voices."""

    code = "voice_file_invalid"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} Reload the voices or restart the daemon to have it made anew.")


def encoded(conditioning: VoiceConditioning, *, key: str, told: Mapping[str, Any]) -> bytes:
    """Return the file's bytes; `told` says where the voice came from, as JSON.

    Raises VoiceFileError for what `load` would refuse.
    """
    tensors = {each.name: getattr(conditioning, each.name) for each in fields(conditioning)}
    tensors = {name: tensor.float().cpu().contiguous() for name, tensor in tensors.items()}
    _require_sound(tensors)
    return save(tensors, {"format": FORMAT, "key": key, "told": json.dumps(told)})


def store(folder: Path, key: str, content: bytes) -> None:
    """Write what `encoded` returned. Raises OSError."""
    atomic_write(_path(folder, key), content)


def load(folder: Path, key: str) -> VoiceConditioning:
    """Read a voice, onto the CPU. Raises VoiceFileError naming what is wrong."""
    tensors, metadata = _read(folder, key)
    if metadata.get("format") != FORMAT:
        raise VoiceFileError("The voice's file is of another daemon's making.")
    if metadata.get("key") != key:
        raise VoiceFileError("The voice's file is another voice's.")
    _require_sound(tensors)
    return VoiceConditioning(**tensors)


def origin(folder: Path, key: str) -> dict[str, Any]:
    """Return where a voice came from, as it was `told`. Raises VoiceFileError."""
    try:
        told = json.loads(_read(folder, key)[1]["told"])
    except (LookupError, ValueError) as err:
        raise VoiceFileError("The voice's file does not say where it came from.") from err
    return dict(told)


def _path(folder: Path, key: str) -> Path:
    if not KEY.fullmatch(key):
        raise VoiceFileError("This is no name of a voice's file.")
    return folder / f"{key}.safetensors"


def _read(folder: Path, key: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(_path(folder, key), "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 no dict
            return tensors, file.metadata() or {}
    except FileNotFoundError as err:
        raise VoiceFileError("The voice's file is gone.") from err
    except OSError as err:
        raise VoiceFileError(f"The voice's file cannot be read ({err.strerror}).") from err
    except (SafetensorError, ValueError) as err:
        raise VoiceFileError("The voice's file is damaged or cut off.") from err


def _require_sound(tensors: Mapping[str, Tensor]) -> None:
    for name in RANKS.keys() - tensors.keys():
        raise VoiceFileError(f"The voice's file lacks {name}.")
    for name, tensor in tensors.items():
        if name not in RANKS:
            raise VoiceFileError(f"The voice's file holds {name}, which no voice has.")
        if tensor.dtype != torch.float32:
            raise VoiceFileError(f"In the voice's file {name} is not of float32.")
        if tensor.ndim != RANKS[name] or tensor.shape[0] != 1 or not tensor.numel():
            raise VoiceFileError(f"In the voice's file {name} has the wrong shape.")
        if not tensor.isfinite().all():
            raise VoiceFileError(f"In the voice's file {name} holds a number that is not finite.")
    frames = tensors["prompt_condition"].shape[1], tensors["prompt_mel"].shape[2]
    widths = {tensors[name].shape[-1] for name in ("speaker_rows", "emotion_base", "emotion")}
    if frames[0] != frames[1] or len(widths) != 1:
        raise VoiceFileError("What the voice's file holds does not fit together.")
