"""What a `Region` node says: tensors, layers and their constants, as csrc/int8/spec.h reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from enum import IntEnum
from hashlib import sha256

import numpy as np

from pyq8.types import Array

DOMAIN = "pyq8"
OP_TYPE = "Region"
VERSION = 1
"""Of the domain and of the operator: what its numbers mean."""
ALIGN = 64
LARGE = 1024
"""Bytes of a constant from which on it is worth storing once, whatever reads it."""
MOST_PRODUCTS = 2**16
"""Of an output: so many of 255 * 128 an INT32 sum holds."""
MOST_NORMALIZED = 2**15
"""Channels: the sum of so many squares of 255 fits INT32."""
MOST_SCALE = 1e6
MOST_RESULT = 2.0**31 - 128
"""Before it is saturated, a result fits INT32."""


class Kind(IntEnum):
    """What a layer computes."""

    QUANTIZE = 0
    CONV = 1
    DEPTHWISE = 2
    MAX_POOL = 3
    AVERAGE_POOL = 4
    ADD = 5
    MULTIPLY = 6
    TABLE = 7
    DEQUANTIZE = 8
    NORMALIZE = 9
    MOVE = 10


class Source(IntEnum):
    """The form of an input: `mode` of QUANTIZE."""

    FLOAT_NCHW = 0
    BYTE_NCHW = 1
    BYTE_NHWC = 2


class Sink(IntEnum):
    """The form of an output: `mode` of DEQUANTIZE."""

    FLOAT_NCHW = 0
    BYTE_NCHW = 1
    FLOAT_FLAT = 2
    BYTE_NHWC = 3
    BYTE_FLAT = 4


COUNT_ALL, CEIL = 1, 2
"""`mode` of pools, added: divide by the pads too; ceil_mode."""
CHANNELS_FIRST = 1
"""`mode` of MOVE: the pixels of a block are the last part of a channel's number, not the first."""
BY_CHANNEL = 1
"""`mode` of TABLE: every channel has a table of its own."""
TO_FLOAT = 1
"""`mode` of CONV: the result is a float output."""


@dataclass(frozen=True)
class Tensor:
    """uint8, channels-last. One with a parent is its channels from `offset` on."""

    channels: int
    zero: int
    parent: int = -1
    offset: int = 0


@dataclass(frozen=True)
class Layer:
    """One layer; spec.h says which field means what for which kind."""

    kind: int
    x: int = 0
    other: int = -1
    y: int = 0
    r: int = 1
    s: int = 1
    stride_h: int = 1
    stride_w: int = 1
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    dilation_h: int = 1
    dilation_w: int = 1
    groups: int = 1
    mode: int = 0
    weight: int = -1
    bias: int = -1
    scale: int = -1
    more: int = -1


def window(
    kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int], dilations: Sequence[int]
) -> dict[str, int]:
    """The fields of a layer that say where its kernel goes; pads as ONNX orders them."""
    names = "r s stride_h stride_w top left bottom right dilation_h dilation_w".split()
    return dict(zip(names, (*kernel, *strides, *pads, *dilations), strict=True))


@dataclass
class Constants:
    """The blob of one region, or of several that share weights, grown array by array."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    _places: dict[bytes, int] = field(default_factory=dict)

    def add(self, array: Array) -> int:
        """Where in the blob the array is."""
        data = np.ascontiguousarray(array).tobytes()
        begin = self.size
        if len(data) >= LARGE:
            begin = self._places.setdefault(sha256(data).digest(), begin)
            if begin < self.size:
                return begin
        padded = data + bytes(-len(data) % ALIGN)
        self.parts.append(padded)
        self.size += len(padded)
        return begin

    def blob(self) -> Array:
        """uint8, all of it."""
        return np.frombuffer(b"".join(self.parts), np.uint8)


@dataclass
class Spec:
    """A whole region."""

    tensors: list[Tensor] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    constants: Constants = field(default_factory=Constants)

    def numbers(self) -> tuple[list[int], list[int]]:
        """The attributes `tensors` and `layers`."""
        return (
            [int(n) for tensor in self.tensors for n in astuple(tensor)],
            [int(n) for layer in self.layers for n in astuple(layer)],
        )
