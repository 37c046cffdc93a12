"""Were the calibration images enough? The ranges that either half of them chooses, side by side.

    difference = max(|low_1 - low_2|, |high_1 - high_2|) / (high - low)

docs/explanation/calibration.md says what differences cost, and where the limits come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pyq8 import affine
from pyq8.calibration.observers import OBSERVERS
from pyq8.ops.placement import place
from pyq8.plan.qparams import known_ranges, quantized_tensors
from pyq8.stats import Calibration
from pyq8.types import UINT8, Plan

if TYPE_CHECKING:
    import onnx_ir as ir

LIMIT = 0.1
"""Difference beyond which a tensor's two ranges are called different."""

SHARE = 0.25
"""Of the tensors, that may differ where the images are called enough."""

LEAST = 4
"""Images in each half, without which they never are: a few may agree by chance."""


@dataclass(frozen=True)
class HalvesRow:
    """One tensor.

    Args:
        tensor: its name.
        first: (low, high) that the first half of the images chooses, 0 included.
        second: the same of the second half.
        difference: between the ends, the larger one, as a share of the range that all images choose.
    """

    tensor: str
    first: tuple[float, float]
    second: tuple[float, float]
    difference: float


@dataclass(frozen=True)
class HalvesReport:
    """Every tensor whose range comes from the images, the worst first.

    Args:
        rows: one a tensor; none where a half has no images.
        samples: number of images of each half.
        observer: what chose the ranges.
    """

    rows: tuple[HalvesRow, ...]
    samples: tuple[int, int]
    observer: str

    @property
    def differing(self) -> int:
        """How many tensors differ by more than LIMIT."""
        return sum(row.difference > LIMIT for row in self.rows)

    @property
    def enough(self) -> bool | None:
        """Whether at most SHARE of the tensors differ, between halves of LEAST images or more.

        None where a half is empty.
        """
        if not self.rows:
            return None if 0 in self.samples else True
        return min(self.samples) >= LEAST and not self.disagree

    @property
    def disagree(self) -> bool:
        """Whether more than SHARE of the tensors differ."""
        return self.differing > SHARE * len(self.rows)

    def __str__(self) -> str:
        if not self.rows:
            images = sum(self.samples)
            if images == 1:
                return "enough? cannot be told from 1 image; give more"
            if 0 in self.samples:
                return f"enough? cannot be told: all {images} fell into one half, as few or equal ones do; give more"
            return "enough: no range is chosen from them"
        count, verb = self.differing, "differs" if self.differing == 1 else "differ"
        sizes = " and ".join(map(str, self.samples))
        worst = ", ".join(f"{row.tensor} {row.difference:.0%}" for row in self.rows[: 1 if self.enough else 3])
        found = f"{count} of {len(self.rows)} ranges {verb} by more than {LIMIT:.0%} between halves of {sizes} images"
        found += f", worst {worst}"
        more = "more only widen minmax: try --observer percentile" if self.observer == "minmax" else "give more"
        return f"enough: {found}" if self.enough else f"few: {found}; {more}"

    def to_json(self) -> dict[str, Any]:
        """Its fields, and `enough`."""
        return {
            "enough": self.enough,
            "observer": self.observer,
            "samples": list(self.samples),
            "rows": [asdict(row) for row in self.rows],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HalvesReport:
        """The inverse of `to_json`."""
        rows = [
            HalvesRow(**{**row, "first": tuple(row["first"]), "second": tuple(row["second"])}) for row in data["rows"]
        ]
        first, second = data["samples"]
        return cls(tuple(rows), (first, second), data["observer"])


def compare_halves(prepared: ir.Model, calibration: Calibration, plan: Plan, observer: str) -> HalvesReport:
    """Choose every range again, from one half of the images and from the other.

    Args:
        prepared: the model that was calibrated.
        calibration: of it.
        plan: made from this calibration.
        observer: the one that chose the plan's ranges.
    """
    chooser = OBSERVERS.get(observer)
    placement = place(prepared, costly=plan.float_nodes)
    shared = {placement.scale_root(value).name or "": value.name or "" for value in quantized_tensors(placement)}
    known = known_ranges(place(prepared)) | known_ranges(placement)
    rows = []
    for name, member in shared.items():
        if name in known and plan.qparams[member] == affine.choose_qparams(*known[name], UINT8):
            continue
        both = [half.stats.get(name) for half in calibration.halves]
        ranges = [
            chooser.choose(stats, UINT8)
            for stats in both
            if stats is not None and (stats.histogram is not None or not chooser.needs_histogram)
        ]
        if len(ranges) == 2:  # otherwise fixed or constant, or only one half has values
            first, second = ((min(low, 0.0), max(high, 0.0)) for low, high in ranges)
            low, high = plan.qparams[member].range
            difference = max(abs(a - b) for a, b in zip(first, second, strict=True)) / (high - low)
            rows.append(HalvesRow(name, first, second, difference))
    rows.sort(key=lambda row: -row.difference)
    one, other = calibration.halves
    return HalvesReport(tuple(rows), (one.samples, other.samples), observer)
