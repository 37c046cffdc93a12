"""Every metric: its value, its independence of batching, and that it sees a broken output."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pyq8.errors import DataError, UsageError
from pyq8.metrics import METRICS
from pyq8.metrics.metric import Metric
from pyq8.types import Array

RNG = np.random.default_rng(0)
REF = RNG.normal(size=(60, 10)).astype(np.float32)
NOISY = REF + RNG.normal(scale=0.3, size=REF.shape).astype(np.float32)
LABELS = RNG.integers(0, 10, 60).tolist()
CLEAR = np.eye(10, dtype=np.float32)[LABELS] * 5 + REF
NAMES = ["agreement", "cosine", "sqnr", "top1", "top5"]


def score(name: str, ref: Array, x: Array, labels: list[int] = LABELS, batch: int = 60) -> Metric:
    metric = METRICS.get(name)()
    for i in range(0, len(ref), batch):
        metric.update(ref[i : i + batch], x[i : i + batch], labels[i : i + batch])
    return metric


def test_all_are_registered_under_their_names() -> None:
    assert sorted(METRICS) == sorted([*NAMES, "equal", "map", "map-voc", "map50"])
    for name in NAMES:
        metric = METRICS.get(name)()
        assert metric.name == name
        assert metric.needs_labels == name.startswith("top")
    with pytest.raises(UsageError, match="did you mean 'cosine'"):
        METRICS.get("cosin")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [1, 7, 59])
def test_the_batches_do_not_matter(name: str, batch: int) -> None:
    whole, parts = score(name, REF, NOISY), score(name, REF, NOISY, batch=batch)
    assert parts.samples == whole.samples == 60
    assert parts.value == pytest.approx(whole.value, rel=1e-12)
    assert parts.reference_value == whole.reference_value


@pytest.mark.parametrize("name", NAMES)
def test_an_equal_output_is_the_best_there_is(name: str) -> None:
    metric = score(name, CLEAR, CLEAR.copy())
    assert metric.value > score(name, CLEAR, CLEAR[:, ::-1]).value
    assert metric.drop in (0, None)


@pytest.mark.parametrize("name", NAMES)
def test_a_permuted_channel_and_nan_cost_something(name: str) -> None:
    good = score(name, CLEAR, CLEAR).value
    assert score(name, CLEAR, np.roll(CLEAR, 5, axis=1)).value < good
    broken = CLEAR.copy()
    broken[::2] = np.nan
    assert score(name, CLEAR, broken).value < good


@pytest.mark.parametrize("name", NAMES)
def test_different_shapes_and_no_samples_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"FP32 \(60, 10\), quantized \(60, 9\)"):
        score(name, REF, REF[:, :9])
    with pytest.raises(DataError, match=f"{name}: nothing to judge"):
        _ = METRICS.get(name)().value


def test_metrics_import_nothing_heavy() -> None:
    code = "import pyq8.metrics, sys; print({'onnx', 'onnxruntime', 'onnx_ir', 'scipy'} & set(sys.modules))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "set()"
