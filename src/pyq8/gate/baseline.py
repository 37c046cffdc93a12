"""The results of a model that was accepted, image by image, so that the next one is judged against it."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyq8.errors import DataError
from pyq8.types import Array


@dataclass(frozen=True, eq=False)
class Baseline:
    """What a model scored on every image.

    Args:
        metric: which metric.
        output: of which output, "" for all.
        data_sha256: digest of the images, labels and names.
        model_sha256: digest of the model.
        results: as the metric keeps them, see `Metric.results`.
        value: what the model scores.
    """

    metric: str
    output: str
    data_sha256: str
    model_sha256: str
    results: Array
    value: float

    def check(self, metric: str, output: str, data_sha256: str, where: str) -> None:
        """Refuse a baseline of another metric or of other images.

        Raises:
            DataError: naming what differs.
        """
        if (self.metric, self.output) != (metric, output):
            raise DataError(f"{where}: is of {self.metric}, not of {metric}; choose that metric, or --update-baseline")
        if self.data_sha256 != data_sha256:
            raise DataError(f"{where}: is of other images or preprocessing; give the same, or --update-baseline")

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back bit for bit."""
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(self.results).tobytes(), 9)).decode()
        return {
            "kind": "pyq8 baseline",
            "schema": 1,
            "metric": self.metric,
            "output": self.output,
            "value": self.value,
            "data_sha256": self.data_sha256,
            "model_sha256": self.model_sha256,
            "dtype": str(self.results.dtype),
            "shape": list(self.results.shape),
            "results": packed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Baseline:
        """The inverse of `to_json`."""
        raw = zlib.decompress(base64.b64decode(data["results"], validate=True))
        results = np.frombuffer(raw, np.dtype(data["dtype"])).reshape(data["shape"])
        value = float("nan") if data["value"] is None else float(data["value"])
        return cls(data["metric"], data["output"], data["data_sha256"], data["model_sha256"], results, value)


def read_baseline(path: str | Path) -> Baseline:
    """Read a baseline file.

    Raises:
        DataError: it is missing, or no baseline.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if data["kind"] != "pyq8 baseline" or data["schema"] != 1:
            raise ValueError(f"{data['kind']}, schema {data['schema']}")
        return Baseline.from_json(data)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); make it with --update-baseline") from None
    except (KeyError, TypeError, ValueError, zlib.error, binascii.Error) as error:
        raise DataError(f"{path}: no baseline of this version ({error}); make it with --update-baseline") from None
