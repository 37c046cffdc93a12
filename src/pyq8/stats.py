"""Statistics of a tensor's values, and a calibration: the statistics of every tensor that needs a range.

Everything here merges exactly: a + b == b + a, whatever the order or the batching of the images. Sums are
therefore integers in fixed point, and histogram bins are powers of two wide (docs/explanation/calibration.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyq8.errors import CalibrationError

BINS = 4096
"""Bins a sign; a range that ends between two powers of two uses 2048 to 4096 of them."""

LARGEST_MEAN = 2.0**31
"""Bound of a channel's mean in one image: the sums of 2**16 such images still fit int64."""

_FRACTION_HIGH = 16
_FRACTION_LOW = 40
_KIND, _SCHEMA = "pyq8 calibration", 2


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of values in bins of width 2**exponent: bin i holds i * width <= x < (i + 1) * width.

    Args:
        exponent: log2 of the bin width.
        counts: int64 (2 * BINS,); index BINS is bin 0.
    """

    exponent: int
    counts: npt.NDArray[np.int64]

    def __add__(self, other: Histogram) -> Histogram:
        exponent = max(self.exponent, other.exponent)
        return Histogram(exponent, self.at(exponent).counts + other.at(exponent).counts)

    def at(self, exponent: int) -> Histogram:
        """The same counts in bins of width 2**exponent, which is not finer.

        floor(floor(x / 2**a) / 2**b) == floor(x / 2**(a + b)): nothing depends on when bins are joined.
        """
        if exponent == self.exponent:
            return self
        joined = np.zeros_like(self.counts)
        shift = min(exponent - self.exponent, BINS.bit_length() - 1)  # bins 0 and -1 stay apart
        left = BINS >> shift
        joined[BINS - left : BINS + left] = self.counts.reshape(2 * left, -1).sum(axis=1)
        return Histogram(exponent, joined)

    def edges(self) -> npt.NDArray[np.float64]:
        """Bin edges, float64 (2 * BINS + 1,)."""
        return np.ldexp(np.arange(-BINS, BINS + 1, dtype=np.float64), self.exponent)

    def to_json(self) -> dict[str, Any]:
        """A dict without the empty ends."""
        used = np.flatnonzero(self.counts)
        first, last = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
        return {
            "exponent": self.exponent,
            "first": first - BINS,
            "counts": self.counts[first:last].tolist(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Histogram:
        """The inverse of `to_json`.

        Raises:
            ValueError: bins that do not exist.
        """
        counts = np.zeros(2 * BINS, np.int64)
        start = data["first"] + BINS
        if not 0 <= start <= start + len(data["counts"]) <= counts.size:
            raise ValueError(f"{len(data['counts'])} bins from {data['first']}, beyond +-{BINS}")
        counts[start : start + len(data["counts"])] = data["counts"]
        return cls(data["exponent"], counts)


@dataclass(frozen=True, eq=False)
class ChannelMean:
    """The mean of every channel over all images, as an exact fixed-point sum of the images' means.

    A mean m is kept as high / 2**16 + low / 2**56 with 0 <= low < 2**40; sums of integers do not depend on
    their order.

    Args:
        high: int64 (C,), low: int64 (C,), count: images.
    """

    high: npt.NDArray[np.int64]
    low: npt.NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, means: npt.NDArray[np.float64]) -> ChannelMean:
        """One image's channel means, float64 (C,), |mean| < LARGEST_MEAN."""
        scaled = np.ldexp(means, _FRACTION_HIGH)
        high = np.floor(scaled)
        low = np.floor(np.ldexp(scaled - high, _FRACTION_LOW))
        return cls(high.astype(np.int64), low.astype(np.int64), 1)

    def __add__(self, other: ChannelMean) -> ChannelMean:
        return ChannelMean(self.high + other.high, self.low + other.low, self.count + other.count)

    @property
    def value(self) -> npt.NDArray[np.float64]:
        """float64 (C,)."""
        total = np.ldexp(self.high.astype(np.float64), -_FRACTION_HIGH)
        total += np.ldexp(self.low.astype(np.float64), -_FRACTION_HIGH - _FRACTION_LOW)
        return np.asarray(total / self.count)

    def to_json(self) -> dict[str, Any]:
        """Integers only."""
        return {"high": self.high.tolist(), "low": self.low.tolist(), "count": self.count}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ChannelMean:
        """The inverse of `to_json`."""
        return cls(np.asarray(data["high"], np.int64), np.asarray(data["low"], np.int64), data["count"])


