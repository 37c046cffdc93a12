"""Regions of the shapes of well-known networks, all weights zero: for what depends on shapes alone."""

from __future__ import annotations

import numpy as np

from pyq8.kernels.int8_reference import Window
from pyq8.rewrite.region.pack import pack, spread
from pyq8.rewrite.region.spec import CEIL, TO_FLOAT, Kind, Layer, Sink, Source, Spec, Tensor
from pyq8.types import Array

Size = tuple[int, int]


class Network:
    """Grows layer by layer; a tensor is known by its number."""

    def __init__(self, size: int) -> None:
        self.spec = Spec(tensors=[Tensor(3, 0)])
        self.sizes: list[Size] = [(size, size)]
        self.shape = (3, size, size)
        self.outputs = 0
        self.scale = self.spec.constants.add(np.ones(64, np.float32))
        self.spec.layers.append(Layer(Kind.QUANTIZE, 0, 3, 0, mode=Source.FLOAT_NCHW, scale=self.scale))

    def tensor(self, channels: int, size: Size, parent: int = -1, offset: int = 0) -> int:
        self.spec.tensors.append(Tensor(channels, 0, parent, offset))
        self.sizes.append(size)
        return len(self.sizes) - 1

    def channels(self, x: int) -> int:
        return self.spec.tensors[x].channels

    def conv(self, x: int, k: int, kernel: Size, stride: int = 1, *, pad: bool = True, dilation: int = 1,
             other: int = -1, into: int = -1) -> int:  # fmt: skip
        where = _window(kernel, stride, pad, dilation)
        y = into if into >= 0 else self.tensor(k, where.size(*self.sizes[x]))
        at = self._constants(np.zeros((k, self.channels(x), *kernel), np.int8), self.spec.tensors[x].parent < 0)
        more = self.scale if other >= 0 else -1
        self.spec.layers.append(Layer(Kind.CONV, x, other, y, *where, more=more, **at))
        return y

    def depthwise(self, x: int, kernel: int, stride: int = 1) -> int:
        where, c = _window((kernel, kernel), stride, True), self.channels(x)
        y = self.tensor(c, where.size(*self.sizes[x]))
        arrays = np.zeros((kernel * kernel, c), np.int8), np.zeros(c, np.int32), np.ones(c, np.float32)
        weight, bias, scale = (self.spec.constants.add(array) for array in arrays)
        self.spec.layers.append(Layer(Kind.DEPTHWISE, x, -1, y, *where, weight=weight, bias=bias, scale=scale))
        return y

    def max_pool(
        self, x: int, kernel: int, stride: int, *, pad: bool = False, ceil: bool = False, into: int = -1
    ) -> int:
        where = _window((kernel, kernel), stride, pad)
        y = into if into >= 0 else self.tensor(self.channels(x), where.size(*self.sizes[x], ceil))
        self.spec.layers.append(Layer(Kind.MAX_POOL, x, -1, y, *where, mode=CEIL * ceil))
        return y

    def classes(self, x: int, count: int) -> None:
        """The mean of the image and a fully connected layer."""
        mean = self.tensor(self.channels(x), (1, 1))
        self.spec.layers.append(Layer(Kind.AVERAGE_POOL, x, -1, mean, *Window(0, 0), scale=self.scale))
        at = self._constants(np.zeros((count, self.channels(x), 1, 1), np.int8), True)
        layer = Layer(Kind.CONV, mean, -1, self.outputs, *Window(1, 1), mode=TO_FLOAT, more=count, **at)
        self.spec.layers.append(layer)
        self.outputs += 1

    def output(self, x: int) -> None:
        self.spec.layers.append(Layer(Kind.DEQUANTIZE, x, y=self.outputs, mode=Sink.FLOAT_NCHW, scale=self.scale))
        self.outputs += 1

    def branches(self, x: int, *texts: str) -> int:
        """Side by side, each the steps of a branch, "max", or with "dw" for a mean of 3x3; "+" begins a second end."""
        plans = [[step.split() for step in text.split(", ")] for text in texts]
        widths = [sum(int(end[1]) for end in _ends(plan)) if plan != [["max"]] else self.channels(x) for plan in plans]
        size = self.sizes[x][0]
        reduced = (size - 3) // 2 + 1 if any("/2" in text or text == "max" for text in texts) else size
        y, offset = self.tensor(sum(widths), (reduced, reduced)), 0
        for plan in plans:
            at = x
            if plan == [["max"]]:
                slot = self.tensor(self.channels(x), (reduced, reduced), y, offset)
                offset += self.channels(self.max_pool(x, 3, 2, into=slot))
                continue
            ends = _ends(plan)
            for step in plan[: len(plan) - len(ends)]:
                at = self.depthwise(at, 3) if step == ["dw"] else self._step(at, step)
            for step in ends:
                slot = self.tensor(int(step[1]), (reduced, reduced), y, offset)
                offset += self.channels(self._step(at, step, slot))
        return y

    def _step(self, x: int, step: list[str], into: int = -1) -> int:
        kernel, _, stride = step[0].lstrip("+").partition("/")
        r, s = map(int, kernel.split("x"))
        return self.conv(x, int(step[1]), (r, s), int(stride or 1), pad=not stride, into=into)

    def _constants(self, weight: Array, rows: bool) -> dict[str, int]:
        k = len(weight)
        arrays = pack(weight, 1, rows), spread(np.zeros(k, np.int32), 1), spread(np.ones(k, np.float32), 1)
        return dict(zip(("weight", "bias", "scale"), map(self.spec.constants.add, arrays), strict=True))


