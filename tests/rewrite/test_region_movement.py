"""What enlarges images is in regions: ConvTranspose and linear Resize as convolutions of blocks, and DepthToSpace."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.passes import prepare

from ..small_models import Weights
from .region_models import CONV, HEAD, compare, graph, images, operators

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")]

DOWN = f"{HEAD} [d] d = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(a, w2, b2) [r] r = Relu(d)"
JOIN = "[k] k = Concat<axis = 1>(u, a) [e] y = Conv(k, w4)"
ENLARGED: dict[str, tuple[str, Weights]] = {
    "ConvTranspose": ("[u] u = ConvTranspose<strides = [2, 2]>(r, w3, b2)", {"w3": (16, 16, 2, 2)}),
    "ConvTranspose, cut": (
        "[t] t = ConvTranspose<strides = [2, 2], pads = [1, 1, 1, 1]>(r, w3) [v] u = Relu(t)",
        {"w3": (16, 16, 4, 4)},
    ),
    "ConvTranspose, depthwise": (
        "[u] u = ConvTranspose<strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1], group = 16>(r, w3)",
        {"w3": (16, 1, 3, 3)},
    ),
    "Resize": ('[u] u = Resize<mode = "linear">(r, , two)', {"two": np.array([1, 1, 2, 2], np.float32)}),
}


@pytest.mark.parametrize("name", ENLARGED)
@pytest.mark.parametrize("size", ["12, 12", "H, W"])
def test_what_enlarges_an_image_is_inside(name: str, size: str) -> None:
    body, weights = ENLARGED[name]
    model = graph(f"{DOWN} {body} {JOIN}", {"w4": (16, 32, 1, 1), **weights}, size=size)

    regions = compare(prepare(model, "pyq8").model, images((1, 8, 12, 12), (1, 8, 12, 12)))

    assert operators(regions) == ["Region"]


def test_images_of_another_size_than_the_one_calibrated_on() -> None:
    model = graph(
        f"{DOWN} {ENLARGED['ConvTranspose, cut'][0]} [e] y = {CONV}(u, w2)", {"w3": (16, 16, 4, 4)}, size="H, W"
    )

    compare(prepare(model, "pyq8").model, images((1, 8, 9, 15), (3, 8, 12, 12), (2, 8, 1, 1)))
