"""The flow from noise to a mel spectrogram."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from indextts_daemon.engines.indextts.flow_matching import solve
from indextts_daemon.engines.indextts.models.dit import DiT, DiTSizes
from tests.engine.decoder import result

SIZES = DiTSizes(
    mel_bins=5,
    conditions=7,
    speaker=3,
    channels=16,
    num_heads=2,
    hidden=24,
    depth=4,
    sinusoids=12,
    wavenet_channels=8,
    wavenet_kernel=5,
    wavenet_layers=3,
)
PROMPT_FRAMES = 6


@pytest.fixture
def dit() -> DiT:
    torch.manual_seed(0)
    network = DiT(SIZES)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def inputs(seed: int = 1, frames: int = 9, scale: float = 1.0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    length = PROMPT_FRAMES + frames
    return {
        "prompt_mel": scale * torch.randn(1, SIZES.mel_bins, PROMPT_FRAMES),
        "speaker_embedding": scale * torch.randn(1, SIZES.speaker),
        "condition": scale * torch.randn(1, length, SIZES.conditions),
        "noise": scale * torch.randn(1, SIZES.mel_bins, length),
    }


def plainly(dit: DiT, given: dict[str, Tensor], num_steps: int, guidance: float) -> Tensor:
    """Follow the flow by the book: the DiT asked twice per step, with nothing kept between."""
    mel = given["noise"].clone()
    mel[..., :PROMPT_FRAMES] = 0
    prompt = pad(given["prompt_mel"], (0, mel.shape[-1] - PROMPT_FRAMES))
    told = (given["speaker_embedding"], given["condition"])
    nothing = [torch.zeros_like(one) for one in told]
    for step in range(num_steps):
        time = torch.tensor([step / num_steps])
        with_all = dit(mel, prompt, time, *told)
        with_nothing = dit(mel, torch.zeros_like(prompt), time, *nothing)
        mel = mel + (with_all + guidance * (with_all - with_nothing)) / num_steps
        mel[..., :PROMPT_FRAMES] = 0
    return mel


@pytest.mark.parametrize("guidance", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("num_steps", [1, 3, 10])
def test_the_solve_is_what_the_book_says(dit: DiT, num_steps: int, guidance: float) -> None:
    made = result(solve(dit, **inputs(), num_steps=num_steps, guidance=guidance))
    torch.testing.assert_close(made, plainly(dit, inputs(), num_steps, guidance))


def test_the_frames_of_the_prompt_are_zero_and_no_other(dit: DiT) -> None:
    mel = result(solve(dit, **inputs()))
    assert not mel[..., :PROMPT_FRAMES].any()
    assert mel[..., PROMPT_FRAMES:].all()


def test_a_solve_stops_after_every_step(dit: DiT) -> None:
    assert len(list(solve(dit, **inputs(), num_steps=6))) == 6


def test_a_solve_does_not_depend_on_what_runs_before_or_between(dit: DiT) -> None:
    alone = result(solve(dit, **inputs(), num_steps=5))
    one, other = solve(dit, **inputs(), num_steps=5), solve(dit, **inputs(2, 30), num_steps=9)
    for _ in range(4):
        next(one)
        next(other)
    assert torch.equal(result(one), alone)
    assert torch.equal(result(other), result(solve(dit, **inputs(2, 30), num_steps=9)))


def test_a_solve_leaves_what_it_was_given(dit: DiT) -> None:
    given = inputs()
    result(solve(dit, **given))
    for name, tensor in inputs().items():
        assert torch.equal(given[name], tensor), name


@pytest.mark.parametrize("name", inputs())
def test_everything_given_shapes_the_mel(dit: DiT, name: str) -> None:
    other = {**inputs(), name: inputs(seed=2)[name]}
    assert not torch.allclose(result(solve(dit, **other)), result(solve(dit, **inputs())))


@pytest.mark.parametrize("guidance", [0.0, 0.7])
def test_a_step_asks_once_for_what_time_decides_and_once_for_the_way(
    dit: DiT, guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    for owner, name in ((dit, "given"), (dit, "velocity"), (dit.clock, "forward")):
        monkeypatch.setattr(owner, name, counted(name, getattr(owner, name), asked))
    result(solve(dit, **inputs(), num_steps=2, guidance=guidance))
    rows = 2 if guidance else 1
    step = [("forward", 1), ("velocity", rows)]
    assert asked == [("given", rows), *step, *step]


def counted(
    name: str, function: Callable[..., Any], asked: list[tuple[str, int]]
) -> Callable[..., Any]:
    """Note the rows of the first argument of each call."""

    def call(*arguments: Any) -> Any:
        asked.append((name, len(arguments[0])))
        return function(*arguments)

    return call


@pytest.mark.parametrize("scale", [0.0, 1e-6, 100.0])
@pytest.mark.parametrize("frames", [1, 40])
def test_the_mel_is_always_finite(dit: DiT, frames: int, scale: float) -> None:
    assert result(solve(dit, **inputs(frames=frames, scale=scale))).isfinite().all()


def test_time_in_one_row_is_time_in_every_row(dit: DiT) -> None:
    given = inputs()
    x = given["noise"].repeat(2, 1, 1)
    prompt = pad(given["prompt_mel"], (0, 9)).repeat(2, 1, 1)
    told = (given["speaker_embedding"].repeat(2, 1), given["condition"].repeat(2, 1, 1))
    one = dit(x, prompt, torch.tensor([0.3]), *told)
    torch.testing.assert_close(one, dit(x, prompt, torch.tensor([0.3, 0.3]), *told))


@pytest.mark.parametrize("num_heads", [3, 16])
def test_heads_that_the_channels_cannot_have_are_refused(dit: DiT, num_heads: int) -> None:
    with pytest.raises(ValueError, match="heads"):
        DiTSizes.of(dit.state_dict(), num_heads=num_heads)


def test_sizes_are_read_from_tensors(dit: DiT) -> None:
    assert DiTSizes.of(dit.state_dict(), num_heads=SIZES.num_heads) == SIZES


def test_half_precision_stays_near(dit: DiT) -> None:
    whole = result(solve(dit, **inputs()))
    half = result(solve(dit.half(), **inputs()))
    assert half.dtype == torch.float32
    assert (half - whole).abs().max() < 0.02 * whole.abs().max()
