"""A region computed by the reference, layer by layer, from the numbers that its node carries."""

from __future__ import annotations

import numpy as np

from pyq8.kernels import int8_reference as reference
from pyq8.kernels.int8_reference import Window
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
)
from pyq8.types import Array


class Oracle:
    def __init__(self, spec: Spec) -> None:
        self.spec, self.blob = spec, spec.constants.blob().tobytes()
        self.roots: dict[int, Array] = {}

    def run(self, inputs: list[Array]) -> list[Array]:
        outputs: list[Array] = []
        with np.errstate(all="ignore"):
            for la in self.spec.layers:
                if la.kind == Kind.DEQUANTIZE:
                    outputs.append(self.leave(la))
                elif la.kind == Kind.CONV and la.mode == TO_FLOAT:
                    outputs.append(self.conv(la, la.more)[:, 0, 0])
                elif la.kind == Kind.QUANTIZE:
                    self.write(la.y, self.enter(la, inputs[la.x]))
                elif la.kind == Kind.CONV:
                    self.write(la.y, self.conv(la, self.spec.tensors[la.y].channels))
                else:
                    self.write(la.y, self.codes(la))
        return outputs

    def floats(self, at: int, count: int) -> Array:
        return np.frombuffer(self.blob, np.float32, count, at)

    def zero(self, tensor: int) -> int:
        return self.spec.tensors[tensor].zero

    def read(self, tensor: int) -> Array:
        t = self.spec.tensors[tensor]
        return self.roots[tensor] if t.parent < 0 else self.roots[t.parent][..., t.offset : t.offset + t.channels]

    def write(self, tensor: int, codes: Array) -> None:
        t = self.spec.tensors[tensor]
        if t.parent < 0:
            self.roots[tensor] = codes
            return
        shape = (*codes.shape[:3], self.spec.tensors[t.parent].channels)
        self.roots.setdefault(t.parent, np.zeros(shape, np.uint8))[..., t.offset : t.offset + t.channels] = codes

    def enter(self, la: Layer, x: Array) -> Array:
        x = x if la.mode == Source.BYTE_NHWC else x.transpose(0, 2, 3, 1)
        codes = reference.quantize(x, self.floats(la.scale, 1)[0], self.zero(la.y)) if x.dtype == np.float32 else x
        more = self.spec.tensors[la.y].channels - la.other
        return np.pad(codes, ((0, 0),) * 3 + ((0, more),), constant_values=self.zero(la.y))

    def leave(self, la: Layer) -> Array:
        x = self.read(la.x)
        if la.mode in (Sink.FLOAT_NCHW, Sink.FLOAT_FLAT):
            x = reference.dequantize(x, self.zero(la.x), self.floats(la.scale, 1)[0])
        if la.mode in (Sink.FLOAT_FLAT, Sink.BYTE_FLAT):
            return x[:, 0, 0]
        return x if la.mode == Sink.BYTE_NHWC else x.transpose(0, 3, 1, 2)

    def window(self, la: Layer) -> Window:
        return Window(*(getattr(la, name) for name in Window._fields))

    def conv(self, la: Layer, k: int) -> Array:
        x, where = self.read(la.x), self.window(la)
        weight, lanes = self.unpack(la, k, x.shape[3])
        bias = np.frombuffer(self.blob, np.int32, lanes, la.bias).reshape(la.groups, -1)[:, : k // la.groups].ravel()
        scale = self.floats(la.scale, lanes).reshape(la.groups, -1)[:, : k // la.groups].ravel()
        value = reference.scaled(reference.convolve(x, self.zero(la.x), weight, bias, where, la.groups), scale)
        if la.mode == TO_FLOAT:
            return value
        if la.other >= 0:
            return reference.conv_add(value, self.read(la.other), self.floats(la.more, 5))
        if la.more >= 0:
            return reference.other_codes(value, self.floats(la.more, 3), self.zero(la.y))
        return reference.saturate(value, self.zero(la.y))

    def unpack(self, la: Layer, k: int, channels: int) -> tuple[Array, int]:
        """Weights (K, C / groups, R, S) from blocks of 16 outputs and steps of 4 products."""
        t, c, of_group = self.spec.tensors[la.x], channels // la.groups, k // la.groups
        whole = t.parent < 0 or self.spec.tensors[t.parent].channels == channels
        rows = la.dilation_w == 1 and la.groups == 1 and whole
        taps, products = (la.r, la.s * c) if rows else (la.r * la.s, c)
        blocks, steps = -(-of_group // 16), -(-products // 4)
        shape = la.groups, blocks, taps, steps, 16, 4
        packed = np.frombuffer(self.blob, np.int8, int(np.prod(shape)), la.weight).reshape(shape)
        flat = packed.transpose(0, 1, 4, 2, 3, 5).reshape(la.groups, blocks * 16, taps, steps * 4)
        kept = flat[:, :of_group, :, :products].reshape(k, la.r, la.s, c)
        return kept.transpose(0, 3, 1, 2), la.groups * blocks * 16

    def codes(self, la: Layer) -> Array:
        x, zeros, where = self.read(la.x), (self.zero(la.x), self.zero(la.y)), self.window(la)
        channels, ceil = x.shape[3], bool(la.mode & CEIL)
        if la.kind == Kind.DEPTHWISE:
            weight = np.frombuffer(self.blob, np.int8, la.r * la.s * channels, la.weight).reshape(la.r, la.s, channels)
            bias = np.frombuffer(self.blob, np.int32, channels, la.bias)
            sums = reference.convolve(x, zeros[0], weight.transpose(2, 0, 1)[:, None], bias, where, channels)
            return reference.saturate(reference.scaled(sums, self.floats(la.scale, channels)), zeros[1])
        if la.kind == Kind.TABLE:
            tables = channels if la.mode == BY_CHANNEL else 1
            codes = np.frombuffer(self.blob, np.uint8, 256 * tables, la.weight).reshape(tables, 256)
            return codes[np.arange(channels) % tables, x]
        if la.kind == Kind.MOVE:
            grow = la.top, la.left, la.bottom, la.right
            return reference.move(x, la.r, la.mode == CHANNELS_FIRST, grow)
        if la.kind == Kind.NORMALIZE:
            weights, (x_scale, least, y_scale) = self.floats(la.weight, channels), self.floats(la.scale, 3)
            return reference.normalize(x, zeros, (x_scale, least, y_scale), weights)
        if la.kind == Kind.ADD:
            return reference.add(x, self.read(la.other), self.floats(la.scale, 3))
        if la.kind == Kind.MULTIPLY:
            pair = zeros[0], self.zero(la.other)
            return reference.multiply(x, self.read(la.other), pair, self.floats(la.scale, 1)[0], zeros[1])
        if la.kind == Kind.MAX_POOL:
            return reference.max_pool(x, where if la.r else Window(*x.shape[1:3]), ceil)
        scales = tuple(self.floats(la.scale, 2))
        if not la.r:
            return reference.global_average_pool(x, zeros, scales)
        return reference.average_pool(x, zeros, scales, where, ceil, bool(la.mode & COUNT_ALL))
