"""Random regions: every kind of layer, any shape, numbers at and between their extremes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pyq8.kernels.int8_reference import Window
from pyq8.rewrite.region.pack import pack, spread
from pyq8.rewrite.region.spec import (
    BY_CHANNEL,
    CEIL,
    CHANNELS_FIRST,
    COUNT_ALL,
    TO_FLOAT,
    Kind,
    Layer,
    Sink,
    Source,
    Spec,
    Tensor,
)
from pyq8.types import Array


@dataclass
class Made:
    """A region and one image size that fits it."""

    spec: Spec = field(default_factory=Spec)
    inputs: list[tuple[int, bool, int]] = field(default_factory=list)
    """Channels, channels-last, element type: float32 or uint8."""
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Height and width of tensors that are written."""
    hw: tuple[int, int] = (1, 1)

    def feed(self, rng: np.random.Generator, batch: int) -> list[Array]:
        found = []
        for channels, last, is_float in self.inputs:
            shape = (batch, *self.hw, channels) if last else (batch, channels, *self.hw)
            if is_float:
                x = (rng.standard_normal(shape) * 3).astype(np.float32)
                if rng.random() < 0.1:
                    x.ravel()[:: int(rng.integers(2, 9))] = rng.choice([np.nan, np.inf, -np.inf, 1e30, 0.5, -2.5])
            elif rng.random() < 0.2:
                x = rng.choice(np.array([0, 255], np.uint8), shape)
            else:
                x = rng.integers(0, 256, shape, np.uint8)
            found.append(x)
        return found


