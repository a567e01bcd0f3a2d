"""Where a model's files are: found by name in whatever folders a download made.

A link is followed as far as the folder goes, as the hub's cache needs, and never out of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
import os
from pathlib import Path
from types import MappingProxyType

from indextts_daemon.errors import EngineUnavailableError

from . import hyperparameters, manifest, pickled
from .hyperparameters import Hyperparameters
from .manifest import Manifest

CONVERTED = "converted"  # the folder in a model's folder where its converted files are
DEPTH = 8  # folders below the given one
MOST_FILES = 20_000

# What each version's files are called. Some are called anything, and told by two tensors in them.
W2V_BERT, REP_CODEC = "w2v-bert-2.0/model.safetensors", "semantic_codec/model.safetensors"
NAMES = {
    "config": "config.yaml",
    "gpt": "gpt.pth",
    "s2mel": "s2mel.pth",
    "speaker_encoder": "campplus_cn_common.bin",
    "vocoder": "bigvgan_generator.pt",
    "statistics": "wav2vec2bert_stats.pt",
    "emotion_speakers": "feat1.pt",
    "emotion_rows": "feat2.pt",
    "semantic_encoder": W2V_BERT,
}
NAMES_OF = {
    "2": {**NAMES, "codec": REP_CODEC, "tokenizer": "bpe.model"},
    "2.5": {**NAMES, "codec": "codec.pth", "tokenizer": "*.tiktoken"},
}
FEELINGS = {  # what judges words about a feeling, for those who want it; in a folder of its own
    "feelings": "model.safetensors",
    "feelings_config": "config.json",
    "feelings_tokenizer": "tokenizer.json",
}
MARKS = {
    W2V_BERT: {"feature_projection.projection.weight", "encoder.layers.0.ffn1_layer_norm.weight"},
    REP_CODEC: {"encoder.0.embed.weight", "quantizer.quantizers.0.codebook.weight"},
}


class LayoutError(EngineUnavailableError):
    """The folder holds no whole model; the message says what is missing and how to get it."""

    code = "checkpoint_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A model on disk. `files` by role where they are the published ones, else by stage.

    `tokenizer` is a key of both.
    """

    version: str  # "2" or "2.5"
    root: Path  # what all files are in
    files: Mapping[str, Path]
    hyperparameters: Hyperparameters
    manifest: Manifest | None  # of a converted model
    warning: str = ""  # a sentence: why these are not the converted files that are there

    @property
    def converted(self) -> bool:
        """Whether the files are ours, a stage each."""
        return self.manifest is not None

    def name(self, key: str) -> str:
        """Name a file for people: its place within the model, for several are called the same."""
        return self.files[key].relative_to(self.root).as_posix()


def find(folder: Path) -> Found:
    """Find the one model in a folder: converted if a manifest says so, else as published.

    Where what is converted is no good, whole published files serve, and `warning` says so.
    Raises LayoutError; its code is `checkpoint_invalid` where a file is there and no good.
    """
    with _translated():
        try:
            converted = _converted(folder)
        except (ValueError, OSError) as err:
            return _instead(folder, err)
        return converted or _published(folder)


def find_published(folder: Path) -> Found:
    """Find the one model in a folder as it was published. Raises LayoutError as `find` does."""
    with _translated():
        return _published(folder)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ValueError as err:
        raise LayoutError(str(err), code="checkpoint_invalid") from err
    except OSError as err:
        raise LayoutError(f"A file of the model cannot be read ({err.strerror}).") from err


def _published(folder: Path) -> Found:
    present, outside = _listing(folder)
    version, gpt = _the_gpt(present, outside)
    files, missing = {}, []
    for role, name in NAMES_OF[version].items():
        fitting = [gpt] if role == "gpt" else _called(name, present)
        if fitting:
            files[role] = min(fitting, key=lambda path: _rank(path, gpt.parent))
        else:
            missing.append(name)
    if missing:
        raise LayoutError(_lacking(missing, version, outside))
    files |= _feelings(present, gpt.parent)
    return Found(
        version=version,
        root=folder.resolve(),
        files=MappingProxyType(files),
        hyperparameters=hyperparameters.from_yaml(files["config"]),
        manifest=None,
    )


def _instead(folder: Path, trouble: ValueError | OSError) -> Found:
    """Find the published files; without them, raise what is wrong with the converted ones."""
    what = trouble if isinstance(trouble, ValueError) else "The converted model cannot be read."
    try:
        found = _published(folder)
    except (LayoutError, ValueError, OSError):
        raise trouble from None
    return replace(found, warning=f"{what} The published files are used instead.")


