"""DFP tensors as exact rational numbers, and arrays to try them on."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyq8.dfp import DfpTensor
from pyq8.types import Array


def f32(*numbers: float) -> npt.NDArray[np.float32]:
    return np.array(numbers, np.float32)


def i16(*numbers: int) -> npt.NDArray[np.int16]:
    return np.array(numbers, np.int16)


def two_to(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


def values(x: Array | DfpTensor) -> list[Fraction]:
    """Every element, exactly."""
    if isinstance(x, DfpTensor):
        return [int(i) * two_to(x.exponent) for i in x.mantissa.ravel()]
    return [Fraction(float(v)) for v in x.ravel()]


def worst_error(found: DfpTensor, wanted: list[Fraction]) -> Fraction:
    """The largest error of any element, in steps of the found tensor."""
    return max(abs(a - b) for a, b in zip(values(found), wanted, strict=True)) / two_to(found.exponent)


def floats(width: Literal[32, 64]) -> st.SearchStrategy[Array]:
    """Arrays of any finite numbers: zeros, denormals, the largest."""
    finite = st.floats(allow_nan=False, allow_infinity=False, width=width)
    return hnp.arrays(f"float{width}", hnp.array_shapes(max_dims=2, max_side=6), elements=finite)


def tensors(dtype: type[np.signedinteger] = np.int16) -> st.SearchStrategy[DfpTensor]:
    """Tensors of shape (5,) with any integers and exponents far beyond float32's."""
    info = np.iinfo(dtype)
    edge = st.sampled_from([info.max, -info.max, 0, 1, -1])
    numbers = st.lists(st.integers(-info.max, info.max) | edge, min_size=5, max_size=5)
    return st.builds(lambda m, e: DfpTensor(np.array(m, dtype), e), numbers, st.integers(-400, 400))
