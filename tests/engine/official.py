"""A set of golden vectors as the files that upstream publishes: pickles, wrapped and unfolded."""

from collections.abc import Callable, Mapping
import hashlib
import os
from pathlib import Path
import shutil
from typing import Any, Literal

from safetensors.torch import load_file, save_file
import torch
from torch import Tensor
import yaml

from tests.engine.parity import ParitySet

Layout = Literal["flat", "hf_cache"]
W2V_BERT, MASKGCT = "facebook/w2v-bert-2.0", "amphion/MaskGCT"
CAMPPLUS, BIGVGAN = "funasr/campplus", "nvidia/bigvgan_v2_22khz_80band_256x"


def write_official(golden: ParitySet, folder: Path, layout: Layout = "flat") -> Path:
    """Write the set's weights into `folder` as downloaded: all of it there, or with a hub's cache.

    The configuration says the wrong version and other people's paths, as the first one did.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_own(golden, folder)
    for repository, name, content in _others(golden):
        if layout == "hf_cache":
            _save(content, _cached(folder / "hf_cache", repository, name))
        else:
            plain = name if "/" in name else f"{repository.split('/')[1]}/{name}"
            _save(content, folder / plain)
    if layout == "hf_cache":
        for snapshot in folder.glob("hf_cache/*/snapshots/*"):
            _link_to_blobs(snapshot)
    return folder


def copy_official(golden: ParitySet, shelf: Path, folder: Path) -> Path:
    """Give `folder` a flat download that shares its files with others: replace, never write."""
    if not (shelf / golden.name).exists():
        write_official(golden, shelf / golden.name)
    shutil.copytree(shelf / golden.name, folder, copy_function=os.link)
    return folder


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Replace a published file by one whose tensors, without what wraps them, were changed."""
    zipped = path.suffix != ".safetensors"
    content = torch.load(path, weights_only=True) if zipped else load_file(path)  # noqa: TID251
    whole = content if isinstance(content, dict) else {"": content}
    inner = next((whole[key] for key in ("model", "net", "generator") if key in whole), whole)
    change(inner)
    path.unlink()
    _save(whole[""] if whole.keys() == {""} else whole, path)


def _write_own(golden: ParitySet, folder: Path) -> None:
    gpt, misc = golden.weights("gpt"), golden.weights("misc")
    _save({"model": gpt} if golden.version == "2.5" else gpt, folder / "gpt.pth")
    _save({"net": _nested(golden.weights("s2mel")), **_training_state()}, folder / "s2mel.pth")
    if golden.version == "2.5":
        codec = golden.weights("semantic_codec")
        _save({"model": codec, **_training_state()}, folder / "codec.pth")
    statistics = {key: misc[f"w2v_stat.{key}"] for key in ("mean", "var")}
    _save(statistics, folder / "wav2vec2bert_stats.pt")
    _save(misc["spk_matrix"], folder / "feat1.pt")
    _save(misc["emo_matrix"], folder / "feat2.pt")
    for pattern in ("*.model", "*.tiktoken"):
        for tokenizer in golden.path.glob(pattern):
            shutil.copy(tokenizer, folder)
    config = golden.config["official_config"] | {
        "version": 2.0,
        "gpt_checkpoint": "/cluster/someone/checkpoints/gpt.pth",
        "w2v_stat": "/cluster/someone/wav2vec2bert_stats.pt",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")


def _others(golden: ParitySet) -> list[tuple[str, str, Any]]:
    """List what comes from other repositories: whose, called what, holding what."""
    files: list[tuple[str, str, Any]] = [
        (W2V_BERT, "model.safetensors", golden.weights("w2v_bert")),
        (CAMPPLUS, "campplus_cn_common.bin", golden.weights("campplus")),
        (BIGVGAN, "bigvgan_generator.pt", {"generator": golden.weights("bigvgan")}),
    ]
    if golden.version == "2":
        codec = golden.weights("semantic_codec")
        files.append((MASKGCT, "semantic_codec/model.safetensors", codec))
    return files


def _nested(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Take the joined networks apart; one of them was trained on several cards."""
    networks: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        network, _, rest = key.partition(".")
        wrapper = "module." if network == "length_regulator" else ""
        networks.setdefault(network, {})[f"{wrapper}{rest}"] = tensor
    return networks


def _training_state() -> dict[str, Any]:
    return {"optimizer": {"state": {0: {"step": torch.ones(7)}}, "lr": 1e-4}, "epoch": 3}


def _save(content: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)


def _cached(cache: Path, repository: str, name: str) -> Path:
    revision = hashlib.sha256(repository.encode()).hexdigest()[:40]
    return cache / f"models--{repository.replace('/', '--')}" / "snapshots" / revision / name


def _link_to_blobs(snapshot: Path) -> None:
    """Keep the files under their hashes, as a hub's cache does, and links in their places."""
    blobs = snapshot.parents[1] / "blobs"
    blobs.mkdir()
    for file in [path for path in snapshot.rglob("*") if path.is_file()]:
        blob = blobs / hashlib.sha256(file.read_bytes()).hexdigest()
        file.replace(blob)
        depth = len(file.relative_to(snapshot.parents[1]).parts) - 1
        file.symlink_to(Path(*[".."] * depth) / "blobs" / blob.name)
