"""Time models against each other: each alone in a fresh process, in interleaved rounds.

Sessions that share a process disturb each other, and a machine's clock drifts. So every round starts
every model anew, every other round in reverse order, and speeds are compared within a round only.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from pyq8 import cpu
from pyq8._version import __version__
from pyq8.errors import ModelError, UsageError
from pyq8.types import Feeds


@dataclass(frozen=True)
class SpeedRow:
    """One model's speed.

    Args:
        path: of the model.
        batch: samples a call.
        median_ms: milliseconds a call; the median over rounds of each round's median.
        p90_ms: the same of each round's 90th percentile.
        images_per_s: batch / median.
        ratio: how many times as fast as the first model; the median over rounds.
        ratio_low: in the worst round.
        ratio_high: in the best round.
        peak_rss_mib: the most memory of any round's process, interpreter and libraries included.
    """

    path: str
    batch: int
    median_ms: float
    p90_ms: float
    images_per_s: float
    ratio: float
    ratio_low: float
    ratio_high: float
    peak_rss_mib: float


@dataclass(frozen=True)
class SpeedReport:
    """The speeds of several models on one machine; the first is what the others are compared with.

    Args:
        rows: one a model, in the order asked for.
        threads: of an operator.
        cpu: one line about the machine.
        versions: package -> version.
    """

    rows: tuple[SpeedRow, ...]
    threads: int
    cpu: str
    versions: Mapping[str, str]

    __hash__ = None  # type: ignore[assignment]  # holds a mapping

    def __str__(self) -> str:
        width = max(len("model"), *(len(row.path) for row in self.rows))
        lines = [
            f"{'model':{width}}  batch        ms       p90    images/s  speedup [worst, best]   peak MiB",
            *(
                f"{row.path:{width}}  {row.batch:5d} {row.median_ms:9.2f} {row.p90_ms:9.2f} "
                f"{row.images_per_s:11.1f}  {row.ratio:6.2f}x "
                f"{f'[{row.ratio_low:.2f}, {row.ratio_high:.2f}]':15} {row.peak_rss_mib:8.0f}"
                for row in self.rows
            ),
            f"{self.threads} thread{'s' if self.threads > 1 else ''}; {self.cpu}; "
            + ", ".join(f"{name} {version}" for name, version in self.versions.items()),
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back."""
        rows = [asdict(row) for row in self.rows]
        return {"rows": rows, "threads": self.threads, "cpu": self.cpu, "versions": dict(self.versions)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SpeedReport:
        """The inverse of `to_json`."""
        rows = tuple(SpeedRow(**row) for row in data["rows"])
        return cls(rows, data["threads"], data["cpu"], dict(data["versions"]))


def time_models(
    paths: Sequence[str | os.PathLike[str]],
    *,
    batch: int = 1,
    threads: int | None = None,
    rounds: int = 5,
    seconds: float = 1.0,
    feeds: Feeds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SpeedReport:
    """Time the models, alone and in turn.

        ratio = median over rounds of (time of the first model / time of the model)

    Args:
        paths: of the models; the first is the yardstick.
        batch: samples a call.
        threads: of an operator; None for the physical cores this process may use.
        rounds: how often every model is started.
        seconds: how long a model runs in a round.
        feeds: real inputs; None for seeded noise.
        progress: called with (processes done, processes in all).

    Raises:
        UsageError: a number that cannot be, or no models.
        ModelError: a model does not load or run; says which and why.
    """
    names = [os.fspath(path) for path in paths]
    threads = cpu.physical_cores() if threads is None else threads
    if not names or min(batch, threads, rounds) < 1 or not seconds >= 0:
        raise UsageError(
            f"cannot time {len(names)} models with batch {batch}, {threads} threads, "
            f"{rounds} rounds of {seconds} s: at least one of each"
        )
    for name in names:
        if not Path(name).is_file():
            raise ModelError(f"{name}: no such file")
    with tempfile.TemporaryDirectory(prefix="pyq8-") as folder:
        options = [f"--batch={batch}", f"--threads={threads}", f"--seconds={seconds}"]
        if feeds is not None:
            np.savez(Path(folder) / "feeds.npz", **feeds)  # type: ignore[arg-type]  # not allow_pickle
            options.append(f"--feeds={Path(folder) / 'feeds.npz'}")
        results: list[list[dict[str, float]]] = [[] for _ in names]
        done = 0
        for turn in range(rounds):
            for i in range(len(names))[:: -1 if turn % 2 else 1]:
                results[i].append(_run_alone(names[i], options))
                done += 1
                if progress is not None:
                    progress(done, rounds * len(names))
    rows = tuple(_row(name, batch, mine, results[0]) for name, mine in zip(names, results, strict=True))
    versions = {"pyq8": __version__, "onnxruntime": metadata.version("onnxruntime")}
    return SpeedReport(rows, threads, cpu.describe(), versions)


def _row(path: str, batch: int, mine: list[dict[str, float]], first: list[dict[str, float]]) -> SpeedRow:
    median = statistics.median(result["median_ms"] for result in mine)
    ratios = [a["median_ms"] / b["median_ms"] for a, b in zip(first, mine, strict=True)]
    return SpeedRow(
        path=path,
        batch=batch,
        median_ms=median,
        p90_ms=statistics.median(result["p90_ms"] for result in mine),
        images_per_s=1e3 * batch / median,
        ratio=statistics.median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        peak_rss_mib=max(result["peak_rss_mib"] for result in mine),
    )


def _run_alone(path: str, options: Sequence[str]) -> dict[str, float]:
    """One stopwatch process; `subprocess.run` kills it when this one is interrupted."""
    command = [sys.executable, "-m", "pyq8.verify.stopwatch", *options, "--", path]
    child = subprocess.run(
        command, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if child.returncode == 0:
        result: dict[str, float] = json.loads(child.stdout.splitlines()[-1])
        return result
    if child.returncode < 0:
        raise ModelError(f"{path}: its process was killed by signal {-child.returncode} (9: out of memory?)")
    reason = (child.stderr.splitlines() or [f"exit code {child.returncode}"])[-1]
    raise ModelError(reason if path in reason else f"{path}: {reason}")


def _environment() -> dict[str, str]:
    """Ours, made to find this very package, and no module of the working directory by accident."""
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONSAFEPATH": "1"}
    if root.name not in ("site-packages", "dist-packages"):
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), env.get("PYTHONPATH")]))
    return env
