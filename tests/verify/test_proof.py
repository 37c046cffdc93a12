"""Proof: a file that computes something else than its plan is refused, one that differs by codes is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.errors import ModelError
from pyq8.loaders import Batch
from pyq8.types import Array
from pyq8.verify.kernels import load_kernels
from pyq8.verify.proof import Proof
from pyq8.verify.report import make_report
from tests.small_models import FORMATS, Case, between, parse, quantized

RNG = np.random.default_rng(3)
SELECTS = "g (float[1,8,6,6] x) => (float[1,4,6,6] y) { c = Conv(x, w) y, i = TopK<axis = 1>(c, k) }"


def batches(case: Case) -> list[Batch]:
    return [Batch(feeds, (None,), ("",)) for feeds in case.feeds]


def prove(model: ir.Model, change: Callable[[Array], Array], images: int = 8, values: int = 400) -> None:
    """FP32, a plan with an error of 3 %, and a file that returns `change` of the plan's."""
    proof = Proof(model)
    for _ in range(images):
        reference = RNG.standard_normal((1, values)).astype(np.float32)
        plan = (reference + 0.03 * RNG.standard_normal((1, values))).astype(np.float32)
        proof.add({"y": reference}, {"y": plan}, {"y": change(plan)})
    proof.check()


@pytest.fixture(scope="module")
def case() -> Case:
    return quantized(between("[r] b = Relu(a)"))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda y: y * np.float32(2), id="twice"),
        pytest.param(lambda y: np.roll(y, 1, 1), id="shifted"),
        pytest.param(lambda y: y[:, ::-1], id="permuted"),
        pytest.param(lambda y: y[:, :-1], id="cut"),
        pytest.param(lambda y: np.where(y > 1, np.float32("nan"), y), id="NaN"),
        pytest.param(lambda y: np.concatenate([0 * y[:, :20], y[:, 20:]], 1), id="zero at the border"),
        pytest.param(lambda y: y.astype(np.float64), id="another type"),
    ],
)
@pytest.mark.parametrize("images", [1, 8])
def test_a_broken_file_is_refused(case: Case, change: Callable[[Array], Array], images: int) -> None:
    with pytest.raises(ModelError, match=r"output 'y'.*nothing was kept"):
        prove(case.model, change, images)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda y: y, id="the same"),
        pytest.param(
            lambda y: y + np.float32(0.03) * np.sign(RNG.standard_normal(y.shape)).astype(y.dtype), id="codes"
        ),
    ],
)
@pytest.mark.parametrize(("images", "values"), [(1, 1), (1, 10), (1, 1000), (16, 1), (16, 10)])
def test_a_right_file_is_kept(case: Case, change: Callable[[Array], Array], images: int, values: int) -> None:
    for _ in range(50):
        prove(case.model, change, images, values)


def test_a_selection_that_turns_on_a_few_images_is_no_fault(case: Case) -> None:
    turns = iter([True, False, False, True, False, False, False, False])
    prove(case.model, lambda y: np.roll(y, 1, 1) if next(turns) else y)


def test_behind_a_selection_one_image_proves_nothing() -> None:
    model = parse(SELECTS, {"w": (8, 8, 1, 1), "k": np.array([4])})
    prove(model, lambda y: np.roll(y, 1, 1), images=1)
    with pytest.raises(ModelError):
        prove(model, lambda y: np.roll(y, 1, 1), images=4)


def test_integers_are_counted(case: Case) -> None:
    proof = Proof(case.model)
    reference = RNG.integers(0, 20, (1, 30, 30))
    plan = np.where(RNG.random(reference.shape) < 0.01, 0, reference)
    proof.add({"y": reference}, {"y": plan}, {"y": np.where(RNG.random(reference.shape) < 0.02, 0, reference)})
    proof.check()
    proof.add({"y": reference}, {"y": plan}, {"y": reference.transpose(0, 2, 1)})
    proof.add({"y": reference}, {"y": plan}, {"y": reference.transpose(0, 2, 1)})
    with pytest.raises(ModelError):
        proof.check()


@pytest.mark.parametrize("name", FORMATS)
def test_the_very_file_is_run(case: Case, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if ONNX Runtime had optimized the file to another model than the copy with more outputs."""
    make_report(case.model, case.quantized[name], case.plan, batches(case))
    other = quantized(between("[r] b = Neg(a)")).quantized[name]
    session = load_kernels(other)[1]
    monkeypatch.setattr("pyq8.verify.report.load_kernels", lambda model, _: (load_kernels(model)[0], session))

    with pytest.raises(ModelError, match="another INT8 model than the one planned"):
        make_report(case.model, case.quantized[name], case.plan, batches(case))


def test_a_file_that_does_not_run_is_refused(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    other = quantized(between("[r] b = Relu(a)", shape="1, 8, 9, 9")).quantized["qdq"]
    session = load_kernels(other)[1]
    monkeypatch.setattr("pyq8.verify.report.load_kernels", lambda model, _: (load_kernels(model)[0], session))

    with pytest.raises(ModelError, match=r"does not run in onnxruntime .*; nothing was kept") as refused:
        make_report(case.model, case.quantized["qdq"], case.plan, batches(case))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_random_operator_draws_is_no_fault(name: str) -> None:
    drawn = quantized(between("[r] q = Relu(a)  [n] z = RandomNormalLike <scale = 3.0> (q)  [s] b = Add(q, z)"))

    report = make_report(drawn.model, drawn.quantized[name], drawn.plan, batches(drawn))

    assert report.accuracy is not None
    assert min(row.value for row in report.accuracy.rows if row.metric == "sqnr") > 20  # of one seed in both