class Maker:
    """Grows one."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.made = Made(hw=self._hw())
        self.spec, self.sizes = self.made.spec, self.made.sizes
        self.planned: dict[int, tuple[int, int]] = {}
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            self.input()
        kinds: list[Callable[[], bool]] = [*[self.conv] * 5, *[self.depthwise] * 2, *[self.pool] * 2]
        kinds += [*[self.concat] * 2, self.add, self.multiply, self.table, self.normalize, self.cut, self.move]
        wanted = int(rng.integers(1, 5))
        while wanted:
            wanted -= kinds[self.integer(0, len(kinds) - 1)]()
        for tensor in self.sizes:
            if tensor == max(self.sizes) or rng.random() < 0.4:
                self.output(tensor)

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def channels(self) -> int:
        return (
            self.integer(1, 130) if self.rng.random() < 0.5 else int(self.rng.choice([1, 2, 3, 4, 8, 15, 16, 17, 64]))
        )

    def zero(self) -> int:
        return int(self.rng.choice([0, 255, self.integer(0, 255)]))

    def tensor(self, channels: int, hw: tuple[int, int], parent: int = -1, offset: int = 0) -> int:
        zero = self.spec.tensors[parent].zero if parent >= 0 else self.zero()
        self.spec.tensors.append(Tensor(channels, zero, parent, offset))
        self.sizes[len(self.spec.tensors) - 1] = hw
        return len(self.spec.tensors) - 1

    def pick(self) -> int:
        return int(self.rng.choice(list(self.sizes)))

    def input(self) -> None:
        source, channels = Source(self.integer(0, 2)), self.channels()
        more = int(self.rng.choice([0, 0, 0, 1, 5]))
        y = self.tensor(channels + more, self.made.hw)
        scale = self.floats(self.rng.uniform(0.01, 0.1)) if source == Source.FLOAT_NCHW else -1
        self.spec.layers.append(Layer(Kind.QUANTIZE, len(self.made.inputs), channels, y, mode=source, scale=scale))
        self.made.inputs.append((channels, source == Source.BYTE_NHWC, source == Source.FLOAT_NCHW))

    def output(self, tensor: int) -> None:
        outputs = sum(la.kind == Kind.DEQUANTIZE or (la.kind == Kind.CONV and la.mode) for la in self.spec.layers)
        flat = self.sizes[tensor] == (1, 1)
        sink = Sink(int(self.rng.choice(5 if flat else [Sink.FLOAT_NCHW, Sink.BYTE_NCHW, Sink.BYTE_NHWC])))
        self.spec.layers.append(Layer(Kind.DEQUANTIZE, tensor, y=outputs, mode=sink, scale=self.floats(self.scale())))

    def conv(self, into: int = -1) -> bool:
        rng, x = self.rng, self.pick()
        c = self.spec.tensors[x].channels
        groups = int(rng.choice([g for g in (1, 1, 1, 2, 3, c) if c % g == 0]))
        where = self.window(x, 5)
        hw = where.size(*self.sizes[x])
        k = max(1, self.channels() // groups) * groups
        others = [t for t, size in self.sizes.items() if size == hw and self.spec.tensors[t].channels % groups == 0]
        other, more, mode = -1, -1, 0
        if into >= 0:
            k = self.spec.tensors[into].channels
            if k % groups or hw != self.planned[into]:
                return False
            others = [t for t in others if self.spec.tensors[t].channels == k]
        if others and rng.random() < 0.5:
            other = int(rng.choice(others))
            k = self.spec.tensors[other].channels
        y = into if into >= 0 else self.tensor(k, hw)
        zero = self.spec.tensors[y].zero
        if other >= 0:
            more = self.floats(*self.sum_numbers(), self.zero(), self.integer(0, 1))
        elif rng.random() < 0.2:
            scale = self.scale()
            more = self.floats(self.zero(), scale, max(self.scale() + 1e-6, scale / 2**20))
        elif hw == (1, 1) and into < 0 and rng.random() < 0.3:
            del self.sizes[y], self.spec.tensors[y]
            mode, more = TO_FLOAT, k
            y = sum(la.kind == Kind.CONV and la.mode == TO_FLOAT for la in self.spec.layers)
        alone = self.spec.tensors[x].parent < 0 or self._whole(x) == c
        rows = where.dilation_w == 1 and groups == 1 and alone
        weight = self.weight((k, c // groups, where.r, where.s))
        bias, scales = self.bias(k, x, weight, zero), self.scales(k, weight[0].size)
        at = [
            self.spec.constants.add(a)
            for a in (pack(weight, groups, rows), spread(bias, groups), spread(scales, groups))
        ]
        self._layer(Kind.CONV, x, other, y, where, groups=groups, mode=mode, at=at, more=more)
        return True

    def depthwise(self, into: int = -1) -> bool:
        x = self.pick()
        c = self.spec.tensors[x].channels
        where = self.window(x, 9)
        hw = where.size(*self.sizes[x])
        if into >= 0 and (self.spec.tensors[into].channels != c or self.planned[into] != hw):
            return False
        y = into if into >= 0 else self.tensor(c, hw)
        weight = self.weight((where.r * where.s, c))
        at = [self.spec.constants.add(a) for a in (weight, self.bias(c, x, weight.T, 0), self.scales(c, len(weight)))]
        self._layer(Kind.DEPTHWISE, x, -1, y, where, at=at)
        return True

    def pool(self, into: int = -1) -> bool:
        x = self.pick()
        c = self.spec.tensors[x].channels
        average, whole = self.rng.random() < 0.5, self.rng.random() < 0.2
        where = Window(0, 0) if whole else self.window(x, 4)
        mode = 0 if whole else int(self.rng.choice([0, CEIL])) + average * int(self.rng.choice([0, COUNT_ALL]))
        hw = (1, 1) if whole else where.size(*self.sizes[x], bool(mode & CEIL))
        if into >= 0 and (self.spec.tensors[into].channels != c or self.planned[into] != hw):
            return False
        y = into if into >= 0 else self.tensor(c, hw)
        scale = self.floats(self.scale(), self.scale() + 1e-7) if average else -1
        self._layer(Kind.AVERAGE_POOL if average else Kind.MAX_POOL, x, -1, y, where, mode=mode, at=[-1, -1, scale])
        return True

    def concat(self) -> bool:
        """Slices of one tensor, each written by a layer, some through tables."""
        x = self.pick()
        hw = self.sizes[x]
        parts = [self.channels() for _ in range(self.integer(1, 3))]
        parts.append(self.spec.tensors[x].channels)
        root = self.tensor(sum(parts), hw)
        del self.sizes[root]
        offset = 0
        for channels in parts:
            y = self.tensor(channels, hw, root, offset)
            self.planned[y] = self.sizes.pop(y)
            if not (self.conv(y) or self.conv(y) or self.depthwise(y) or self.pool(y) or self.table(y)):
                self.fill(y)
            self.sizes[y] = hw
            offset += channels
        self.sizes[root] = hw
        return True

    def fill(self, y: int) -> None:
        """A 1x1 convolution of some tensor of the same size, or of an input brought there."""
        xs = [t for t, size in self.sizes.items() if size == self.planned[y]]
        x, k = int(self.rng.choice(xs)), self.spec.tensors[y].channels
        c = self.spec.tensors[x].channels
        weight = self.weight((k, c, 1, 1))
        rows = self.spec.tensors[x].parent < 0 or self._whole(x) == c
        arrays = pack(weight, 1, rows), spread(self.bias(k, x, weight, 0), 1), spread(self.scales(k, c), 1)
        self._layer(Kind.CONV, x, -1, y, Window(1, 1), at=[self.spec.constants.add(a) for a in arrays])

    def add(self) -> bool:
        a = self.pick()
        size, c = self.sizes[a], self.spec.tensors[a].channels
        b = int(self.rng.choice([t for t, s in self.sizes.items() if s == size and self.spec.tensors[t].channels == c]))
        y = self.tensor(c, size)
        self.spec.layers.append(Layer(Kind.ADD, a, b, y, scale=self.floats(*self.sum_numbers(), 0, 0)))
        return True

    def multiply(self) -> bool:
        a = self.pick()
        size, c = self.sizes[a], self.spec.tensors[a].channels
        fits = [t for t, s in self.sizes.items() if s in (size, (1, 1)) and self.spec.tensors[t].channels == c]
        b, y = int(self.rng.choice(fits)), self.tensor(c, size)
        scale = self.floats(self.rng.choice([0.5, self.scale() / 100]))
        self.spec.layers.append(Layer(Kind.MULTIPLY, a, b, y, scale=scale))
        return True

    def table(self, into: int = -1) -> bool:
        x = self.pick()
        c = self.spec.tensors[x].channels
        if into >= 0 and (self.spec.tensors[into].channels != c or self.planned[into] != self.sizes[x]):
            return False
        y = into if into >= 0 else self.tensor(c, self.sizes[x])
        mode = int(self.rng.choice([0, BY_CHANNEL]))
        codes = self.rng.integers(0, 256, (c if mode else 1, 256), np.uint8)
        self.spec.layers.append(Layer(Kind.TABLE, x, -1, y, mode=mode, weight=self.spec.constants.add(codes)))
        return True

    def cut(self) -> bool:
        """Some channels of a tensor, where they are: no layer."""
        x = self.pick()
        t = self.spec.tensors[x]
        first = self.integer(0, t.channels - 1)
        parent, offset = (x, first) if t.parent < 0 else (t.parent, t.offset + first)
        self.tensor(self.integer(1, t.channels - first), self.sizes[x], parent, offset)
        return False

    def move(self) -> bool:
        x = self.pick()
        channels, (h, w) = self.spec.tensors[x].channels, self.sizes[x]
        block = int(self.rng.choice([b for b in (1, 1, 2, 3) if channels % b**2 == 0]))
        top, left = self.integer(1 - h * block, 3), self.integer(1 - w * block, 3)
        bottom, right = (self.integer(1 - size * block - more, 2) for size, more in ((h, top), (w, left)))
        hw = h * block + top + bottom, w * block + left + right
        if hw[0] > 40 or hw[1] > 40:
            return False
        y = self.tensor(channels // block**2, hw)
        mode = int(self.rng.choice([0, CHANNELS_FIRST]))
        where = Window(block, block, 1, 1, top, left, bottom, right)
        self._layer(Kind.MOVE, x, -1, y, where, mode=mode)
        return True

    def normalize(self) -> bool:
        x = self.pick()
        c = self.spec.tensors[x].channels
        y = self.tensor(c, self.sizes[x])
        weights = self.spec.constants.add(self.rng.uniform(-30, 30, c).astype(np.float32))
        scale = self.floats(self.scale(), self.rng.choice([1e-12, 1.0]), self.scale() + 1e-7)
        self.spec.layers.append(Layer(Kind.NORMALIZE, x, -1, y, weight=weights, scale=scale))
        return True

    def window(self, x: int, most: int) -> Window:
        """One that fits: kernel, stride, dilation, pads."""
        rng, (h, w) = self.rng, self.sizes[x]
        top, left, bottom, right = (self.integer(0, 3) if rng.random() < 0.5 else 0 for _ in range(4))
        sides = []
        for size in (h + top + bottom, w + left + right):
            dilation = int(rng.choice([1, 1, 2, 3]))
            kernel = min(self.integer(1, most) if rng.random() < 0.8 else size, (size - 1) // dilation + 1)
            sides.append((kernel, int(rng.choice([1, 1, 2, 3])), dilation))
        (r, stride_h, dilation_h), (s, stride_w, dilation_w) = sides
        return Window(r, s, stride_h, stride_w, top, left, bottom, right, dilation_h, dilation_w)

    def weight(self, shape: tuple[int, ...]) -> Array:
        """Any codes or the extreme ones; few pairs or none of some blocks of 16 outputs saturate in INT16."""
        codes: Array = self.rng.integers(-128, 128, shape, np.int8)
        if self.rng.random() < 0.3:
            codes = self.rng.choice(np.array([-128, 127], np.int8), shape)
        if self.rng.random() < 0.6:
            blocks = self.rng.random(-(-shape[0] // 16)) < self.rng.choice([0.5, 1])
            safe = np.repeat(blocks, 16)[: shape[0]]
            few = self.rng.random(shape) < self.rng.choice([0, 0.02])
            codes[safe] = np.where(few, codes, np.clip(codes, -64, 64))[safe]  # 128 together: just so
        return codes

    def bias(self, k: int, x: int, weight: Array, zero: int) -> Array:
        if self.rng.random() < 0.1:
            return self.rng.choice(np.array([-(2**31), 2**31 - 1, 0], np.int64), k).astype(np.int32)
        total = self.rng.integers(-5000, 5000, k) + zero
        total -= self.spec.tensors[x].zero * weight.reshape(k, -1).astype(np.int64).sum(1)
        whole: Array = total.astype(np.int32)
        return whole

    def scale(self) -> float:
        return float(self.rng.choice([0, 1, 1e6]) if self.rng.random() < 0.05 else 10 ** self.rng.uniform(-1.5, 0.5))

    def scales(self, k: int, products: int) -> Array:
        """Of sums of so many products, so that the codes are neither all 0 nor all 255."""
        largest = 0.99 * 2**31 / (255 * 128 * 4 * (products + 16) + 2**31)  # results fit INT32 whatever the bias is
        if self.rng.random() < 0.05:
            extreme: Array = self.rng.choice(np.array([0, 1e-38, largest], np.float32), k)
            return extreme
        usual: Array = 10 ** self.rng.uniform(-3.2, -1.8, k) / np.sqrt(products)
        return np.minimum(usual, largest).astype(np.float32)

    def sum_numbers(self) -> tuple[float, float, float]:
        if self.rng.random() < 0.05:
            a, b, fixed = self.rng.choice([-1e6, 0, 1e6, 0.5], 3)
        else:
            a, b, fixed = self.rng.uniform(0, 1.5), self.rng.uniform(0, 1.5), self.rng.uniform(-200, 100)
        return float(a), float(b), float(fixed)

    def floats(self, *values: float) -> int:
        return self.spec.constants.add(np.array(values, np.float32))

    def _hw(self) -> tuple[int, int]:
        most = int(self.rng.choice([1, 4, 9, 18]))
        return self.integer(1, most), self.integer(1, most)

    def _whole(self, x: int) -> int:
        return self.spec.tensors[self.spec.tensors[x].parent].channels

    def _layer(self, kind: Kind, x: int, other: int, y: int, where: Window, groups: int = 1, mode: int = 0,
               at: list[int] | None = None, more: int = -1) -> None:  # fmt: skip
        weight, bias, scale = at or [-1, -1, -1]
        self.spec.layers.append(
            Layer(kind, x, other, y, *where, groups=groups, mode=mode, weight=weight, bias=bias, scale=scale, more=more)
        )


def random_region(rng: np.random.Generator) -> Made:
    return Maker(rng).made
