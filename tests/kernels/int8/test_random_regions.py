"""Random regions: numpy and every instruction set give the same bytes."""

from __future__ import annotations

import os

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.errors import UsageError
from pyq8.kernels.int8 import Region
from pyq8.types import Array

from .oracle import Oracle
from .regions import Made, random_region

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")
PARTS = 8
REGIONS = int(os.environ.get("PYQ8_INT8_REGIONS", "400"))
FIRST = int(os.environ.get("PYQ8_INT8_SEED", "0"))
OTHER_SHAPES = 15
"""Of every region, besides the one that the reference computes too."""


@pytest.mark.parametrize("part", range(PARTS))
def test_every_instruction_set_computes_the_bytes_of_the_reference(part: int) -> None:
    kernels.set_threads(1 + part % 2)
    for seed in range(FIRST + part, FIRST + REGIONS, PARTS):
        rng = np.random.default_rng(seed)
        made = random_region(rng)
        tensors, layers = made.spec.numbers()
        regions = {isa: Region(isa, tensors, layers, made.spec.constants.blob()) for isa in kernels.isas()}

        feed = made.feed(rng, int(rng.integers(1, 6)))
        expected = Oracle(made.spec).run(feed)
        for isa, region in regions.items():
            found = [np.empty(y.shape, y.dtype) for y in expected]
            region.run(feed, found)
            assert [y.tobytes() for y in found] == [y.tobytes() for y in expected], (seed, isa)

        h, w = made.hw
        for _ in range(OTHER_SHAPES):
            made.hw = h + int(rng.integers(0, 4)), w + int(rng.integers(0, 4))
            feed = made.feed(rng, int(rng.integers(1, 3)))
            answers = {isa: answer(made, region, feed, len(expected)) for isa, region in regions.items()}
            assert len(set(answers.values())) == 1, (seed, made.hw, [f.shape for f in feed])


@pytest.mark.parametrize("seed", [1079, 2845])
def test_a_border_is_there_before_a_layer_reads_it(seed: int) -> None:
    """A padded 1 x 1 convolution does not run together with the one that writes what it reads."""
    kernels.set_threads(1)
    rng = np.random.default_rng(seed)
    made = random_region(rng)
    feed = made.feed(rng, int(rng.integers(1, 6)))
    expected = Oracle(made.spec).run(feed)
    for isa in kernels.isas():
        found = [np.empty(y.shape, y.dtype) for y in expected]
        Region(isa, *made.spec.numbers(), made.spec.constants.blob()).run(feed, found)
        assert [y.tobytes() for y in found] == [y.tobytes() for y in expected], isa


def test_of_tensors_in_one_place_the_last_border_stays() -> None:
    """A sum takes the memory of its operand, whose zero point is another: threads fill borders side by side."""
    kernels.set_threads(2)
    rng = np.random.default_rng(5069)
    made = random_region(rng)
    region = Region(kernels.isas()[0], *made.spec.numbers(), made.spec.constants.blob())
    made.hw = 11, 14
    feed = made.feed(rng, 1)
    expected = [y.tobytes() for y in Oracle(made.spec).run(feed)]
    assert {tuple(y.tobytes() for y in run(region, feed, made)) for _ in range(1000)} == {tuple(expected)}


@pytest.mark.parametrize("seed", range(PARTS))
def test_a_batch_that_is_computed_some_images_at_a_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = random_region(rng)
    region = Region(kernels.isas()[0], *made.spec.numbers(), made.spec.constants.blob())
    image = sum(t.channels for t in made.spec.tensors) * made.hw[0] * made.hw[1]
    feed = made.feed(rng, max(100, (96 << 20) // image))
    expected = [run(region, [x[i : i + 100] for x in feed], made) for i in range(0, len(feed[0]), 100)]

    for y, parts in zip(run(region, feed, made), zip(*expected, strict=True), strict=True):
        assert y.tobytes() == b"".join(part.tobytes() for part in parts)


def run(region: Region, feed: list[Array], made: Made) -> list[Array]:
    """Outputs."""
    one = Oracle(made.spec).run([x[:1] for x in feed])
    found = [np.empty((len(feed[0]), *y.shape[1:]), y.dtype) for y in one]
    region.run(feed, found)
    return found


def answer(made: Made, region: Region, feed: list[Array], count: int) -> bytes:
    """All outputs, with what lies behind them; or what it complains of, where sizes of tensors differ now."""
    most = max(t.channels for t in made.spec.tensors) * 4
    room = len(feed[0]) * (made.hw[0] + 12) * (made.hw[1] + 12) * most
    found = [np.full(room, 0xA5, np.uint8) for _ in range(count)]
    try:
        region.run(feed, found)
    except UsageError as error:
        return str(error).encode()
    return b"".join(y.tobytes() for y in found)
