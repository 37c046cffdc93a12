"""INT16 dynamic fixed point: the numbers, and the training of torch modules in them (extra `train`)."""

from __future__ import annotations

from pyq8.dfp.arithmetic import add, down_convert, multiply
from pyq8.dfp.tensor import DfpTensor, dequantize, quantize

__all__ = ["DfpTensor", "add", "dequantize", "down_convert", "multiply", "quantize"]
