"""The tensors of a region, and the ways into and out of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pyq8.rewrite.region.match import looked_through
from pyq8.rewrite.region.nodes import CUTS, first_channel, qparams, size, zero_point
from pyq8.rewrite.region.patterns import find_slices
from pyq8.rewrite.region.spec import Constants, Kind, Layer, Source, Spec, Tensor
from pyq8.types import Array


class RegionTensors:
    """Grows a region layer by layer.

    Args:
        nodes: of the region, in topological order.
        constants: where its constants go, beside those of other regions.
    """

    def __init__(self, nodes: Sequence[ir.Node], constants: Constants) -> None:
        self.spec = Spec(constants=constants)
        self.names: list[str] = []
        self.inputs: list[ir.Value] = []
        self.outputs: list[ir.Value] = []
        self.slices = find_slices(nodes)
        self._inside = set(nodes)
        self._of: dict[ir.Value, int] = {}

    def new(self, value: ir.Value, channels: int, zero: int) -> int:
        """The tensor that a layer writes: of its own, or a slice of what it is joined into."""
        if value not in self.slices:
            return self._add(value, Tensor(channels, zero))
        concat, offset = self.slices[value]
        return self._add(value, Tensor(channels, zero, self.whole(concat), offset))

    def whole(self, concat: ir.Node) -> int:
        """The tensor of a QLinearConcat."""
        value = concat.outputs[0]
        known = self._of.get(value)
        return self._add(value, Tensor(size(value, 1), qparams(concat, 0)[1])) if known is None else known

    def slice(self, concat: ir.Node, channels: int, offset: int) -> int:
        """Some channels of a QLinearConcat, of no value of the graph."""
        self.spec.tensors.append(Tensor(channels, qparams(concat, 0)[1], self.whole(concat), offset))
        return len(self.spec.tensors) - 1

    def read(self, value: ir.Value | None) -> int:
        """The tensor of a value; it comes in from outside where no layer writes it."""
        assert value is not None
        form = Source.BYTE_NCHW
        while value not in self._of and form == Source.BYTE_NCHW:
            made = value.producer()
            if made is None or made not in self._inside or not looked_through(made):
                break
            (source,) = made.inputs[:1]
            assert source is not None
            if made.op_type in CUTS:
                return self._cut(value, self.read(source))
            value, form = source, Source.BYTE_NHWC if made.op_type == "Transpose" else form
        known = self._of.get(value)
        return self._come_in(value, form) if known is None else known

    def zero(self, tensor: int) -> int:
        """Its zero point."""
        return self.spec.tensors[tensor].zero

    def channels(self, tensor: int) -> int:
        """How many it has."""
        return self.spec.tensors[tensor].channels

    def input(self, value: ir.Value) -> int:
        """Which input of the region a value is."""
        if value not in self.inputs:
            self.inputs.append(value)
        return self.inputs.index(value)

    def output(self, value: ir.Value) -> int:
        """Which output of the region a value is."""
        self.outputs.append(value)
        return len(self.outputs) - 1

    def layer(self, layer: Layer, *nodes: ir.Node) -> None:
        """Add one, which computes what these nodes do."""
        self.spec.layers.append(layer)
        self.names.append("\n".join(f"{node.op_type} {node.name}" for node in nodes))

    def constant(self, array: Array) -> int:
        """Where in the constants it is."""
        return self.spec.constants.add(array)

    def floats(self, *values: float | np.float32) -> int:
        """Likewise, of float32 numbers."""
        return self.constant(np.array(values, np.float32))

    def _add(self, value: ir.Value, tensor: Tensor) -> int:
        self.spec.tensors.append(tensor)
        self._of[value] = len(self.spec.tensors) - 1
        return self._of[value]

    def _cut(self, value: ir.Value, source: int) -> int:
        """Some channels of a tensor, where they are."""
        whole, first = self.spec.tensors[source], first_channel(value)
        assert first is not None
        parent, offset = (source, first) if whole.parent < 0 else (whole.parent, whole.offset + first)
        return self._add(value, Tensor(size(value, 1), whole.zero, parent, offset))

    def _come_in(self, value: ir.Value, source: Source) -> int:
        channels = size(value, 3 if source == Source.BYTE_NHWC else 1)
        tensor = self._add(value, Tensor(channels, zero_point(value)))
        self.layer(Layer(Kind.QUANTIZE, self.input(value), channels, tensor, mode=source))
        return tensor
