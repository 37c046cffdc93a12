from __future__ import annotations

import numpy as np

from pyq8.metrics.agreement import Agreement


def test_the_share_of_equal_decisions() -> None:
    ref = np.eye(4)
    x = ref.copy()
    x[0] = ref[1]
    metric = Agreement()
    metric.update(ref, x)
    assert (metric.reference_value, metric.value, metric.drop) == (100, 75, 25)


def test_nan_in_both_is_no_agreement() -> None:
    metric = Agreement()
    metric.update(np.full((2, 3), np.nan), np.full((2, 3), np.nan))
    assert metric.value == 0
