"""A node's weight as matrices: what multiplies one patch of the input, group by group."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from pyq8.graph_edit import static_int, static_ints
from pyq8.saturation import laid_out
from pyq8.types import Array


@dataclass(frozen=True)
class WeightMatrix:
    """y[g] = patches[g] @ rows[g].T for a Conv (2-D), Gemm or MatMul.

    Args:
        node: whose weight it is.
        rows: [G, O / G, K]: groups, output channels of one, products summed for one output.
        axis: the weight's output-channel axis.
        shape: the weight's shape.
    """

    node: ir.Node
    rows: Array
    axis: int
    shape: tuple[int, ...]

    @classmethod
    def of(cls, node: ir.Node, weight: Array, axis: int) -> WeightMatrix | None:
        """None for a convolution that is not 2-D."""
        if node.op_type == "Conv" and weight.ndim != 4:
            return None
        groups = static_int(node, "group", 1) if node.op_type == "Conv" else 1
        flat = np.moveaxis(weight, axis, 0).reshape(groups, weight.shape[axis] // groups, -1)
        return cls(node, flat, axis, weight.shape)

    def restore(self, rows: Array) -> Array:
        """Rows [G, O / G, K] as an array of the weight's shape."""
        moved = [self.shape[self.axis], *(n for i, n in enumerate(self.shape) if i != self.axis)]
        return np.ascontiguousarray(np.moveaxis(rows.reshape(moved), 0, self.axis))

    def laid_out(self) -> Array:
        """The K weights of a row in the order of the INT8 kernel; see `pyq8.saturation`."""
        channels = self.shape[1] if self.node.op_type == "Conv" else self.rows.shape[2]
        return laid_out(channels, self.rows.shape[2] // channels)

    def patches(self, x: Array, pixels: int, turn: int, fill: int = 0) -> Array:
        """What the rows multiply at some output positions.

        Args:
            x: the node's input, [N, C, H, W] or [..., K]: real numbers, or the codes of them.
            pixels: how many positions of an image at most, evenly spread.
            turn: another number, other positions.
            fill: what stands for the zeros of the padding.

        Returns:
            [G, N * positions, K]
        """
        if self.node.op_type != "Conv":
            flat = x.reshape(-1, x.shape[-1])
            return flat[None, _spread(len(flat), pixels * len(x), turn)]
        steps, gaps, window, pads = self._geometry
        x = _pad(x, pads, fill) if any(pads) else x
        lines, columns = ((x.shape[2 + i] - window[i]) // steps[i] + 1 for i in (0, 1))
        chosen = _spread(lines * columns, pixels, turn)
        first = chosen // columns * steps[0] * x.shape[3] + chosen % columns * steps[1]
        taps = np.add.outer(np.arange(self.shape[2]) * gaps[0] * x.shape[3], np.arange(self.shape[3]) * gaps[1])
        picked = np.take(x.reshape(*x.shape[:2], -1), np.add.outer(first, taps.reshape(-1)), axis=2)  # [N, C, P, taps]
        images, channels, count, _ = picked.shape
        groups = self.rows.shape[0]
        grouped = picked.reshape(images, groups, channels // groups, count, -1).transpose(1, 0, 3, 2, 4)
        return np.ascontiguousarray(grouped.reshape(groups, images * count, -1))

    def mean_patch(self, x: Array, zero: int = 0) -> npt.NDArray[np.float64]:
        """The mean of the patches at all output positions, zeros of the padding included: float64 [G, K].

        Args:
            x: as for `patches`. Sums of codes are exact, up to 2^24 in a line of an image.
            zero: what is subtracted of every value, but not of the padding: the zero point of codes.
        """
        groups, _, count = self.rows.shape
        if self.node.op_type != "Conv":
            return np.asarray((x.reshape(-1, x.shape[-1]).mean(axis=0, dtype=np.float64) - zero).reshape(groups, count))
        if self._is_pointwise:
            flat = x.reshape(*x.shape[:2], -1)
            each = flat.sum(axis=2, dtype=np.uint32 if x.dtype == np.uint8 else np.float32)
            return np.asarray((each.mean(axis=0, dtype=np.float64) / flat.shape[2] - zero).reshape(groups, count))
        (down, lines), (across, columns) = (self._reads(axis, x.shape[2 + axis]) for axis in (0, 1))
        sums = _sums(_sums(x.astype(np.float32, copy=False), across).transpose(0, 1, 3, 2).astype(np.float64), down)
        each = sums.sum(axis=0).transpose(0, 2, 1)  # [C, kh, kw]
        each -= zero * len(x) * np.outer([len(read) for read in down], [len(read) for read in across])
        return np.asarray(each.reshape(groups, count) / (len(x) * lines * columns))

    def _reads(self, axis: int, size: int) -> tuple[list[range], int]:
        """Which lines (axis 0) or columns (1) of an image each tap reads, and how many of the output there are."""
        steps, gaps, window, pads = self._geometry
        outputs = (pads[axis] + size + pads[axis + 2] - window[axis]) // steps[axis] + 1
        reads = []
        for tap in range(self.shape[2 + axis]):
            first = tap * gaps[axis] - pads[axis]
            inside = [place for place in range(first, first + outputs * steps[axis], steps[axis]) if 0 <= place < size]
            reads.append(range(inside[0], inside[-1] + 1, steps[axis]) if inside else range(0))
        return reads, outputs

    @property
    def _is_pointwise(self) -> bool:
        steps, _, window, pads = self._geometry
        return window == [1, 1] == steps and not any(pads)

    @cached_property
    def _geometry(self) -> tuple[list[int], list[int], list[int], list[int]]:
        """Of a convolution: strides, dilations, the window (height, width) of its kernel, pads."""
        steps, gaps = (static_ints(self.node, name, [1, 1]) for name in ("strides", "dilations"))
        window = [(size - 1) * gap + 1 for size, gap in zip(self.shape[2:], gaps, strict=True)]
        return steps, gaps, window, static_ints(self.node, "pads", [0] * 4)


def _pad(x: Array, pads: list[int], fill: int) -> Array:
    """Padding around images, (top, left, bottom, right): np.pad, whose overhead is most of the work here."""
    top, left, bottom, right = pads
    padded = np.full((*x.shape[:2], top + x.shape[2] + bottom, left + x.shape[3] + right), fill, x.dtype)
    padded[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    return padded


def _sums(x: Array, reads: list[range]) -> Array:
    """Sums over some parts of the last axis: [..., parts]; over one without gaps, all less what it leaves out."""
    whole = x.sum(axis=-1)
    found = []
    for read in reads:
        if read.step == 1:
            found.append(whole - x[..., : read.start].sum(axis=-1) - x[..., read.stop :].sum(axis=-1))
        else:
            found.append(x[..., read.start : read.stop : read.step].sum(axis=-1))
    return np.stack(found, axis=-1)


def _spread(total: int, count: int, turn: int) -> Array:
    """`count` numbers below `total`, evenly spaced; `turn` moves them by a golden section of the space."""
    if count >= total:
        return np.arange(total)
    step = total / count
    return ((np.arange(count) + turn * 0.6180339887 % 1) * step).astype(np.intp)
