"""An observer of your own: ranges from mean and deviation, beside the built-in ones.

Install: pip install .                                 (in the folder of the repository)
Run:     python examples/custom_observer.py [FOLDER]   quantizes the embedded network with it
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import pyq8
from pyq8.calibration.observers import observer
from pyq8.loaders.datasets import dataset
from pyq8.stats import TensorStats
from pyq8.types import QType

DEVIATIONS = 9.0


@observer("deviations")  # from here on a name like the others
def choose(stats: TensorStats, qtype: QType) -> tuple[float, float]:
    """DEVIATIONS on both sides of the mean, inside what was seen."""
    del qtype  # the range does not depend on the number of levels
    assert stats.histogram is not None
    counts, edges = stats.histogram.counts, stats.histogram.edges()
    centres = (edges[:-1] + edges[1:]) / 2
    mean = np.average(centres, weights=counts)
    reach = DEVIATIONS * np.sqrt(np.average((centres - mean) ** 2, weights=counts))
    return max(stats.min, float(mean - reach)), min(stats.max, float(mean + reach))


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    digits = dataset("digits")
    how = pyq8.Preprocess.from_toml(digits / "preprocess.toml")
    for name in ("deviations", "percentile", "minmax"):
        result = pyq8.quantize(digits / "digits.onnx", digits / "images", preprocess=how, observer=name, effort="fast")
        result.save(folder / f"digits.{name}.int8.onnx")
        row = result.report.accuracy.find("sqnr") if result.report.accuracy else None
        print(f"{name:10} {row.value:.1f} dB of the logits, {result.report.kernels}" if row else name)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
