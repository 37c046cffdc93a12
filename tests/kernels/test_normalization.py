"""Normalization with ReLU and quantization: against float64, and compiled against the reference, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pyq8 import kernels
from pyq8.errors import DataError
from pyq8.kernels import normalization as n

ISAS = (*kernels.isas(), "reference")
SHAPES = [(1, 1), (5, 3), (127, 16), (300, 33), (1000, 64)]
Arrays = list[npt.NDArray[Any]]


def numbers(rows: int, channels: int, seed: int = 0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, channels)) * rng.uniform(0.1, 9, channels) + 3).astype(np.float32)


def normalization(channels: int, rectify: bool) -> n.Normalization:
    mean, factor, shift = (numbers(1, channels, seed)[0] / 4 for seed in (1, 2, 3))
    return n.Normalization(mean, factor, shift, rectify)


def everything(rows: int, channels: int, rectify: bool) -> Arrays:
    """All results of all functions."""
    x, dy, norm = numbers(rows, channels), numbers(rows, channels, 5) - 3, normalization(channels, rectify)
    k1, k2 = numbers(1, channels, 6)[0] / 99, numbers(1, channels, 7)[0] / 99
    found: list[Any] = [*n.moments(x), *n.backward_sums(dy, x, norm)]
    for real, mantissas in ((True, None), (False, n.Mantissas(-9, 13)), (True, n.Mantissas(-12, 15))):
        found += n.normalize(x, norm, real=real, mantissas=mantissas)
        found += n.backward(dy, x, norm, k1, k2, real=real, mantissas=mantissas)
    return [array for array in found if array is not None]


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("isa", kernels.isas())
def test_compiled_equals_the_reference(
    isa: str, shape: tuple[int, int], rectify: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYQ8_ISA", "reference")
    wanted = everything(*shape, rectify)
    monkeypatch.setenv("PYQ8_ISA", isa)
    for threads in (1, 3):
        kernels.set_threads(threads)
        for a, b in zip(everything(*shape, rectify), wanted, strict=True):
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes()


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYQ8_ISA", request.param)
    return str(request.param)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0, 1e4])
def test_moments_are_those_of_float64(shape: tuple[int, int], offset: float) -> None:
    x = numbers(*shape) + np.float32(offset)
    mean, variance, low, high = n.moments(x)
    assert np.allclose(mean, x.mean(axis=0, dtype=np.float64), rtol=1e-6, atol=1e-5)
    assert np.allclose(variance, x.var(axis=0, dtype=np.float64), rtol=1e-4, atol=1e-12)
    assert np.array_equal(low, x.min(axis=0))
    assert np.array_equal(high, x.max(axis=0))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("rectify", [False, True])
def test_results_and_gradients_are_those_of_float64(rectify: bool) -> None:
    x, dy, norm = numbers(300, 9), numbers(300, 9, 5) - 3, normalization(9, rectify)
    k1, k2 = numbers(1, 9, 6)[0], numbers(1, 9, 7)[0]
    centred = x.astype(np.float64) - norm.mean
    y = centred * norm.factor + norm.shift
    g = np.where(y > 0, dy, 0.0) if rectify else dy.astype(np.float64)
    dx = ((g - k1) - centred * k2) * norm.factor

    found, q = n.normalize(x, norm, mantissas=n.Mantissas(-8, 15))
    assert found is not None
    assert q is not None
    assert np.allclose(found, np.maximum(y, 0) if rectify else y, rtol=1e-5, atol=1e-5)
    assert np.array_equal(q, np.rint(found * 256).clip(-32767, 32767))
    found, q = n.backward(dy, x, norm, k1, k2, mantissas=n.Mantissas(-8, 13))
    assert found is not None
    assert q is not None
    assert np.allclose(found, dx, rtol=1e-4, atol=1e-4)
    assert np.array_equal(q, np.rint(found * 256).clip(-8191, 8191))
    wanted = [g.sum(0), (g * centred).sum(0), np.abs(g).max(0), np.abs(centred).max(0)]
    assert np.allclose(np.array(n.backward_sums(dy, x, norm)), np.array(wanted), rtol=1e-4, atol=1e-2)


@pytest.mark.usefixtures("isa")
def test_what_is_not_finite_reaches_the_mean() -> None:
    for bad in (np.nan, np.inf):
        x = numbers(300, 5)
        x[200, 3] = bad
        with np.errstate(invalid="ignore"):
            mean = n.moments(x)[0]
        assert np.isfinite(mean).tolist() == [True, True, True, False, True]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("where", ["x", "mean", "factor", "shift"])
def test_nan_stays_nan(where: str, rectify: bool) -> None:
    for channels in (5, 64):
        x, norm = numbers(300, channels), normalization(channels, rectify)
        (x[200] if where == "x" else getattr(norm, where))[3] = np.nan
        y, _ = n.normalize(x, norm)
        assert y is not None
        with np.errstate(invalid="ignore"):
            exact = (x - norm.mean) * norm.factor + norm.shift
        assert np.array_equal(np.isnan(y), np.isnan(exact))
        assert np.isnan(y).any()


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("rectify", [False, True])
def test_a_gradient_that_is_nan_reaches_the_sums(rectify: bool) -> None:
    for channels in (5, 64):
        x, dy, norm = numbers(300, channels), numbers(300, channels, 5), normalization(channels, rectify)
        dy[norm.at(x)[:, 3].argmax(), 3] = np.nan
        assert np.flatnonzero(np.isnan(n.backward_sums(dy, x, norm)[1])).tolist() == [3]
        norm.shift[1] = np.nan  # torch's ReLU lets the gradient of NaN through
        assert np.array_equal(
            n.backward_sums(dy, x, norm)[0][1], n.backward_sums(dy, x, replace(norm, rectify=False))[0][1]
        )


def test_other_layouts_are_refused() -> None:
    with pytest.raises(DataError, match="x is not C-contiguous"):
        n.moments(numbers(8, 6).T)
    with pytest.raises(DataError, match="factor is float64"):
        norm = normalization(6, False)
        wrong: Any = norm.factor.astype(np.float64)
        n.normalize(numbers(8, 6), n.Normalization(norm.mean, wrong, norm.shift, False))
