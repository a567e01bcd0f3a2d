"""The names and shapes of all tensors that are published, for models of any size; no torch.

`sizes` are a golden set's config.json, or what is in published.yaml. The test beside it holds
them to the names and shapes of every golden set.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
import math
from types import MappingProxyType
from typing import Any

LANGUAGES, SPEEDS = 107, 2
PLACES, MOST_FRAMES = 5000, 16384  # of two tables that nothing reads
SINUSOIDS = 256
TAPS = 12
FEED_FORWARD_STEP = 256  # of the DiT: widths are a multiple

Sizes = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One tensor; `fill` is the number in all its places, None for random ones."""

    name: str
    shape: tuple[int, ...]
    fill: float | None = None
    counts: bool = False  # of int64 instead of float32

    @property
    def numbers(self) -> int:
        """How many it holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How much of a file it takes."""
        return self.numbers * (8 if self.counts else 4)


Specs = Iterator[Spec]


def table(name: str, *shape: int) -> Specs:
    yield Spec(name=name, shape=shape)


def linear(name: str, out: int, *rest: int, bias: bool = True) -> Specs:
    yield Spec(name=f"{name}.weight", shape=(out, *rest))
    if bias:
        yield Spec(name=f"{name}.bias", shape=(out,))


def input_first(name: str, into: int, out: int) -> Specs:
    yield Spec(name=f"{name}.weight", shape=(into, out))
    yield Spec(name=f"{name}.bias", shape=(out,))


def weight_normed(name: str, first: int, *rest: int, bias: int | None) -> Specs:
    yield Spec(name=f"{name}.weight_g", shape=(first, *(1 for _ in rest)), fill=1.0)
    yield Spec(name=f"{name}.weight_v", shape=(first, *rest))
    if bias is not None:
        yield Spec(name=f"{name}.bias", shape=(bias,))


def norm(name: str, channels: int) -> Specs:
    yield Spec(name=f"{name}.weight", shape=(channels,), fill=1.0)
    yield Spec(name=f"{name}.bias", shape=(channels,), fill=0.0)


def batch_norm(name: str, channels: int, *, affine: bool = True) -> Specs:
    yield Spec(name=f"{name}.running_mean", shape=(channels,), fill=0.0)
    yield Spec(name=f"{name}.running_var", shape=(channels,), fill=1.0)
    yield Spec(name=f"{name}.num_batches_tracked", shape=(), fill=0.0, counts=True)
    if affine:
        yield from norm(name, channels)


def gpt(sizes: Sizes, version: str) -> Specs:
    told = sizes["official_config"]["gpt"]
    width, codes, texts = told["model_dim"], told["number_mel_codes"], told["number_text_tokens"]
    for layer in range(told["layers"]):
        block = f"gpt.h.{layer}"
        yield from norm(f"{block}.ln_1", width)
        yield from input_first(f"{block}.attn.c_attn", width, 3 * width)
        yield from input_first(f"{block}.attn.c_proj", width, width)
        yield from norm(f"{block}.ln_2", width)
        yield from input_first(f"{block}.mlp.c_fc", width, 4 * width)
        yield from input_first(f"{block}.mlp.c_proj", 4 * width, width)
    yield from norm("gpt.ln_f", width)
    yield from norm("final_norm", width)
    yield from table("mel_embedding.weight", codes, width)
    yield from table("mel_pos_embedding.emb.weight", told["max_mel_tokens"] + 3, width)
    yield from linear("mel_head", codes, width)
    yield from table("text_embedding.weight", texts + 1, width)
    yield from table("text_pos_embedding.emb.weight", told["max_text_tokens"] + 2, width)
    yield from linear("text_head", texts + 1, width)
    yield from _conditioners(sizes, version)
    if version == "2":
        yield from table("speed_emb.weight", SPEEDS, width)
    else:
        yield from table("lang_embedding.weight", LANGUAGES, width)


def _conditioners(sizes: Sizes, version: str) -> Specs:
    told = sizes["official_config"]["gpt"]
    width, features, perceiver = told["model_dim"], sizes["w2v_dim"], sizes["perceiver"]
    emotion, speaker = told["emo_condition_module"], told["condition_module"]
    yield from _conformer("emo_conditioning_encoder", emotion, features)
    rows = perceiver["num_latents_emotion"]
    yield from _perceiver("emo_perceiver_encoder", perceiver, emotion, rows, features)
    yield from linear("emovec_layer", width, features)
    yield from linear("emo_layer", width, width)
    if version == "2":
        yield from _conformer("conditioning_encoder", speaker, features)
        rows = perceiver["num_latents_speaker"]
        yield from _perceiver("perceiver_encoder", perceiver, speaker, rows, width)
    else:
        yield from linear("spk_emb_proj", width, sizes["style_dim"])


