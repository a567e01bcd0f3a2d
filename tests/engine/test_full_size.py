"""The measuring at published sizes, tried at the sizes of the golden sets."""

from pathlib import Path
import subprocess
import sys

import pytest

from indextts_daemon.engines.indextts.loader import open_weights
from tests.engine.full_size import checkpoint, phases
from tests.engine.full_size.report import as_text
from tests.engine.full_size.shapes import FILES
from tests.engine.parity import ParitySet


@pytest.fixture
def plan(golden: ParitySet, tmp_path: Path) -> phases.Plan:
    return phases.Plan(version=golden.version, size="tiny", folder=tmp_path, threads=1)


def test_the_written_names_and_shapes_are_those_of_the_golden_set(golden: ParitySet) -> None:
    for stage, listed in FILES.items():
        known = {
            name: (tuple(tensor.shape), not tensor.is_floating_point())
            for name, tensor in golden.weights(stage).items()
        }
        assert {
            spec.name: (spec.shape, spec.counts) for spec in listed(golden.config, golden.version)
        } == known


@pytest.mark.parametrize(
    ("version", "stage", "published"),
    [
        ("2.5", "gpt", 3_259_599_833),
        ("2.5", "s2mel", 414_908_601),
        ("2", "gpt", 3_480_000_000),
        ("2", "semantic_codec", 177_000_000),
        ("2", "w2v_bert", 2_320_000_000),
        ("2", "campplus", 28_000_000),
        ("2", "bigvgan", 450_000_000),
    ],
)
def test_at_full_size_the_files_are_as_large_as_the_published_ones(
    version: str, stage: str, published: int
) -> None:
    listed = checkpoint.specs(checkpoint.sizes_of("full", version), version)[stage]
    assert sum(spec.bytes for spec in listed) == pytest.approx(published, rel=0.01)


def test_every_phase_gives_the_figures_that_the_tables_are_made_of(plan: phases.Plan) -> None:
    figures = {"written": phases.write(plan)}
    for kind in ("official", "converted"):
        if kind == "converted":
            figures["converted"] = phases.converted(plan)
        figures[f"stages {kind}"] = phases.stages(plan, kind)
        for networks in phases.LOADERS:
            for when in ("from disk", "again"):
                figures[f"{networks} {kind}, {when}"] = phases.load(plan, kind, networks)
    figures |= {"enrolment": phases.enrol(plan), "sentence": phases.speak(plan)}

    text = as_text(plan.version, figures, {})
    weights = open_weights(plan.place("converted"))
    for stage in weights.stages:
        assert f"\n{stage} " in text
    assert figures["sentence"]["dit"]["calls"] == phases.NUM_STEPS
    assert len(figures["enrolment"]["runs"][0]["networks"]["semantic_encoder"]) == 2


def test_loading_a_model_does_not_bring_torch_s_compiler(plan: phases.Plan) -> None:
    phases.write(plan)
    told = (plan.version, plan.size, str(plan.folder), "1", "load", "official", "render")
    code = f"""
import sys
from tests.engine.full_size import phases
phases.main({told!r})
assert "torch._dynamo" not in sys.modules
"""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, stdout=subprocess.DEVNULL)
