"""The networks that INT16 training is shown on, of standard torch layers.

ResNet-50, GoogLeNet, VGG-16, AlexNet and ResNet-20. Images of 64 pixels and more get the stems of the papers
(224 pixels); smaller ones (32 pixels) a 3x3 stem that keeps their size. GoogLeNet has BatchNorm in place of local
normalization and auxiliary classifiers; VGG-16 has BatchNorm for small images only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pyq8.errors import UsageError
from pyq8.registry import Registry

SMALLEST, LARGE = 32, 64
Network = Callable[[int, int, int], nn.Module]
NETWORKS: Registry[Network] = Registry("network")


def build(arch: str, classes: int, size: int, channels: int = 3) -> nn.Module:
    """A network with fresh weights of torch's generator: float32 [N, channels, size, size] to logits [N, classes].

    Raises:
        UsageError: no such network, or images of less than 32 pixels.
    """
    if size < SMALLEST:
        raise UsageError(f"images of {size} pixels: the networks take {SMALLEST} or more")
    network = NETWORKS.get(arch)(classes, size, channels)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def conv(cin: int, cout: int, kernel: int, stride: int = 1, *, norm: bool = True, act: bool = True) -> nn.Sequential:
    """A convolution that keeps the size (or divides it by the stride), BatchNorm and ReLU."""
    layers: list[nn.Module] = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(cout))
    if act:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def stem(channels: int, width: int, size: int) -> nn.Sequential:
    """7x7, stride 2 and a pooling for large images, 3x3 for small ones."""
    if size < LARGE:
        return conv(channels, width, 3)
    return nn.Sequential(conv(channels, width, 7, 2), nn.MaxPool2d(3, 2, 1))


def classifier(width: int, classes: int) -> nn.Sequential:
    """The mean over the image, and one linear layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)); the shortcut is a 1x1 convolution where shapes differ."""

    def __init__(self, cin: int, cout: int, stride: int, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        same = cin == cout and stride == 1
        self.shortcut = nn.Identity() if same else conv(cin, cout, 1, stride, act=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[N, cin, H, W] to [N, cout, H / stride, W / stride]."""
        y: Tensor = self.act(self.body(x) + self.shortcut(x))
        return y


def _bottleneck(cin: int, width: int, stride: int) -> Residual:
    body = nn.Sequential(conv(cin, width, 1), conv(width, width, 3, stride), conv(width, 4 * width, 1, act=False))
    return Residual(cin, 4 * width, stride, body)


def _basic(cin: int, width: int, stride: int) -> Residual:
    return Residual(cin, width, stride, nn.Sequential(conv(cin, width, 3, stride), conv(width, width, 3, act=False)))


def _resnet(
    first: nn.Module,
    block: Callable[[int, int, int], Residual],
    widths: Sequence[int],
    depths: Sequence[int],
    expansion: int,
    classes: int,
) -> nn.Sequential:
    layers, cin = [first], widths[0]
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        for i in range(depth):
            layers.append(block(cin, width, 2 if stage and not i else 1))
            cin = width * expansion
    return nn.Sequential(*layers, classifier(cin, classes))


@NETWORKS.register("resnet50")
def _resnet50(classes: int, size: int, channels: int) -> nn.Module:
    """He et al. 2015, the stride in the 3x3 convolution."""
    return _resnet(stem(channels, 64, size), _bottleneck, (64, 128, 256, 512), (3, 4, 6, 3), 4, classes)


@NETWORKS.register("resnet20")
def _resnet20(classes: int, size: int, channels: int) -> nn.Module:
    """He et al. 2015, for CIFAR-10, with 1x1 shortcuts."""
    return _resnet(stem(channels, 16, size), _basic, (16, 32, 64), (3, 3, 3), 1, classes)


class Inception(nn.Module):
    """Concat of a 1x1, a 3x3, a 5x5 and a pooled branch."""

    def __init__(self, cin: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int) -> None:
        super().__init__()
        self.one = conv(cin, one, 1)
        self.three = nn.Sequential(conv(cin, three[0], 1), conv(*three, 3))
        self.five = nn.Sequential(conv(cin, five[0], 1), conv(*five, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(cin, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[N, cin, H, W] to [N, the sum of the branches, H, W]."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], dim=1)


@NETWORKS.register("googlenet")
def _googlenet(classes: int, size: int, channels: int) -> nn.Module:
    """Szegedy et al. 2014; 1024 channels before the classifier."""
    return nn.Sequential(
        stem(channels, 64, size),
        conv(64, 64, 1),
        conv(64, 192, 3),
        nn.MaxPool2d(3, 2, 1),
        Inception(192, 64, (96, 128), (16, 32), 32),
        Inception(256, 128, (128, 192), (32, 96), 64),
        nn.MaxPool2d(3, 2, 1),
        Inception(480, 192, (96, 208), (16, 48), 64),
        Inception(512, 160, (112, 224), (24, 64), 64),
        Inception(512, 128, (128, 256), (24, 64), 64),
        Inception(512, 112, (144, 288), (32, 64), 64),
        Inception(528, 256, (160, 320), (32, 128), 128),
        nn.MaxPool2d(3, 2, 1),
        Inception(832, 256, (160, 320), (32, 128), 128),
        Inception(832, 384, (192, 384), (48, 128), 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(1024, classes),
    )


def _dense(cin: int, width: int, classes: int) -> nn.Sequential:
    """Three linear layers with dropout."""
    first, second = nn.Linear(cin, width), nn.Linear(width, width)
    return nn.Sequential(
        nn.Flatten(),
        *(first, nn.ReLU(inplace=True), nn.Dropout()),
        *(second, nn.ReLU(inplace=True), nn.Dropout()),
        nn.Linear(width, classes),
    )


@NETWORKS.register("vgg16")
def _vgg16(classes: int, size: int, channels: int) -> nn.Module:
    """Simonyan and Zisserman 2014, configuration D; 512 instead of 4096 wide for small images."""
    small, cin = size < LARGE, channels
    layers: list[nn.Module] = []
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers.append(conv(cin, width, 3, norm=small))
            cin = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, _dense(512 * (size // 32) ** 2, 512 if small else 4096, classes))


@NETWORKS.register("alexnet")
def _alexnet(classes: int, size: int, channels: int) -> nn.Module:
    """Krizhevsky 2014, one tower, without local normalization; 1024 instead of 4096 wide for small images."""
    small = size < LARGE
    first = nn.Conv2d(channels, 64, 3, padding=1) if small else nn.Conv2d(channels, 64, 11, 4, 2)
    pool = (2, 2) if small else (3, 2)
    side = size if small else (size - 7) // 4 + 1
    for _ in range(3):
        side = (side - pool[0]) // 2 + 1
    return nn.Sequential(
        *(first, nn.ReLU(inplace=True), nn.MaxPool2d(*pool)),
        *(conv(64, 192, 3 if small else 5, norm=False), nn.MaxPool2d(*pool)),
        conv(192, 384, 3, norm=False),
        conv(384, 256, 3, norm=False),
        *(conv(256, 256, 3, norm=False), nn.MaxPool2d(*pool)),
        _dense(256 * side**2, 1024 if small else 4096, classes),
    )
