"""Small torch networks and inputs that the tests of the INT16 layers share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pyq8 import dfp

Layer = nn.Conv2d | nn.Linear


def small_net(seed: int = 0) -> nn.Sequential:
    """Three convolutions, BatchNorm and two linear layers: [N, 3, 8, 8] to [N, 5]."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 8, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 16),
        nn.ReLU(),
        nn.Linear(16, 5),
    )


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def converted(layer: Layer, bits: dfp.Bits | None = None) -> Layer:
    """The layer in INT16, though it is the first and the last; its name is 0."""
    dfp.convert(nn.Sequential(layer), first="dfp16", last="dfp16", bits=bits)
    return layer
