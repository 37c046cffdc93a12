"""The networks of the example: those of the papers, for small images too."""

from __future__ import annotations

import pytest
import torch

from pyq8 import dfp
from pyq8.dfp.networks import NETWORKS, build
from pyq8.errors import UsageError
from tests.dfp.networks import noise

PUBLISHED = {"resnet50": 25_557_032, "vgg16": 138_357_544, "alexnet": 61_100_840}
"""Parameters for 1000 classes of images of 224 pixels, as torchvision documents them."""


@pytest.mark.parametrize("arch", PUBLISHED)
def test_sizes_are_the_published_ones(arch: str) -> None:
    with torch.device("meta"):
        net = build(arch, 1000, 224)
    assert sum(parameter.numel() for parameter in net.parameters()) == PUBLISHED[arch]


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("arch", list(NETWORKS))
def test_every_network_takes_every_size(arch: str, size: int) -> None:
    with torch.device("meta"):
        net, x = build(arch, 7, size, channels=1).eval(), torch.zeros(2, 1, size, size)
    assert net(x).shape == (2, 7)


def test_one_step_in_int16_is_one_step_in_fp32() -> None:
    torch.manual_seed(0)
    net, x = build("resnet20", 5, 32), noise(2, 3, 32, 32)
    wanted = torch.autograd.grad(net(x).square().sum(), list(net.parameters()))
    dfp.convert(net, bits=dfp.Bits(15, 15, 15))  # fewer bits move more values past the corners of ReLU
    assert sum(layer.precision == "dfp16" for layer in dfp.summary(net).layers) == 20
    found = torch.autograd.grad(net(x).square().sum(), list(net.parameters()))
    angles = [torch.cosine_similarity(a.ravel(), b.ravel(), 0) for a, b in zip(found, wanted, strict=True)]
    assert min(angles) > 0.95


@pytest.mark.parametrize(
    "arch, size, words", [("resnet5", 32, "unknown network 'resnet5'"), ("vgg16", 28, "images of 28 pixels")]
)
def test_what_there_is_not_is_refused(arch: str, size: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build(arch, 10, size)