@dataclass(frozen=True)
class TensorStats:
    """What calibration keeps of one tensor.

    Args:
        min: smallest value seen.
        max: largest value seen.
        count: number of values seen.
        histogram: where the values lie; None for observers that need only the ends.
        channel_mean: the mean of every channel (axis 1), for tensors that a weight multiplies.
    """

    min: float
    max: float
    count: int
    histogram: Histogram | None = None
    channel_mean: ChannelMean | None = None

    def __add__(self, other: TensorStats) -> TensorStats:
        return TensorStats(
            min(self.min, other.min),
            max(self.max, other.max),
            self.count + other.count,
            self.histogram + other.histogram if self.histogram and other.histogram else None,
            self.channel_mean + other.channel_mean if self.channel_mean and other.channel_mean else None,
        )

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back bit for bit."""
        return {
            "min": self.min,
            "max": self.max,
            "count": self.count,
            "histogram": self.histogram.to_json() if self.histogram else None,
            "channel_mean": self.channel_mean.to_json() if self.channel_mean else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TensorStats:
        """The inverse of `to_json`."""
        return cls(
            data["min"],
            data["max"],
            data["count"],
            Histogram.from_json(data["histogram"]) if data["histogram"] else None,
            ChannelMean.from_json(data["channel_mean"]) if data["channel_mean"] else None,
        )


@dataclass(frozen=True)
class Half:
    """The statistics over one half of the images.

    Args:
        stats: tensor name -> statistics; without the tensors that were empty on all of them.
        samples: number of images, 0 is possible.
    """

    stats: Mapping[str, TensorStats]
    samples: int

    def __add__(self, other: Half) -> Half:
        both = {name: self.stats[name] + other.stats[name] for name in self.stats if name in other.stats}
        return Half({**self.stats, **other.stats, **both}, self.samples + other.samples)

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back bit for bit."""
        return {"samples": self.samples, "stats": {name: s.to_json() for name, s in self.stats.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Half:
        """The inverse of `to_json`."""
        return cls({name: TensorStats.from_json(s) for name, s in data["stats"].items()}, data["samples"])


@dataclass(frozen=True)
class Calibration:
    """The statistics of every observed tensor of one model over one set of images, in two halves.

    Args:
        halves: an image belongs to the one that its digest says, whatever came before it.
        model_sha256: digest of the prepared model that was observed.
        data_sha256: digest of the preprocessed images; does not depend on their order.
    """

    halves: tuple[Half, Half]
    model_sha256: str
    data_sha256: str

    @cached_property
    def stats(self) -> Mapping[str, TensorStats]:
        """Tensor name -> statistics over all images."""
        first, second = self.halves
        return (first + second).stats

    @property
    def samples(self) -> int:
        """Number of images."""
        return sum(half.samples for half in self.halves)

    def __str__(self) -> str:
        return f"{self.samples} samples, {len(self.stats)} tensors, data {self.data_sha256[:12]}"

    def check_model(self, model_sha256: str) -> None:
        """Refuse a model other than the calibrated one.

        Raises:
            CalibrationError: the digests differ.
        """
        if model_sha256 != self.model_sha256:
            raise CalibrationError(
                f"calibration of model {self.model_sha256[:12]}: this model is {model_sha256[:12]}; calibrate again"
            )

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back bit for bit."""
        return {
            "kind": _KIND,
            "schema": _SCHEMA,
            "model_sha256": self.model_sha256,
            "data_sha256": self.data_sha256,
            "halves": [half.to_json() for half in self.halves],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_json`.

        Raises:
            ValueError: another kind of document, or of another version.
        """
        if (data["kind"], data["schema"]) != (_KIND, _SCHEMA):
            raise ValueError(f"{data['kind']!r} schema {data['schema']!r}, not {_KIND!r} schema {_SCHEMA}")
        first, second = map(Half.from_json, data["halves"])
        return cls((first, second), data["model_sha256"], data["data_sha256"])

    def save(self, path: str | Path) -> None:
        """Write JSON."""
        Path(path).write_text(json.dumps(self.to_json()), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what `save` wrote.

        Raises:
            CalibrationError: the file is missing, unreadable or not a calibration.
        """
        try:
            return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise CalibrationError(f"{path}: no such file; calibrate first") from None
        except OSError as error:
            raise CalibrationError(f"{path}: cannot be read ({error.strerror}); calibrate again") from None
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            raise CalibrationError(f"{path}: not a pyq8 calibration; calibrate again") from None
