"""A node's weight as matrices: what multiplies one patch of the input, group by group."""

from __future__ import annotations

from dataclasses import dataclass

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

    def patches(self, x: Array, pixels: int, turn: int) -> Array:
        """What the rows multiply at some output positions.

        Args:
            x: the node's input, [N, C, H, W] or [..., K].
            pixels: how many positions of an image at most, evenly spread.
            turn: another number, other positions.

        Returns:
            [G, N * positions, K]
        """
        if self.node.op_type != "Conv":
            flat = x.reshape(-1, x.shape[-1])
            return flat[None, _spread(len(flat), pixels * len(x), turn)]
        steps, gaps, window, x = self._padded(x)
        seen = np.lib.stride_tricks.sliding_window_view(x, window, axis=(2, 3))
        seen = seen[:, :, :: steps[0], :: steps[1], :: gaps[0], :: gaps[1]]
        chosen = _spread(seen.shape[2] * seen.shape[3], pixels, turn)
        picked = seen[:, :, chosen // seen.shape[3], chosen % seen.shape[3]]  # [N, C, P, kh, kw]
        images, channels, count = picked.shape[:3]
        groups = self.rows.shape[0]
        grouped = picked.reshape(images, groups, channels // groups, count, -1).transpose(1, 0, 3, 2, 4)
        return np.asarray(grouped.reshape(groups, images * count, -1))

    def mean_patch(self, x: Array) -> npt.NDArray[np.float64]:
        """The mean of the patches at all output positions, zeros of the padding included: float64 [G, K]."""
        groups, _, count = self.rows.shape
        if self.node.op_type != "Conv":
            return np.asarray(x.reshape(-1, x.shape[-1]).mean(axis=0, dtype=np.float64).reshape(groups, count))
        steps, gaps, window, x = self._padded(x)
        across = _windows(x, window[1], 3)[:, :, :, :: steps[1], :: gaps[1]]
        # a column of the kernel sums over all of x; its rows, over the line sums that are left
        lines = np.stack([across[..., j].sum(axis=3) for j in range(across.shape[4])], axis=3)
        down = _windows(lines, window[0], 2)[:, :, :: steps[0], :, :: gaps[0]]
        sums = down.sum(axis=(0, 2), dtype=np.float64).transpose(0, 2, 1)  # [C, kh, kw]
        return np.asarray(sums.reshape(groups, count) / (len(x) * down.shape[2] * across.shape[3]))

    def _padded(self, x: Array) -> tuple[list[int], list[int], list[int], Array]:
        """Strides, dilations, the window (height, width) of a convolution's kernel, and its input with the padding."""
        pads = static_ints(self.node, "pads", [0] * 4)
        steps, gaps = (static_ints(self.node, name, [1, 1]) for name in ("strides", "dilations"))
        window = [(size - 1) * gap + 1 for size, gap in zip(self.shape[2:], gaps, strict=True)]
        return steps, gaps, window, _pad(x, pads) if any(pads) else x


def _pad(x: Array, pads: list[int]) -> Array:
    """Zeros around images, (top, left, bottom, right) of them: np.pad, whose overhead is most of the work here."""
    top, left, bottom, right = pads
    padded = np.zeros((*x.shape[:2], top + x.shape[2] + bottom, left + x.shape[3] + right), x.dtype)
    padded[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    return padded


def _windows(x: Array, size: int, axis: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(x, size, axis=axis)


def _spread(total: int, count: int, turn: int) -> Array:
    """`count` numbers below `total`, evenly spaced; `turn` moves them by a golden section of the space."""
    if count >= total:
        return np.arange(total)
    step = total / count
    return ((np.arange(count) + turn * 0.6180339887 % 1) * step).astype(np.intp)
