"""Files that look like published ones from outside: right names, right keys, hardly a number."""

from collections.abc import Iterable
import hashlib
import json
from pathlib import Path
import pickle
import struct
import zipfile

import yaml

from indextts_daemon.checkpoints import manifest
from indextts_daemon.checkpoints.hyperparameters import checked
from indextts_daemon.checkpoints.manifest import FileRecord, Manifest

CONFIG = {
    "gpt": {"heads": 20},
    "s2mel": {"DiT": {"num_heads": 8}},
    "emo_num": [3, 17, 2, 8, 4, 5, 10, 24],
    "version": 2.0,
}
GPT_KEYS = {
    "2": ["conditioning_encoder.after_norm.weight", "emo_conditioning_encoder.after_norm.weight"],
    "2.5": ["emo_conditioning_encoder.after_norm.weight", "spk_emb_proj.weight"],
}
W2V_BERT = ["feature_projection.projection.weight", "encoder.layers.0.ffn1_layer_norm.weight"]
REP_CODEC = ["encoder.0.embed.weight", "quantizer.quantizers.0.codebook.weight"]
ACOUSTIC = ["encoder.block.0.weight", "quantizer.quantizers.0.codebook.weight"]
QWEN = ["model.layers.0.mlp.up_proj.weight"]
STAGES = ("gpt", "vocoder")
QWEN_CONFIG = {"model_type": "qwen3", "rms_norm_eps": 1e-6, "rope_theta": 1_000_000}


def write_torch_file(path: Path, content: object) -> Path:
    """Write a pickle as torch does, in a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.stem}/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr(f"{path.stem}/data/0", bytes(64))
    return path


def write_safetensors(path: Path, names: Iterable[str]) -> Path:
    """Write a safetensors file of one number each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * place, 4 * place + 4]}
        for place, name in enumerate(names)
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4 * len(header)))
    return path


def write_published(folder: Path, version: str = "2.5", *, others: str = "") -> Path:
    """Write a model's files; those of other repositories below `others`."""
    write_torch_file(folder / "gpt.pth", dict.fromkeys(GPT_KEYS[version], 1.0))
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG), "utf-8")
    for name in ("s2mel.pth", "wav2vec2bert_stats.pt", "feat1.pt", "feat2.pt"):
        (folder / name).touch()
    elsewhere = folder / others
    write_safetensors(elsewhere / "w2v-bert-2.0" / "model.safetensors", W2V_BERT)
    for name in ("campplus_cn_common.bin", "bigvgan_generator.pt"):
        (elsewhere / name).touch()
    if version == "2":
        (folder / "bpe.model").touch()
        write_safetensors(elsewhere / "semantic_codec" / "model.safetensors", REP_CODEC)
    else:
        (folder / "some_words.tiktoken").touch()
        (folder / "codec.pth").touch()
    return folder


def write_judge(folder: Path) -> Path:
    """Write what judges words about a feeling."""
    write_safetensors(folder / "model.safetensors", QWEN)
    (folder / "config.json").write_text(json.dumps(QWEN_CONFIG), "utf-8")
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    return folder


def write_converted(folder: Path) -> Path:
    """Write a converted model of two stages, and the manifest that says what they hold."""
    stages = {name: write_safetensors(folder / f"{name}.safetensors", [name]) for name in STAGES}
    tokenizer = folder / "tokenizer.tiktoken"
    tokenizer.write_text("IQ== 0\n")
    told = Manifest(
        version="2.5",
        model="indextts-2-5",
        made_by="a test",
        hyperparameters=checked("it", gpt_heads=20, dit_heads=8, emotion_groups=CONFIG["emo_num"]),
        sources={},
        stages={name: recorded(file) for name, file in stages.items()},
        tokenizer=recorded(tokenizer),
    )
    manifest.write(folder, told)
    return folder


def recorded(file: Path) -> FileRecord:
    content = file.read_bytes()
    return FileRecord(
        name=file.name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content)
    )
