"""The comparator that the tests of passes trust: it fails where it must."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.passes import PassResult
from pyq8.types import Array
from tests.passes.equivalence import apply, assert_same
from tests.small_models import parse

VALUES = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)


def test_equal_values_pass() -> None:
    assert_same({"y": VALUES * np.float32(1 + 1e-6)}, {"y": VALUES})


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(VALUES * 2, id="doubled"),
        pytest.param(VALUES + np.float32(1e-3), id="shifted"),
        pytest.param(VALUES[:, [1, 0, 2]], id="channels swapped"),
        pytest.param(VALUES[:1], id="an image less"),
        pytest.param(VALUES.astype(np.float64), id="another type"),
        pytest.param(VALUES * np.float32(np.nan), id="not a number"),
    ],
)
def test_wrong_values_fail(wrong: Array) -> None:
    with pytest.raises(AssertionError):
        assert_same({"y": wrong}, {"y": VALUES})


def test_a_renamed_output_fails() -> None:
    with pytest.raises(AssertionError):
        assert_same({"z": VALUES}, {"y": VALUES})


@pytest.mark.parametrize(("edits", "reports"), [(True, ()), (False, ("conv",))])
def test_a_pass_that_lies_about_its_change_fails(edits: bool, reports: tuple[str, ...]) -> None:
    # given a pass that renames a node and hides it, and one that only claims to
    def run(model: ir.Model) -> PassResult:
        if edits:
            next(iter(model.graph)).name = "renamed"
        return PassResult("liar", reports)

    liar = ModuleType("liar")
    liar.__dict__["run"] = run
    model = parse("g (float[1,3,8,8] x) => (float[1,4,6,6] y) { [conv] y = Conv(x, w) }", {"w": (4, 3, 3, 3)})

    # when it runs, then the comparison does not let it through
    with pytest.raises(AssertionError):
        apply(liar, model)
