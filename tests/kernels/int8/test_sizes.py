"""Images whose sizes do not fit one another: the error names the layer and the sizes."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.errors import UsageError
from pyq8.kernels.int8 import Region
from pyq8.rewrite.region.spec import Kind, Layer, Sink, Source, Spec, Tensor

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")
Size = tuple[int, int, int]


def run(layer: Layer, sizes: list[Size], sink: Sink = Sink.BYTE_NCHW) -> None:
    """A region of the byte inputs 0 ..., tensors of their own, and a layer from them into the tensor behind."""
    spec = Spec(tensors=[Tensor(4, 0) for _ in range(len(sizes) + 1)])
    spec.layers = [Layer(Kind.QUANTIZE, i, 4, i, mode=Source.BYTE_NCHW) for i in range(len(sizes))]
    spec.layers += [layer, Layer(Kind.DEQUANTIZE, len(sizes), mode=sink)]
    spec.constants.add(np.ones(64, np.float32))
    feed = [np.zeros((n, 4, h, w), np.uint8) for n, h, w in sizes]
    Region("scalar", *spec.numbers(), spec.constants.blob()).run(feed, [np.empty(10000, np.uint8)])


@pytest.mark.parametrize(
    ("layer", "sizes", "message"),
    [
        (Layer(Kind.ADD, 0, 1, 2, scale=0), [(1, 37, 40), (1, 36, 40)],
         "layer 2: the sizes of a sum differ, 37 x 40 and 36 x 40"),
        (Layer(Kind.ADD, 0, 1, 2, scale=0), [(2, 4, 4), (3, 4, 4)],
         "layer 2: the sizes of a sum differ, 2 and 3 images"),
        (Layer(Kind.ADD, 0, 1, 2, scale=0), [(2, 4, 4), (0, 4, 4)],
         "layer 1: some inputs are empty, others not: 2 and 0 images"),
        (Layer(Kind.MULTIPLY, 0, 1, 2, scale=0), [(1, 4, 4), (1, 1, 4)],
         "layer 2: the sizes of a product differ, 4 x 4 and 1 x 4"),
        (Layer(Kind.MAX_POOL, 0, y=1, r=5, s=5, top=1), [(1, 3, 9)],
         "layer 1: an image is smaller than a kernel, 4 pixels with pads and 5"),
        (Layer(Kind.AVERAGE_POOL, 0, y=1, r=0, s=0, scale=0), [(1, 4000, 4000)],
         "layer 1: a mean of too many pixels, 4000 x 4000"),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit(layer: Layer, sizes: list[Size], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        run(layer, sizes)

    assert str(raised.value) == message


def test_a_flat_output_of_an_image() -> None:
    with pytest.raises(UsageError, match="layer 2: a flat output of an image of 3 x 4 pixels"):
        run(Layer(Kind.TABLE, 0, y=1, weight=0), [(1, 3, 4)], Sink.BYTE_FLAT)
