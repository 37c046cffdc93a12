"""What ONNX Runtime's kernels take: data only. Pairs are (in INT8, in FP32).

Measured with ONNX Runtime 1.31, batch 1, 2 threads of an AMD EPYC (Zen 5, AVX512-VNNI). Only the relation of INT8 to
FP32 matters.
"""

from __future__ import annotations

Pair = tuple[float, float]
Curve = tuple[tuple[int, float], ...]
"""Points (x, y): linear between them, constant beyond."""

START = 4000
"""ns to start a node."""
TOUCH: Pair = (0.02, 0.05)
"""ns to read or write an element: no node is faster than its memory."""
WEIGHT: Pair = (0.05, 0.2)
"""ns to read a weight."""

QUANTIZE: Pair = (0.10, 0.25)
"""ns an element: of a matrix; of a feature map, its change of layout included."""
DEQUANTIZE: Pair = (0.15, 0.45)
"""The same; with the copy that keeps ONNX Runtime from quantizing what is behind it."""
NODES = (2, 3)
"""That a Quantize and a Dequantize of a feature map then are."""

# MAC/ns of what multiplies by weights
MATRIX: Pair = (200, 100)
DENSE: Pair = (390, 100)
DENSE_1X1: Pair = (300, 100)
NO_MULTIPLE_OF_4 = 250
"""Of a dense convolution in INT8 that misses the fast path."""
NO_MULTIPLE_OF_16 = 75
"""Of a dense convolution in FP32 whose input channels are none."""
FIRST: Pair = (130, 90)
"""Fewer than 4 input channels."""
FEW_OUTPUTS: Pair = (100, 70)
"""Fewer than 16 output channels."""
DEPTHWISE_FAST = 27
DEPTHWISE_SLOW: Curve = ((9, 11), (25, 14.5))
"""In INT8 where the channels are no multiple of 16, by pixels of the window."""
DEPTHWISE_FLOAT: Curve = ((7, 17), (14, 18), (28, 38), (56, 45))
"""By output width."""
GROUPED: Curve = ((1, 0.4), (2, 1), (4, 3.5), (8, 16), (16, 56), (32, 130), (64, 260))
"""In INT8, by input channels a group."""
GROUPED_FLOAT: Curve = ((1, 4), (2, 8), (4, 15), (8, 25))
GROUPED_FLOAT_BLOCKED = 97
"""In FP32 where the channels of a group are a multiple of 16."""

ELEMENT: dict[str, Pair] = {
    "Add": (0.10, 0.15),
    "Mul": (0.14, 0.15),
    "Concat": (0.25, 0.20),
    "Sigmoid": (0.26, 0.23),
    "LeakyRelu": (0.18, 0.28),
    **dict.fromkeys(("Transpose", "Slice", "Split", "Resize", "Pad"), (0.05, 0.20)),
}
"""ns an element written."""
LOOKUP, FUNCTION = 0.02, 0.2
"""ns an element: of a table of codes in a region, and of an elementwise operator in FP32."""
BROADCAST: Pair = (0.35, 0.22)
"""The same, of a Mul by one value a channel."""
TAP: dict[str, Pair] = {"MaxPool": (0.032, 0.017), "AveragePool": (0.40, 0.017)}
"""ns an element written and pixel of the window."""
GLOBAL_POOL: Pair = (0.06, 0.06)
"""ns an element read."""
FREE = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Only give the tensor another shape."""
