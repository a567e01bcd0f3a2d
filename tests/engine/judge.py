"""A tiny judge of feelings as upstream publishes one: whatever it is asked, it says one answer."""

from collections.abc import Sequence
import json
from pathlib import Path

from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
import torch
from torch import Tensor

from indextts_daemon.engines.indextts.models.qwen import QwenSizes

SIZES = QwenSizes(
    tokens=24,
    channels=24,
    inner=10,
    num_layers=2,
    num_heads=4,
    num_groups=2,
    head_channels=6,
    tied=False,
)
MARKS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
BEFORE = "</think>"  # the last word of what it is asked


def upstream_tensors(sizes: QwenSizes, seed: int = 0) -> dict[str, Tensor]:
    """Return random tensors of these sizes under the names they are published with."""
    chance = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance) * 0.3 + (len(shape) == 1)

    queries, groups = (n * sizes.head_channels for n in (sizes.num_heads, sizes.num_groups))
    tensors = {
        "model.embed_tokens.weight": drawn(sizes.tokens, sizes.channels),
        "model.norm.weight": drawn(sizes.channels),
    }
    if not sizes.tied:
        tensors["lm_head.weight"] = drawn(sizes.tokens, sizes.channels)
    for layer in range(sizes.num_layers):
        shapes = {
            "input_layernorm": (sizes.channels,),
            "self_attn.q_proj": (queries, sizes.channels),
            "self_attn.k_proj": (groups, sizes.channels),
            "self_attn.v_proj": (groups, sizes.channels),
            "self_attn.q_norm": (sizes.head_channels,),
            "self_attn.k_norm": (sizes.head_channels,),
            "self_attn.o_proj": (sizes.channels, queries),
            "post_attention_layernorm": (sizes.channels,),
            "mlp.gate_proj": (sizes.inner, sizes.channels),
            "mlp.up_proj": (sizes.inner, sizes.channels),
            "mlp.down_proj": (sizes.channels, sizes.inner),
        }
        for name, shape in shapes.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = drawn(*shape)
    return tensors


def tokenizer(words: Sequence[str]) -> Tokenizer:
    """Return one that knows these words, the marks, and nothing else."""
    vocabulary = {word: place for place, word in enumerate(["?", BEFORE, *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))  # noqa: S106 no password
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]  # its stub
    made.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    return made


def write_judge(folder: Path, words: Sequence[str]) -> Path:
    """Write the three files. Its blocks add nothing: behind each word it sees the next one."""
    folder.mkdir(parents=True)
    told = tokenizer(words)
    told.save(str(folder / "tokenizer.json"))
    config = {"model_type": "qwen3", "rms_norm_eps": 1e-6, "rope_theta": 1000000}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    tensors = upstream_tensors(SIZES)
    for name, tensor in tensors.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            tensor.zero_()
    tensors["model.embed_tokens.weight"] = torch.eye(SIZES.tokens)
    way = [told.token_to_id(word) for word in (BEFORE, *words, MARKS[1])]
    tensors["lm_head.weight"].zero_()[way[1:], way[:-1]] = 1.0
    plain = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    save_file(plain, folder / "model.safetensors")
    return folder
