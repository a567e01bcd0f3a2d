"""Which engine speaks by default, with which model, and why: from the settings and the machine."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .checkpoints.catalogue import PUBLISHED
from .checkpoints.layout import LayoutError, find
from .config import Settings
from .gpu import Gpu, look

MODELS = {one.version: one.id for one in PUBLISHED}  # the preferred one first
PACKAGES = ("torch", "torchaudio", "safetensors", "sentencepiece", "tiktoken", "wetext")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What speaks by default, and why."""

    engine: str
    reason: str
    model: str
    folder: Path | None = None  # of the model, where the engine needs one


def choose(settings: Settings, data_dir: Path, *, gpu: Gpu | None = None) -> Choice:
    """Resolve `auto`: IndexTTS where it is installed, has a GPU and a model; else `embedded`."""
    wanted = settings.engine
    if wanted == "indextts":
        return _indextts("It was asked for.", settings, data_dir)
    if wanted != "auto":
        return Choice(engine=wanted, reason="It was asked for.", model=wanted)
    if trouble := _in_the_way(settings, data_dir, gpu):
        reason = f"IndexTTS is not used: {trouble}"
        return Choice(engine="embedded", reason=reason, model="embedded")
    on = "a model, and runs on the processor" if settings.indextts.device == "cpu" else ""
    return _indextts(f"It is installed, and has {on or 'a GPU and a model'}.", settings, data_dir)


def model_folder(settings: Settings, data_dir: Path) -> Path:
    """Return the folder that was set, else the best model's in the data folder, or its remains."""
    if settings.indextts.model is not None:
        return Path(settings.indextts.model).expanduser()
    usual = [data_dir / "models" / model for model in MODELS.values()]
    looks = (_holds_one, Path.is_dir)
    return next((folder for there in looks for folder in usual if there(folder)), usual[0])


def not_installed() -> str:
    """Name the first of the engine's packages that is missing, or nothing."""
    return next((name for name in PACKAGES if find_spec(name) is None), "")


def _in_the_way(settings: Settings, data_dir: Path, gpu: Gpu | None) -> str:
    if package := not_installed():
        return f"the package {package} is not installed."
    folder = model_folder(settings, data_dir)
    try:
        find(folder)
    except LayoutError as err:
        if not any(folder.glob("*")):
            return "no model is downloaded; `indextts-daemon models download` does that."
        return err.message[:1].lower() + err.message[1:]
    if settings.indextts.device == "cpu":
        return ""
    trouble = (gpu or look()).trouble
    return trouble[:1].lower() + trouble[1:]


def _indextts(reason: str, settings: Settings, data_dir: Path) -> Choice:
    folder = model_folder(settings, data_dir)
    model, warning = _model_in(folder)
    reason = f"{reason} {warning}".strip()
    return Choice(engine="indextts", reason=reason, model=model, folder=folder)


def _holds_one(folder: Path) -> bool:
    try:
        find(folder)
    except LayoutError:
        return False
    return True


def _model_in(folder: Path) -> tuple[str, str]:
    """Return the id of the folder's model, and what is to be warned of."""
    try:
        found = find(folder)
    except LayoutError:
        return next(iter(MODELS.values())), ""  # the worker says what is wrong with it
    return MODELS[found.version], found.warning
