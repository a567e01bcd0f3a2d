"""Semantic features as codes, and codes as semantic features."""

from tests.engine.listeners import codec, codec_encoder, variant_of
from tests.engine.parity import ParitySet

FILE = "golden_codec"


def test_features_become_codes_and_what_these_stand_for(golden: ParitySet) -> None:
    network = codec(golden)
    codes = network.quantize(codec_encoder(golden)(*golden.given(FILE, "quantize_in")))
    golden.check(FILE, "quantize_codes", codes)
    golden.check(FILE, "quantize_out", network.embed(codes))


def test_codes_become_features(golden: ParitySet) -> None:
    (codes,) = golden.given(FILE, "decode_codes")
    network = codec(golden)
    embedded = network.embed(codes)
    if variant_of(golden).second_pass:
        golden.check(FILE, "vq2emb", embedded)
    else:
        golden.check(FILE, "vq2emb", embedded.mT)
        golden.check(FILE, "decode_out", network.decode(codes))
