"""What `pyq8.quantize` returns."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyq8._version import __version__
from pyq8.errors import UsageError
from pyq8.model.fallback import FALLBACK
from pyq8.model.file import save, sha256
from pyq8.model.provenance import of_plan
from pyq8.passes import PassResult
from pyq8.plan.file import PlanFile
from pyq8.rewrite import REGIONS, rewrite
from pyq8.stats import Calibration
from pyq8.types import TABLE, Config, Plan
from pyq8.verify.report import Report

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Result:
    """A quantized model and all that is known about it.

    Args:
        model: the quantized model.
        prepared: the FP32 model it was made from, behind the exact passes: the fair FP32 baseline.
        passes: what each pass did.
        calibration: the statistics; none where a plan was replayed.
        plan: what became INT8, and why the rest did not.
        report: kernels, accuracy, layers, and whether the images were enough.
        config: what was asked for.
        seconds: stage -> seconds.
        peak_rss_mib: peak resident memory of the process, MiB.
        skipped: images left out because they could not be read.
    """

    model: ir.Model
    prepared: ir.Model
    passes: tuple[PassResult, ...]
    calibration: Calibration
    plan: Plan
    report: Report
    config: Config
    seconds: dict[str, float]
    peak_rss_mib: float
    skipped: tuple[str, ...] = field(default=())

    @property
    def in_tables(self) -> frozenset[str]:
        """Nodes that are INT8 though the plan counts them as FP32, because a region computes their chain in a table."""
        int8 = {row.node for row in self.report.kernels.rows if row.int8}
        return frozenset(n for n, why in self.plan.float_nodes.items() if why == TABLE and n in int8)

    def save(self, path: str | Path, fallback: str | Path | None = None) -> None:
        """Write the quantized model, whole or not at all.

        Args:
            path: of the file.
            fallback: of another file for a model of format "pyq8": the same in QDQ form, which `pyq8.session` takes
                where pyq8's kernels are missing.

        Raises:
            OutputError: one of them cannot be written.
            UsageError: a fallback for another format.
        """
        if fallback is None:
            return save(self.model, path)
        if self.config.format != REGIONS:
            raise UsageError(f"fallback {fallback}: only a model of format {REGIONS} needs one; leave it out")
        plain = rewrite(self.prepared, self.plan)
        plain.metadata_props.update(self.model.metadata_props)
        save(plain, fallback)
        model = self.model.clone()
        model.metadata_props[FALLBACK] = os.path.relpath(fallback, Path(path).parent)
        return save(model, path)

    def save_plan(self, path: str | Path) -> None:
        """Write the whole plan as JSON, to edit and to replay; see `pyq8.replay`.

        Raises:
            OutputError: it cannot be written.
        """
        follows = of_plan(self.plan)
        metadata = {k: v for k, v in self.model.metadata_props.items() if k.startswith("pyq8.") and k not in follows}
        PlanFile(self.plan, sha256(self.prepared), self.config.format, metadata).save(path)

    def to_json(self) -> dict[str, Any]:
        """Everything but the weights, as documented in docs/reference/json.md."""
        return {
            "kind": "pyq8 quantize",
            "schema": 1,
            "version": __version__,
            "observer": self.config.observer,
            "format": self.config.format,
            "placement": self.config.placement,
            "effort": self.config.effort,
            "samples": self.calibration.samples,
            "data_sha256": self.calibration.data_sha256,
            "skipped": list(self.skipped),
            "seconds": self.seconds,
            "peak_rss_mib": self.peak_rss_mib,
            "passes": [p.to_json() for p in self.passes],
            "warnings": list(self.report.doubts),
            "plan": replace(self.plan, codes={}).to_json(),
            "report": self.report.to_json(),
        }
