"""Which models can be fetched: their repositories, the files that are needed, and their terms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from indextts_daemon.errors import ModelNotFoundError

OFFICIAL = "official"  # the folder of a model that holds what was downloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A repository and the files of it that a model needs.

    `files` leads from a name in the repository, perhaps with a `*`, to the place below `official/`;
    one that ends with a slash keeps the file's own name.
    """

    name: str
    terms: str
    huggingface: str
    modelscope: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model that others publish. The first part is its own and carries its license."""

    id: str
    name: str
    version: str
    languages: tuple[str, ...]  # BCP 47
    parts: tuple[Part, ...]
    download_bytes: int  # about; at the download the hub's own figures count
    converted_bytes: int  # about
    note: str = ""  # what the license summary does not say

    def with_feelings(self) -> Self:
        """Return the model with what judges words about a feeling, from its own repository."""
        own, *others = self.parts
        files = {**own.files, **{f"{FEELINGS}{name}": FEELINGS for name in FEELINGS_FILES}}
        return replace(
            self,
            parts=(replace(own, files=files), *others),
            download_bytes=self.download_bytes + FEELINGS_BYTES,
            converted_bytes=self.converted_bytes + FEELINGS_BYTES,
            note=f"{self.note}\n{FEELINGS_NOTE}".strip(),
        )


OWN = "bilibili Model Use License"

FEELINGS = "qwen0.6bemo4-merge/"  # a folder of IndexTTS's repositories
FEELINGS_FILES = ("config.json", "model.safetensors", "tokenizer.json")
FEELINGS_BYTES = 1_204_000_000  # about
FEELINGS_NOTE = (
    "What judges words about a feeling was made from Qwen3-0.6B, which is under Apache-2.0; it "
    "comes with IndexTTS and under its license."
)

W2V_BERT = Part(
    name="w2v-BERT 2.0",
    terms="MIT",
    huggingface="facebook/w2v-bert-2.0",
    modelscope="AI-ModelScope/w2v-bert-2.0",
    files={"model.safetensors": "hf_cache/w2v-bert-2.0/"},
)
CAMPPLUS = Part(
    name="CAM++",
    terms="Apache-2.0",
    huggingface="funasr/campplus",
    modelscope="iic/speech_campplus_sv_zh-cn_16k-common",
    files={"campplus_cn_common.bin": "hf_cache/"},
)
BIGVGAN = Part(
    name="BigVGAN v2",
    terms="MIT",
    huggingface="nvidia/bigvgan_v2_22khz_80band_256x",
    modelscope="nv-community/bigvgan_v2_22khz_80band_256x",
    files={"bigvgan_generator.pt": "hf_cache/bigvgan/"},
)
MASKGCT = Part(
    name="MaskGCT's semantic codec",
    terms="CC-BY-NC-4.0 as far as known: not for commercial use",
    huggingface="amphion/MaskGCT",
    modelscope="amphion/MaskGCT",
    files={"semantic_codec/model.safetensors": "hf_cache/semantic_codec_model.safetensors"},
)
SHARED_FILES = ("config.yaml", "gpt.pth", "s2mel.pth", "feat1.pt", "feat2.pt")
STATISTICS = "wav2vec2bert_stats.pt"

INDEXTTS_2_5 = Published(
    id="indextts-2-5",
    name="IndexTTS-2.5",
    version="2.5",
    languages=("en", "zh", "ja", "es", "ar"),
    parts=(
        Part(
            name="IndexTTS-2.5",
            terms=OWN,
            huggingface="IndexTeam/IndexTTS-2.5",
            modelscope="IndexTeam/IndexTTS-2.5",
            files=dict.fromkeys((*SHARED_FILES, STATISTICS, "codec.pth", "*.tiktoken"), ""),
        ),
        W2V_BERT,
        CAMPPLUS,
        BIGVGAN,
    ),
    download_bytes=7_082_500_000,
    converted_bytes=6_000_000_000,
)
INDEXTTS_2 = Published(
    id="indextts-2",
    name="IndexTTS-2",
    version="2",
    languages=("en", "zh"),
    parts=(
        Part(
            name="IndexTTS-2",
            terms=OWN,
            huggingface="IndexTeam/IndexTTS-2",
            modelscope="IndexTeam/IndexTTS-2",
            files=dict.fromkeys((*SHARED_FILES, STATISTICS, "bpe.model"), ""),
        ),
        W2V_BERT,
        MASKGCT,
        CAMPPLUS,
        BIGVGAN,
    ),
    download_bytes=7_670_000_000,
    converted_bytes=6_300_000_000,
    note=(
        "MaskGCT's semantic codec, which this model needs, is for non-commercial use as far as "
        "known. IndexTTS-2.5 does not need it."
    ),
)
PUBLISHED = (INDEXTTS_2_5, INDEXTTS_2)  # the preferred one first


def published(model_id: str) -> Published:
    """Return a model by its id. Raises ModelNotFoundError."""
    for model in PUBLISHED:
        if model.id == model_id:
            return model
    known = ", ".join(model.id for model in PUBLISHED)
    raise ModelNotFoundError(f"There is no model {model_id} to fetch; there are {known}.")
