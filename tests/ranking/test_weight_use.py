"""worst_channel: the channel that suffers is named, with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8 import affine
from pyq8.ranking.weight_use import ChannelUse, worst_channel
from pyq8.types import INT8, Array


def look(weight: Array, axis: int | None = 0, rows: int = 0) -> ChannelUse | None:
    qparams = affine.choose_weight_qparams(weight, axis, INT8)
    return worst_channel(weight, affine.dequantize(affine.quantize(weight, qparams), qparams), qparams, rows)


def weights() -> Array:
    return np.random.default_rng(0).uniform(-1, 1, (8, 64)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1])
def test_one_large_weight_makes_its_channel_coarse(axis: int) -> None:
    weight = weights()
    weight[5, 7] = 20

    found = look(weight if axis == 0 else weight.T.copy(), axis, axis)

    assert found is not None and found.channel == 5
    assert str(found).startswith("channel 5 is off by ")
    assert "its largest weight is 7." in str(found)  # 20 over a root mean square of 2.6


def test_with_one_scale_a_tensor_the_smallest_channel_suffers() -> None:
    weight = weights()
    weight[3] *= 0.002

    found = look(weight, axis=None)

    assert found is not None and found.channel == 3
    assert found.error > 0.5
    assert "its weights span 0.002 of the tensor's largest and use 0.3 of 127 steps" in str(found)


def test_a_dead_channel_is_not_to_blame() -> None:
    weight = weights()
    weight[3] *= 1e-6
    weight[5, 7] = 20

    found = look(weight, axis=None)

    assert found is not None and found.channel != 3


def test_the_error_is_relative_to_the_weights_of_the_channel() -> None:
    weight = np.asarray([[3.0, 4.0], [10.0, 10.0]], np.float32)
    rounded = np.asarray([[3.0, 4.5], [10.0, 10.2]], np.float32)
    qparams = affine.choose_weight_qparams(weight, 0, INT8)

    found = worst_channel(weight, rounded, qparams, 0)

    assert found is not None
    assert found.channel == 0
    assert found.error == pytest.approx(0.1)


def test_zeros_have_no_worst_channel() -> None:
    assert look(np.zeros((4, 3), np.float32)) is None
