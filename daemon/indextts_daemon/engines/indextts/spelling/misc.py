"""How the small files spell the statistics of semantic features and the emotion matrix.

`wav2vec2bert_stats.pt` holds `mean` and `var`. `feat1.pt` and `feat2.pt` each are one tensor
without a name: `spk_matrix` and `emo_matrix` here.
"""

from collections.abc import Mapping

from torch import Tensor

from .rules import CheckpointError, rename
from .stages import by_stage

_TABLE = (
    (r"(?:w2v_stat\.)?(mean|var)", r"semantic_encoder.\1"),
    (r"spk_matrix", r"emotions.speakers"),
    (r"emo_matrix", r"emotions.rows"),
)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return our tensors by stage, of any of these files."""
    renamed = rename(tensors, _TABLE)
    variance = renamed.pop("semantic_encoder.var", None)
    if (variance is None) != ("semantic_encoder.mean" not in renamed):
        raise CheckpointError("Of the semantic features' mean and variance only one is there.")
    if variance is not None:
        renamed["semantic_encoder.std"] = variance.sqrt()
    return by_stage(renamed)
