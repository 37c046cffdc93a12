"""Everything that is known about a quantized model, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyq8.halves import HalvesReport
from pyq8.verify.accuracy import AccuracyReport
from pyq8.verify.kernels import KernelReport
from pyq8.verify.layers import LayerReport
from pyq8.verify.speed import SpeedReport


@dataclass(frozen=True)
class Report:
    """What verification found; a part that was not asked for is None."""

    kernels: KernelReport
    accuracy: AccuracyReport | None = None
    layers: LayerReport | None = None
    speed: SpeedReport | None = None
    halves: HalvesReport | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {
            "kernels": self.kernels.to_json(),
            "accuracy": self.accuracy.to_json() if self.accuracy else None,
            "layers": self.layers.to_json() if self.layers else None,
            "speed": self.speed.to_json() if self.speed else None,
            "halves": self.halves.to_json() if self.halves else None,
        }
