"""What a benchmark found: a row a model and setting, on which machine, and how quiet that was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pyq8.bench.comparison import Comparison
from pyq8.bench.median import CONFIDENCE
from pyq8.bench.noise import Noise
from pyq8.bench.profile import Profile


@dataclass(frozen=True)
class SpeedRow:
    """One model's speed in one setting.

    Args:
        path: of the model.
        batch: samples a call.
        threads: of an operator.
        p50_ms: milliseconds a call; the median over rounds of each round's median.
        p90_ms: the same of each round's 90th percentile.
        p99_ms: the same of each round's 99th percentile.
        calls: in the round that had the fewest; below 100, p99 is little more than its slowest call.
        images_per_s: batch / p50.
        ratio: how many times as fast as the first model; the median over rounds.
        ratio_low: the lower end of its interval.
        ratio_high: the upper end.
        spread: (slowest - fastest round) / p50.
        load_ms: reading, optimizing and packing the model; the median over rounds.
        peak_rss_mib: the most memory of any round's process, interpreter and libraries included.
        gops: G-operations an image, a multiply-add is two; None for OpenVINO.
        int8_peak_share: gops * images_per_s / the INT8 peak of that many threads; None for OpenVINO.
    """

    path: str
    batch: int
    threads: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    calls: int
    images_per_s: float
    ratio: float
    ratio_low: float
    ratio_high: float
    spread: float
    load_ms: float
    peak_rss_mib: float
    gops: float | None
    int8_peak_share: float | None


@dataclass(frozen=True)
class SpeedReport:
    """The speeds of several models on one machine; the first is what the others are compared with.

    Args:
        rows: for all threads, for all batches, one a model in the order asked for.
        rounds: how often every model was started.
        confidence: of the intervals of the ratios, 0..1; see `pyq8.bench.median`.
        int8_peaks: threads -> G-operations/s that ONNX Runtime reaches here in INT8.
        cpu: one line about the machine.
        isa: its INT8 instructions.
        versions: package -> version.
        noise: what disturbed the timing.
        profiles: of the ONNX models, if asked for.
    """

    rows: tuple[SpeedRow, ...]
    rounds: int
    confidence: float
    int8_peaks: Mapping[int, float]
    cpu: str
    isa: tuple[str, ...]
    versions: Mapping[str, str]
    noise: Noise
    profiles: tuple[Profile, ...] = ()

    __hash__ = None  # type: ignore[assignment]  # holds a mapping

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every profile beside that of the first ONNX model in the same setting."""
        first: dict[tuple[int, int], Profile] = {}
        found = []
        for profile in self.profiles:
            yardstick = first.setdefault((profile.threads, profile.batch), profile)
            if yardstick is not profile:
                found.append(Comparison(yardstick, profile))
        return tuple(found)

    def __str__(self) -> str:
        width = max(len("model"), *(len(row.path) for row in self.rows))
        sure = f"[{self.confidence:.0%} interval]" if self.confidence >= CONFIDENCE else "[worst, best]"
        lines = [
            f"{'model':{width}} threads batch    p50 ms    p90 ms    p99 ms   images/s  speedup {sure:16} "
            "INT8 peak  load ms     MiB"
        ]
        lines += [f"{row.path:{width}} {_cells(row)}" for row in self.rows]
        peaks = ", ".join(f"{peak:.0f} G-op/s with {_threads(n)}" for n, peak in self.int8_peaks.items())
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        lines += [f"INT8 peak of ONNX Runtime here: {peaks}", f"{self.cpu}; {versions}", str(self.noise)]
        return "\n".join(lines + [f"\n{part}" for part in (*self.profiles, *self.comparisons)])

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "rounds": self.rounds,
            "confidence": self.confidence,
            "int8_peaks": {str(threads): peak for threads, peak in self.int8_peaks.items()},
            "cpu": self.cpu,
            "isa": list(self.isa),
            "versions": dict(self.versions),
            "noise": self.noise.to_json(),
            "profiles": [profile.to_json() for profile in self.profiles],
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SpeedReport:
        """The inverse of `to_json`."""
        return cls(
            rows=tuple(SpeedRow(**row) for row in data["rows"]),
            rounds=data["rounds"],
            confidence=data["confidence"],
            int8_peaks={int(threads): peak for threads, peak in data["int8_peaks"].items()},
            cpu=data["cpu"],
            isa=tuple(data["isa"]),
            versions=dict(data["versions"]),
            noise=Noise.from_json(data["noise"]),
            profiles=tuple(Profile.from_json(profile) for profile in data["profiles"]),
        )


def _cells(row: SpeedRow) -> str:
    share = "-" if row.int8_peak_share is None else f"{row.int8_peak_share:.1%}"
    interval = f"[{row.ratio_low:.2f}, {row.ratio_high:.2f}]"
    return (
        f"{row.threads:7d} {row.batch:5d} {row.p50_ms:9.3f} {row.p90_ms:9.3f} {row.p99_ms:9.3f} "
        f"{row.images_per_s:10.1f} {row.ratio:7.2f}x {interval:16} {share:>9} "
        f"{row.load_ms:8.0f} {row.peak_rss_mib:7.0f}"
    )


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