def _ends(plan: list[list[str]]) -> list[list[str]]:
    """The last step, or the last two where both read what is before them."""
    return plan[-2:] if plan[-1][0].startswith("+") else plan[-1:]


def _window(kernel: Size, stride: int, pad: bool, dilation: int = 1) -> Window:
    top, left = (dilation * (side // 2) if pad else 0 for side in kernel)
    return Window(*kernel, stride, stride, top, left, top, left, dilation, dilation)


def resnet50() -> Network:
    net = Network(224)
    x = net.max_pool(net.conv(0, 64, (7, 7), 2), 3, 2, pad=True)
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            stride = 2 if block == 0 and width > 64 else 1
            inside = net.conv(net.conv(x, width, (1, 1)), width, (3, 3), stride)
            other = x if block else net.conv(x, 4 * width, (1, 1), stride)
            x = net.conv(inside, 4 * width, (1, 1), other=other)
    net.classes(x, 1000)
    return net


def inception_v3() -> Network:
    net = Network(299)
    x = net.conv(net.conv(net.conv(0, 32, (3, 3), 2, pad=False), 32, (3, 3), pad=False), 64, (3, 3))
    x = net.conv(net.conv(net.max_pool(x, 3, 2), 80, (1, 1)), 192, (3, 3), pad=False)
    x = net.max_pool(x, 3, 2)
    for pool in (32, 64, 64):
        x = net.branches(x, "1x1 64", "1x1 48, 5x5 64", "1x1 64, 3x3 96, 3x3 96", f"dw, 1x1 {pool}")
    x = net.branches(x, "3x3/2 384", "1x1 64, 3x3 96, 3x3/2 96", "max")
    for c in (128, 160, 160, 192):
        long = f"1x1 {c}, 7x1 {c}, 1x7 {c}, 7x1 {c}, 1x7 192"
        x = net.branches(x, "1x1 192", f"1x1 {c}, 1x7 {c}, 7x1 192", long, "dw, 1x1 192")
    x = net.branches(x, "1x1 192, 3x3/2 320", "1x1 192, 1x7 192, 7x1 192, 3x3/2 192", "max")
    for _ in range(2):
        wide = "1x1 448, 3x3 384, 1x3 384, +3x1 384"
        x = net.branches(x, "1x1 320", "1x1 384, 1x3 384, +3x1 384", wide, "dw, 1x1 192")
    net.classes(x, 1000)
    return net


def ssd300_vgg16() -> Network:
    net = Network(300)
    x = 0
    for width, convs in ((64, 2), (128, 2), (256, 3), (512, 3)):
        for _ in range(convs):
            x = net.conv(x, width, (3, 3))
        heads = [x]
        x = net.max_pool(x, 2, 2, ceil=width == 256)
    for _ in range(3):
        x = net.conv(x, 512, (3, 3))
    x = net.conv(net.max_pool(x, 3, 1, pad=True), 1024, (3, 3), dilation=6)
    x = net.conv(x, 1024, (1, 1))
    heads.append(x)
    for inside, width, stride, pad in (
        (256, 512, 2, True),
        (128, 256, 2, True),
        (128, 256, 1, False),
        (128, 256, 1, False),
    ):
        x = net.conv(net.conv(x, inside, (1, 1)), width, (3, 3), stride, pad=pad)
        heads.append(x)
    for head, boxes in zip(heads, (4, 6, 6, 6, 4, 4), strict=True):
        net.output(net.conv(head, 4 * boxes, (3, 3)))
        net.output(net.conv(head, 91 * boxes, (3, 3)))
    return net


def efficientnet_lite0() -> Network:
    net = Network(224)
    x = net.conv(0, 32, (3, 3), 2)
    stages = "1 3 1 16 1", "6 3 2 24 2", "6 5 2 40 2", "6 3 2 80 3", "6 5 1 112 3", "6 5 2 192 4", "6 3 1 320 1"
    for stage in stages:
        widen, kernel, first_stride, width, blocks = map(int, stage.split())
        for block in range(blocks):
            inside = net.conv(x, widen * net.channels(x), (1, 1)) if widen > 1 else x
            inside = net.depthwise(inside, kernel, 1 if block else first_stride)
            x = net.conv(inside, width, (1, 1), other=x if block else -1)
    net.classes(net.conv(x, 1280, (1, 1)), 1000)
    return net


NETWORKS = {made.__name__: made for made in (resnet50, inception_v3, ssd300_vgg16, efficientnet_lite0)}
