"""compare_halves: whether the images were enough, and the tensors where their halves disagree."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pyq8.calibration.calibrate import calibrate
from pyq8.plan.make import make_plan
from pyq8.runtime.environment import DataDigest
from pyq8.stats import Calibration, Half
from pyq8.types import Array, Config
from pyq8.verify.halves import HalvesReport, HalvesRow, compare_halves
from tests.small_models import Case, between

MINMAX = Config(observer="minmax")
BODY = "[relu] b = Relu(a)"


def images(count: int, second_half: float = 1.0) -> Array:
    """Noise, the values of the second half's images multiplied; the same number in either half."""
    rng = np.random.default_rng(3)
    found: tuple[list[Array], list[Array]] = ([], [])
    while min(map(len, found)) < count // 2:
        for half, factor in enumerate((1.0, second_half)):
            image = (factor * rng.uniform(-1, 1, (1, 8, 12, 12))).astype(np.float32)
            if DataDigest().update({"x": image}) % 2 == half and len(found[half]) < count // 2:
                found[half].append(image)
    return np.concatenate([*found[0], *found[1]])


def calibrated(x: Array, config: Config = MINMAX, body: str = BODY) -> Case:
    model = between(body, shape="1, 8, 12, 12")
    calibration = calibrate(model, [{"x": x}], config)
    return Case(model, calibration, make_plan(model, calibration, config), [])


def compare(case: Case, observer: str = "minmax", calibration: Calibration | None = None) -> HalvesReport:
    return compare_halves(case.model, calibration or case.calibration, case.plan, observer)


@pytest.mark.parametrize("observer", ["percentile", "mse", "kl", "minmax"])
def test_images_like_one_another_are_enough(observer: str) -> None:
    report = compare(calibrated(images(16), Config(observer=observer)), observer)

    assert report.enough is True
    assert {row.tensor for row in report.rows} == {"x", "b", "y"}
    assert report.samples == (8, 8)
    assert str(report).startswith(
        "enough: 0 of 3 ranges differ by more than 10% between halves of 8 and 8 images, worst "
    )


@pytest.mark.parametrize("observer", ["percentile", "mse", "kl", "minmax"])
def test_halves_unlike_one_another_are_few_and_the_tensors_are_named(observer: str) -> None:
    report = compare(calibrated(images(16, second_half=5), Config(observer=observer)), observer)

    assert report.enough is False
    assert all(row.difference > 0.3 for row in report.rows)
    text = str(report)
    assert text.startswith("few: 3 of 3 ranges differ")
    advice = "more only widen minmax: try --observer percentile" if observer == "minmax" else "give more"
    assert text.endswith(f"; {advice}")
    assert all(f"{row.tensor} {row.difference:.0%}" in text for row in report.rows)


def test_a_row_holds_what_each_half_saw() -> None:
    x = images(12, second_half=2)

    (row,) = [row for row in compare(calibrated(x)).rows if row.tensor == "x"]

    assert row.first == (x[:6].min(), x[:6].max())
    assert row.second == (x[6:].min(), x[6:].max())
    assert row.difference == pytest.approx(max(np.abs(np.subtract(row.first, row.second))) / np.ptp(x), rel=0.01)


def test_a_range_holds_0_as_the_quantizer_s_does() -> None:
    (row,) = [row for row in compare(calibrated(images(8) + 5)).rows if row.tensor == "x"]

    assert (row.first[0], row.second[0]) == (0, 0)


def test_the_worst_tensor_comes_first() -> None:
    case = calibrated(images(16))
    first, second = case.calibration.halves
    wide = replace(second.stats["b"], max=2 * second.stats["b"].max)
    changed = replace(case.calibration, halves=(first, Half({**second.stats, "b": wide}, second.samples)))

    rows = compare(case, calibration=changed).rows

    assert rows[0].tensor == "b" and rows[0].difference == pytest.approx(1, abs=0.1)
    assert all(row.difference < 0.1 for row in rows[1:])


def test_one_image_has_no_halves() -> None:
    report = compare(calibrated(images(2)[:1]))

    assert (report.enough, report.rows, sum(report.samples)) == (None, (), 1)
    assert str(report) == "enough? cannot be told from 1 image; give more"


def test_copies_of_an_image_are_not_compared_with_one_another() -> None:
    report = compare(calibrated(np.repeat(images(2)[:1], 6, axis=0)))

    assert report.enough is None and sorted(report.samples) == [0, 6]
    assert str(report) == "enough? cannot be told: all 6 fell into one half, as few or equal ones do; give more"


@pytest.mark.parametrize("observer", ["percentile", "minmax"])
def test_a_scale_that_two_tensors_share_counts_once(observer: str) -> None:
    config = Config(observer=observer)
    pool = "[relu] c = Relu(a) [pool] b = MaxPool<kernel_shape = [2, 2]>(c)"

    report = compare(calibrated(images(8), config, pool), observer)

    assert sorted(row.tensor for row in report.rows) == ["c", "x", "y"]


def test_a_range_that_no_image_changes_is_not_counted() -> None:
    config = Config(observer="percentile")

    report = compare(calibrated(images(8), config, "[s] b = Sigmoid(a)"), "percentile")

    assert sorted(row.tensor for row in report.rows) == ["a", "x", "y"]


def test_what_stays_fp32_is_not_counted() -> None:
    report = compare(calibrated(images(8), replace(MINMAX, exclude=("conv2",))))

    assert sorted(row.tensor for row in report.rows) == ["b", "x"]


@pytest.mark.parametrize(("differing", "samples", "enough"), [(0, 4, True), (2, 4, True), (3, 4, False), (0, 3, False)])
def test_a_quarter_of_the_tensors_may_differ_and_3_images_are_no_half(
    differing: int, samples: int, enough: bool
) -> None:
    rows = [HalvesRow(f"t{i}", (0, 1), (0, 1.2), 0.2 if i < differing else 0.1) for i in range(8)]

    report = HalvesReport(tuple(rows), (9, samples), "percentile")

    assert (report.differing, report.enough) == (differing, enough)
    assert ("give more" in str(report)) is not enough


def test_where_no_range_is_chosen_from_images_any_are_enough() -> None:
    report = HalvesReport((), (1, 2), "percentile")

    assert report.enough is True
    assert str(report) == "enough: no range is chosen from them"


def test_json_round_trip() -> None:
    report = compare(calibrated(images(8)))

    data = json.loads(json.dumps(report.to_json()))

    assert HalvesReport.from_json(data) == report
    assert data["enough"] is True
