from __future__ import annotations

import numpy as np
import pytest

from pyq8 import affine
from pyq8.passes import resize_to_conv
from pyq8.types import INT8, Array
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import parse

LINEAR = 'mode = "linear"'


def network(attributes: str = LINEAR, inputs: str = "a, , scales") -> str:
    return f"""g (float[N, 8, 5, 7] x) => (float[N, 8, H, W] y) {{
        a = Conv(x, w)
        [up] b = Resize<{attributes}>({inputs})
        y = Conv(b, w)
    }}"""


def weights(*scales: float) -> dict[str, tuple[int, ...] | Array]:
    return {"w": (8, 8, 1, 1), "scales": np.array([1, 1, *scales], np.float32)}


@pytest.mark.parametrize("factor", [2, 3, 4, 7])
@pytest.mark.parametrize("where", ["half_pixel", "pytorch_half_pixel", "asymmetric"])
def test_becomes_a_depthwise_conv_of_blocks(factor: int, where: str) -> None:
    text = network(f'{LINEAR}, coordinate_transformation_mode = "{where}"')

    result, new = apply(resize_to_conv, parse(text, weights(factor, factor)))

    assert result.changed == ("up",)
    assert ops(new) == {"Conv": 3, "Pad": 1, "Concat": 1, "DepthToSpace": 1}


def test_the_factor_may_follow_from_sizes() -> None:
    given = {**weights(1, 1), "sizes": np.array([2, 8, 10, 14])}

    result, _ = apply(resize_to_conv, parse(network(inputs="a, , , sizes").replace("[N, 8, 5", "[2, 8, 5"), given))

    assert result.changed == ("up",)


@pytest.mark.parametrize("factor", range(2, 8))
def test_its_weights_are_exact_in_int8(factor: int) -> None:
    _, new = apply(resize_to_conv, parse(network(), weights(factor, factor)))
    (conv,) = [node for node in new.graph if node.name == "up"]
    assert conv.inputs[1] is not None and conv.inputs[1].const_value is not None
    weight = conv.inputs[1].const_value.numpy()

    qparams = affine.choose_weight_qparams(weight, 0, INT8)

    codes = affine.quantize(weight, qparams)
    np.testing.assert_allclose(affine.dequantize(codes, qparams), weight, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "scales", "reason"),
    [
        (network(), (2.5, 2.5), "whole factor"),
        (network(), (2, 3), "whole factor"),
        (network(), (8, 8), "whole factor"),
        (network(f'{LINEAR}, coordinate_transformation_mode = "align_corners"'), (2, 2), "align_corners"),
        (network('mode = "nearest"'), (2, 2), "not linear"),
        (network().replace("y = Conv(b, w)", "y = Sin(b)"), (2, 2), "not between convolutions"),
    ],
)
def test_refuses(text: str, scales: tuple[float, float], reason: str) -> None:
    assert reason in refusal(resize_to_conv, parse(text, weights(*scales)), "up")