def _feelings(present: list[Path], beside: Path) -> dict[str, Path]:
    for config in sorted(_called("config.json", present), key=lambda path: _rank(path, beside)):
        files = {role: config.with_name(name) for role, name in FEELINGS.items()}
        if set(files.values()) <= set(present) and hyperparameters.qwen_base(config):
            return files
    return {}


def _converted(folder: Path) -> Found | None:
    root = folder.resolve()
    for place in (folder, folder / CONVERTED):
        known = manifest.read(place)
        if known is None:
            continue
        if not _within(place / manifest.NAME, root):
            raise ValueError("The converted model is a link out of the model's folder.")
        if known.version not in NAMES_OF:
            raise ValueError(f"{manifest.NAME} is of a model that this daemon does not know.")
        for record in known.files.values():
            file = place / record.name
            if not file.is_file() or not _within(file, root):
                raise ValueError(f"The converted model lacks {record.name}: convert it again.")
            if file.stat().st_size != record.bytes:
                raise ValueError(f"{record.name} is cut off or changed: convert the model again.")
        return Found(
            version=known.version,
            root=place,
            files=MappingProxyType(
                {key: place / record.name for key, record in known.files.items()}
            ),
            hyperparameters=known.hyperparameters,
            manifest=known,
        )
    return None


def _listing(folder: Path) -> tuple[list[Path], list[str]]:
    """List the files within, and the names of links that lead out of it or nowhere."""
    root = folder.resolve()
    present: list[Path] = []
    outside: list[str] = []
    for place, folders, names in os.walk(root):
        here = Path(place)
        if len(here.relative_to(root).parts) == DEPTH:
            folders.clear()
        folders[:] = [name for name in folders if name != CONVERTED]
        for name in names:
            file = here / name
            if _within(file, root):
                present.append(file)
            else:
                outside.append(name)
        if len(present) > MOST_FILES:
            raise LayoutError("The folder holds too much: name the folder of one model.")
    return present, outside


def _within(file: Path, root: Path) -> bool:
    try:
        real = file.resolve(strict=True)
    except (OSError, RuntimeError):  # a link that leads nowhere, or in a circle
        return False
    return real.is_relative_to(root) and real.is_file()


def _the_gpt(present: Iterable[Path], outside: Iterable[str]) -> tuple[str, Path]:
    candidates = sorted(_called(NAMES["gpt"], present), key=lambda path: _rank(path, None))
    if not candidates:
        raise LayoutError(_lacking([NAMES["gpt"]], None, outside))
    versions = [version_of(path) for path in candidates]
    if len(set(versions)) > 1:
        raise LayoutError("The folder holds several models: name the folder of one of them.")
    return versions[0], candidates[0]


def version_of(gpt: Path) -> str:
    """Tell the version by the tensors; what a config.yaml says has been wrong before.

    Raises ValueError with a sentence, and OSError.
    """
    stems = {name.removeprefix("module.").split(".")[0] for name in pickled.key_names(gpt)}
    if stems & {"spk_emb_proj", "lang_embedding"}:
        return "2.5"
    if {"conditioning_encoder", "emo_conditioning_encoder"} <= stems:
        return "2"
    raise ValueError(f"{gpt.name} is of neither IndexTTS-2 nor IndexTTS-2.5.")


def _called(name: str, present: Iterable[Path]) -> list[Path]:
    if name in MARKS:
        tensors = (path for path in present if path.suffix == ".safetensors")
        return [path for path in tensors if MARKS[name] <= _names_or_none(path)]
    return [path for path in present if fnmatchcase(path.name, name)]


def _names_or_none(path: Path) -> frozenset[str]:
    """Read a header; a damaged file may be any model's, so it tells nothing."""
    try:
        return pickled.header_names(path)
    except ValueError:
        return frozenset()


def _rank(path: Path, beside: Path | None) -> tuple[bool, int, float, str]:
    """Put first what lies beside the GPT, then what lies least deep, then the newest."""
    return (path.parent != beside, len(path.parts), -path.lstat().st_mtime, str(path))


def _lacking(missing: list[str], version: str | None, outside: Iterable[str]) -> str:
    wanted = [Path(name).name for name in missing]
    linked = sorted({name for name in outside if any(fnmatchcase(name, want) for want in wanted)})
    what = "The model's folder lacks " + ", ".join(missing) + "."
    if linked:
        return f"{what} Links that leave the folder are not followed: {', '.join(linked)}."
    model = f"indextts-{version.replace('.', '-')}" if version else "indextts-2-5"
    return f"{what} To fetch what is missing: indextts-daemon models download {model}"
