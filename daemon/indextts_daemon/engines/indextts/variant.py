"""What differs between the two published models; everything else is one code path."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from indextts_daemon.checkpoints.catalogue import INDEXTTS_2, INDEXTTS_2_5

SAMPLE_RATE = 22050  # Hz, of what both models speak
HOP = 256  # samples per mel frame
FRAMES_PER_FEATURE = 1.72  # mel frames per row of semantic features, at 50 rows a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One published model."""

    id: str
    name: str
    version: str
    languages: tuple[str, ...]  # BCP 47
    language_ids: Mapping[str, int]  # rows of the language table; empty where there is none
    codes_per_s: int
    second_pass: bool  # whether latents of a second pass over the codes sharpen the features
    quantized_prompt: bool  # whether the prompt's features go through the codebook
    pronunciation: tuple[str, ...]  # readings that a text may bring: pinyin, cmu, kana
    max_codes: int  # that a segment may have: a minute of 2.5, half of it of 2


V2 = Variant(
    id=INDEXTTS_2.id,
    name=INDEXTTS_2.name,
    version=INDEXTTS_2.version,
    languages=INDEXTTS_2.languages,
    language_ids=MappingProxyType({}),
    codes_per_s=50,
    second_pass=True,
    quantized_prompt=True,
    pronunciation=("pinyin",),
    max_codes=1500,
)
V2_5 = Variant(
    id=INDEXTTS_2_5.id,
    name=INDEXTTS_2_5.name,
    version=INDEXTTS_2_5.version,
    languages=INDEXTTS_2_5.languages,
    language_ids=MappingProxyType({"en": 0, "zh": 1, "es": 3, "ja": 7, "ar": 13, "zhen": 105}),
    codes_per_s=25,
    second_pass=False,
    quantized_prompt=False,
    pronunciation=("pinyin", "cmu", "kana"),
    max_codes=1500,
)
VARIANTS = (V2_5, V2)  # the preferred one first
