"""The exam says of a model what `pyq8 check` would say on the same images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.api import check
from pyq8.errors import DataError, UsageError
from pyq8.groundwork import Groundwork
from pyq8.loaders import Loader, open_loader
from pyq8.metrics import METRICS, Metric
from pyq8.metrics.user import UserMetric
from pyq8.model.file import save
from pyq8.model.intake import input_specs
from pyq8.tuning.exam import Exam, loss_of
from pyq8.tuning.tape import Tape
from tests.tuning.spread_net import SpreadNet


def images(base: Groundwork, source: object, samples: int | None = None) -> Loader:
    return open_loader(
        source, input_specs(base.original), preprocess=None, split="", samples=samples, seed=None  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("metric", [None, "top1", "agreement", "sqnr", "cosine", "margin"])
@pytest.mark.parametrize("samples", [100, 73])
def test_the_loss_is_what_check_measures(
    small: SpreadNet, base: Groundwork, tmp_path: Path, metric: str | None, samples: int
) -> None:
    def find() -> Metric | None:
        if metric == "margin":
            return UserMetric("margin", lambda outputs, _, name: float(outputs["y"].max()) + len(name))
        return METRICS.get(metric)() if metric else None

    quantized = base.carry_out(base.plan)
    save(quantized, tmp_path / "q.onnx")
    asked = find()
    limit = None if asked is not None and asked.yardstick else 1000
    verdict = check(small.model, tmp_path / "q.onnx", small.data, metric=asked, samples=samples, max_drop=limit)
    assert verdict.report.accuracy is not None
    row = next(row for row in verdict.report.accuracy.rows if row.low is not None)

    with Tape() as tape:
        exam = Exam(base.original, images(base, small.data, samples), find, tape)
        losses = [exam.loss(model) for model in (quantized, quantized, base.original)]

    assert (exam.judged.name, exam.samples) == (row.metric, samples)
    assert losses[0] == pytest.approx(-row.value if row.drop is None else row.drop, abs=1e-9)
    assert losses[1] == losses[0]
    assert losses[2] == pytest.approx(-exam.judged.value if exam.judged.drop is None else 0)


def test_other_images_have_another_digest(small: SpreadNet, base: Groundwork) -> None:
    digests = []
    for source, samples in ((small.data, None), (small.data, 100), (small.data, 50), (small.calib, None)):
        with Tape() as tape:
            digests.append(Exam(base.original, images(base, source, samples), lambda: None, tape).data_sha256)
    assert digests[0] == digests[1] and len(set(digests)) == 3


def test_a_metric_that_cannot_be_is_refused_before_any_trial(small: SpreadNet, base: Groundwork) -> None:
    with np.load(small.data) as file:
        arrays = {"x": file["x"]}
    with Tape() as tape, pytest.raises(UsageError, match=r"'top1' needs .* and labels"):
        Exam(base.original, images(base, arrays), METRICS.get("top1"), tape)
    with Tape() as tape, pytest.raises(DataError, match="metric wrong: nan for FP32"):
        Exam(base.original, images(base, small.data), lambda: UserMetric("wrong", lambda *_: float("nan")), tape)


def test_a_model_that_scores_no_number_loses_more_than_any(small: SpreadNet, base: Groundwork) -> None:
    broken = base.prepared.clone()
    weight = broken.graph.initializers["fc_w"]
    assert weight.const_value is not None
    weight.const_value = ir.tensor(np.full_like(weight.const_value.numpy(), np.nan), name="fc_w")
    with Tape() as tape:
        exam = Exam(base.original, images(base, small.data), METRICS.get("cosine"), tape)
        assert exam.loss(broken) > exam.loss(base.carry_out(base.plan))


def test_one_image_of_500_is_a_loss_of_exactly_0_2_points() -> None:
    metric, scores = METRICS.get("top1")(), np.eye(2, dtype=np.float32)
    metric.update(scores[[0] * 500], scores[[0] * 499 + [1]], [0] * 500)
    assert metric.drop != 0.2 == loss_of(metric)
