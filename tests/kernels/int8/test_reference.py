from __future__ import annotations

from fractions import Fraction

import numpy as np

from pyq8.kernels.int8_reference import fma


def test_fma_rounds_once() -> None:
    """1 + 2^-24 lies between two float32 numbers: what is far below decides, and float64 alone would lose it."""
    one, half_step = np.float32(1), np.float32(2**-12)
    for tiny, expected in ((2.0**-60, 1 + 2.0**-23), (-(2.0**-60), 1.0)):
        a = np.array([half_step + half_step * 2**-23], np.float32)
        exact = Fraction(float(a[0])) ** 2
        assert fma(a, a, np.float32(1))[0] == np.float32(float(1 + exact))
        product = np.array([2.0**-60], np.float32) * np.sign(tiny).astype(np.float32)
        middle = np.float64(one) + 2.0**-24
        assert fma(product, one, np.array([middle]))[0] == np.float32(expected)