def _conformer(name: str, told: Sizes, features: int) -> Specs:
    width, inner, heads = told["output_size"], told["linear_units"], told["attention_heads"]
    yield from linear(f"{name}.embed.conv.0", width, 1, 3, 3)
    yield from linear(f"{name}.embed.out.0", width, width * ((features - 1) // 2))
    yield from table(f"{name}.embed.pos_enc.pe", 1, PLACES, width)
    yield from norm(f"{name}.after_norm", width)
    for layer in range(told["num_blocks"]):
        block = f"{name}.encoders.{layer}"
        for part in ("norm_mha", "norm_conv", "norm_ff", "norm_final", "conv_module.norm"):
            yield from norm(f"{block}.{part}", width)
        for part in ("q", "k", "v", "out"):
            yield from linear(f"{block}.self_attn.linear_{part}", width, width)
        yield from linear(f"{block}.self_attn.linear_pos", width, width, bias=False)
        yield from table(f"{block}.self_attn.pos_bias_u", heads, width // heads)
        yield from table(f"{block}.self_attn.pos_bias_v", heads, width // heads)
        yield from linear(f"{block}.feed_forward.w_1", inner, width)
        yield from linear(f"{block}.feed_forward.w_2", width, inner)
        yield from linear(f"{block}.conv_module.pointwise_conv1", 2 * width, width, 1)
        yield from linear(f"{block}.conv_module.depthwise_conv", width, 1, 15)
        yield from linear(f"{block}.conv_module.pointwise_conv2", width, width, 1)


def _perceiver(name: str, told: Sizes, encoder: Sizes, rows: int, width: int) -> Specs:
    attended = told["dim_head"] * encoder["attention_heads"]
    inner = width * 4 // 3
    yield from table(f"{name}.latents", rows, width)
    yield from linear(f"{name}.proj_context", width, encoder["output_size"])
    yield Spec(name=f"{name}.norm.gamma", shape=(width,), fill=1.0)
    for layer in range(told["depth"]):
        block = f"{name}.layers.{layer}"
        yield from linear(f"{block}.0.to_q", attended, width, bias=False)
        yield from linear(f"{block}.0.to_kv", 2 * attended, width, bias=False)
        yield from linear(f"{block}.0.to_out", width, attended, bias=False)
        yield from linear(f"{block}.1.0", 2 * inner, width)
        yield from linear(f"{block}.1.2", width, inner)


def s2mel(sizes: Sizes, version: str) -> Specs:
    told = sizes["official_config"]["s2mel"]["length_regulator"]
    width = told["channels"]
    name = "length_regulator"
    yield from linear(f"{name}.content_in_proj", width, told["in_channels"])
    yield from table(f"{name}.embedding.weight", told["content_codebook_size"], width)
    yield from table(f"{name}.mask_token", 1, width)
    for block in range(4):
        yield from linear(f"{name}.model.{3 * block}", width, width, 3)
        yield from norm(f"{name}.model.{3 * block + 1}", width)
    yield from linear(f"{name}.model.12", width, width, 1)
    if version == "2":
        for number, (into, out) in enumerate(pairwise(sizes["gpt_layer_dims"])):
            yield from linear(f"gpt_layer.{number}", out, into)
    yield from _estimator("cfm.estimator", sizes)


def _estimator(name: str, sizes: Sizes) -> Specs:
    told, wave = (sizes["official_config"]["s2mel"][key] for key in ("DiT", "wavenet"))
    width, mel, wide = told["hidden_dim"], told["in_channels"], wave["hidden_dim"]
    yield from table(f"{name}.cond_embedder.weight", told["content_codebook_size"], width)
    yield from table(f"{name}.content_mask_embedder.weight", 1, width)
    yield Spec(name=f"{name}.input_pos", shape=(MOST_FRAMES,), fill=0.0, counts=True)
    yield from weight_normed(f"{name}.x_embedder", width, mel, bias=width)
    yield from linear(f"{name}.cond_projection", width, told["content_dim"])
    yield from linear(f"{name}.cond_x_merge_linear", width, 2 * mel + width + sizes["style_dim"])
    yield from linear(f"{name}.skip_linear", width, width + mel)
    yield from linear(f"{name}.conv1", wide, width)
    yield from linear(f"{name}.conv2", mel, wide, 1)
    yield from linear(f"{name}.res_projection", wide, width)
    yield from linear(f"{name}.final_layer.adaLN_modulation.1", 2 * wide, width)
    yield from weight_normed(f"{name}.final_layer.linear", wide, wide, bias=wide)
    for clock, into in (("t_embedder", width), ("t_embedder2", wide)):
        yield from table(f"{name}.{clock}.freqs", SINUSOIDS // 2)
        yield from linear(f"{name}.{clock}.mlp.0", into, SINUSOIDS)
        yield from linear(f"{name}.{clock}.mlp.2", into, into)
    yield from _timed_norm(f"{name}.transformer.norm", width)
    inner = -(-(8 * width // 3) // FEED_FORWARD_STEP) * FEED_FORWARD_STEP
    for layer in range(told["depth"]):
        block = f"{name}.transformer.layers.{layer}"
        yield from _timed_norm(f"{block}.attention_norm", width)
        yield from linear(f"{block}.attention.wqkv", 3 * width, width, bias=False)
        yield from linear(f"{block}.attention.wo", width, width, bias=False)
        yield from _timed_norm(f"{block}.ffn_norm", width)
        yield from linear(f"{block}.feed_forward.w1", inner, width, bias=False)
        yield from linear(f"{block}.feed_forward.w3", inner, width, bias=False)
        yield from linear(f"{block}.feed_forward.w2", width, inner, bias=False)
        yield from linear(f"{block}.skip_in_linear", width, 2 * width)
    yield from _wavenet(f"{name}.wavenet", wave)


def _timed_norm(name: str, width: int) -> Specs:
    yield Spec(name=f"{name}.norm.weight", shape=(width,), fill=1.0)
    yield from linear(f"{name}.project_layer", 2 * width, width)


def _wavenet(name: str, told: Sizes) -> Specs:
    width, layers = told["hidden_dim"], told["num_layers"]
    conditions = 2 * width * layers
    yield from weight_normed(f"{name}.cond_layer.conv.conv", conditions, width, 1, bias=conditions)
    for layer in range(layers):
        out = width if layer == layers - 1 else 2 * width
        kernel = told["kernel_size"]
        inner, outer = f"{name}.in_layers.{layer}", f"{name}.res_skip_layers.{layer}"
        yield from weight_normed(f"{inner}.conv.conv", 2 * width, width, kernel, bias=2 * width)
        yield from weight_normed(f"{outer}.conv.conv", out, width, 1, bias=out)


def semantic_codec(sizes: Sizes, version: str) -> Specs:
    told = sizes["official_config"]["semantic_codec"]
    width, few = told["hidden_size"], told["codebook_dim"]
    name = "quantizer.quantizers.0"
    yield from table(f"{name}.codebook.weight", told["codebook_size"], few)
    yield from weight_normed(f"{name}.in_project", few, width, 1, bias=few)
    yield from weight_normed(f"{name}.out_project", width, few, 1, bias=width)
    for half in ("encoder", "decoder"):
        yield from _vocos(half, told)
    if version == "2.5":
        yield from linear("down", width, width, 3)
        yield from linear("up", width, width, 3)


def _vocos(name: str, told: Sizes) -> Specs:
    width, inner = told["vocos_dim"], told["vocos_intermediate_dim"]
    yield from linear(f"{name}.0.embed", width, told["hidden_size"], 7)
    yield from norm(f"{name}.0.norm", width)
    yield from norm(f"{name}.0.final_layer_norm", width)
    yield from linear(f"{name}.1", told["hidden_size"], width)
    for layer in range(told["vocos_num_layers"]):
        block = f"{name}.0.convnext.{layer}"
        yield from linear(f"{block}.dwconv", width, 1, 7)
        yield from norm(f"{block}.norm", width)
        yield from linear(f"{block}.pwconv1", inner, width)
        yield from linear(f"{block}.pwconv2", width, inner)
        yield Spec(name=f"{block}.gamma", shape=(width,), fill=1.0)


def w2v_bert(sizes: Sizes, _: str) -> Specs:
    told = sizes["w2v_bert_config"]
    width, inner = told["hidden_size"], told["intermediate_size"]
    yield from table("masked_spec_embed", width)
    yield from norm("feature_projection.layer_norm", 160)
    yield from linear("feature_projection.projection", width, 160)
    for layer in range(told["num_hidden_layers"]):
        block = f"encoder.layers.{layer}"
        for number in (1, 2):
            yield from norm(f"{block}.ffn{number}_layer_norm", width)
            yield from linear(f"{block}.ffn{number}.intermediate_dense", inner, width)
            yield from linear(f"{block}.ffn{number}.output_dense", width, inner)
        yield from norm(f"{block}.self_attn_layer_norm", width)
        for part in ("q", "k", "v", "out"):
            yield from linear(f"{block}.self_attn.linear_{part}", width, width)
        head = width // told["num_attention_heads"]
        yield from table(f"{block}.self_attn.distance_embedding.weight", 73, head)
        yield from norm(f"{block}.conv_module.layer_norm", width)
        yield from linear(f"{block}.conv_module.pointwise_conv1", 2 * width, width, 1, bias=False)
        yield from linear(f"{block}.conv_module.depthwise_conv", width, 1, 31, bias=False)
        yield from norm(f"{block}.conv_module.depthwise_layer_norm", width)
        yield from linear(f"{block}.conv_module.pointwise_conv2", width, width, 1, bias=False)
        yield from norm(f"{block}.final_layer_norm", width)


def campplus(sizes: Sizes, _: str) -> Specs:
    told = sizes["campplus"]
    front, width, growth = told["fcm_m_channels"], told["init_channels"], told["growth_rate"]
    between = told["bn_size"] * growth
    yield from _front("head", front)
    yield from linear("xvector.tdnn.linear", width, front * (told["feat_dim"] // 8), 5, bias=False)
    yield from batch_norm("xvector.tdnn.nonlinear.batchnorm", width)
    for number, layers in enumerate(told["dense_block_layers"], start=1):
        for layer in range(1, layers + 1):
            block = f"xvector.block{number}.tdnnd{layer}"
            yield from batch_norm(f"{block}.nonlinear1.batchnorm", width)
            yield from linear(f"{block}.linear1", between, width, 1, bias=False)
            yield from batch_norm(f"{block}.nonlinear2.batchnorm", between)
            yield from linear(f"{block}.cam_layer.linear_local", growth, between, 3, bias=False)
            yield from linear(f"{block}.cam_layer.linear1", between // 2, between, 1)
            yield from linear(f"{block}.cam_layer.linear2", growth, between // 2, 1)
            width += growth
        yield from batch_norm(f"xvector.transit{number}.nonlinear.batchnorm", width)
        yield from linear(f"xvector.transit{number}.linear", width // 2, width, 1, bias=False)
        width //= 2
    yield from batch_norm("xvector.out_nonlinear.batchnorm", width)
    out = told["embedding_size"]
    yield from linear("xvector.dense.linear", out, 2 * width, 1, bias=False)
    yield from batch_norm("xvector.dense.nonlinear.batchnorm", out, affine=False)


def _front(name: str, width: int) -> Specs:
    yield from linear(f"{name}.conv1", width, 1, 3, 3, bias=False)
    yield from batch_norm(f"{name}.bn1", width)
    for stage in (1, 2):
        for layer in (0, 1):
            block = f"{name}.layer{stage}.{layer}"
            for number in (1, 2):
                yield from linear(f"{block}.conv{number}", width, width, 3, 3, bias=False)
                yield from batch_norm(f"{block}.bn{number}", width)
            if layer == 0:
                yield from linear(f"{block}.shortcut.0", width, width, 1, 1, bias=False)
                yield from batch_norm(f"{block}.shortcut.1", width)
    yield from linear(f"{name}.conv2", width, width, 3, 3, bias=False)
    yield from batch_norm(f"{name}.bn2", width)


def bigvgan(sizes: Sizes, _: str) -> Specs:
    told = sizes["bigvgan_config"]
    width, kernels = told["upsample_initial_channel"], told["resblock_kernel_sizes"]
    yield from weight_normed("conv_pre", width, told["num_mels"], 7, bias=width)
    for stage, upsampling in enumerate(told["upsample_kernel_sizes"]):
        half = width // 2
        yield from weight_normed(f"ups.{stage}.0", width, half, upsampling, bias=half)
        width = half
        for number, kernel in enumerate(kernels, start=stage * len(kernels)):
            block = f"resblocks.{number}"
            for layer in range(3):
                for convs in ("convs1", "convs2"):
                    name = f"{block}.{convs}.{layer}"
                    yield from weight_normed(name, width, width, kernel, bias=width)
            for layer in range(6):
                yield from _snake(f"{block}.activations.{layer}", width)
    yield from _snake("activation_post", width)
    yield from weight_normed("conv_post", 1, width, 7, bias=None)


def _snake(name: str, width: int) -> Specs:
    yield Spec(name=f"{name}.act.alpha", shape=(width,), fill=0.0)
    yield Spec(name=f"{name}.act.beta", shape=(width,), fill=0.0)
    for part in ("upsample", "downsample.lowpass"):
        yield Spec(name=f"{name}.{part}.filter", shape=(1, 1, TAPS), fill=1 / TAPS)


def misc(sizes: Sizes, _: str) -> Specs:
    rows, width = sum(sizes["official_config"]["emo_num"]), sizes["w2v_dim"]
    yield from table("spk_matrix", rows, sizes["style_dim"])
    yield from table("emo_matrix", rows, sizes["official_config"]["gpt"]["model_dim"])
    yield Spec(name="w2v_stat.mean", shape=(width,), fill=0.0)
    yield Spec(name="w2v_stat.var", shape=(width,), fill=1.0)


FILES: Mapping[str, Callable[[Sizes, str], Specs]] = MappingProxyType(
    {
        "gpt": gpt,
        "s2mel": s2mel,
        "semantic_codec": semantic_codec,
        "w2v_bert": w2v_bert,
        "campplus": campplus,
        "bigvgan": bigvgan,
        "misc": misc,
    }
)
