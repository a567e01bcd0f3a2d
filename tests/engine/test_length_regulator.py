"""Features stretched to mel frames."""

import pytest
import torch

from indextts_daemon.engines.indextts.models.length_regulator import (
    LengthRegulator,
    LengthRegulatorSizes,
    num_frames_of,
)

SIZES = LengthRegulatorSizes(features=6, channels=4, kernel=3, blocks=2)


@pytest.fixture
def regulator() -> LengthRegulator:
    torch.manual_seed(0)
    return LengthRegulator(SIZES)


def test_sizes_are_read_from_tensors(regulator: LengthRegulator) -> None:
    assert LengthRegulatorSizes.of(regulator.state_dict()) == SIZES


@pytest.mark.parametrize("num_frames", [1, 5, 12, 31])
def test_features_have_as_many_frames_as_asked_for(
    regulator: LengthRegulator, num_frames: int
) -> None:
    assert regulator(torch.randn(2, 12, 6), num_frames).shape == (2, num_frames, 4)


def test_a_feature_is_repeated_where_it_is_stretched(regulator: LengthRegulator) -> None:
    features = torch.randn(1, 5, 6)
    repeated = features.repeat_interleave(3, dim=1)
    torch.testing.assert_close(regulator(features, 15), regulator(repeated, 15))


def test_frames_follow_rows_and_pace() -> None:
    assert num_frames_of(1, duration_factor=0.5) == 1
    for rows in range(2, 3001):  # longer than any segment
        assert num_frames_of(rows) == rows * 172 // 100
        assert num_frames_of(rows, duration_factor=2.0) == rows * 344 // 100
        assert num_frames_of(rows, duration_factor=0.5) == rows * 86 // 100
