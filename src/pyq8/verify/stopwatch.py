"""Time one model, alone in this process: `python -m pyq8.verify.stopwatch MODEL`.

`pyq8.verify.speed` starts it. It prints one JSON line, or one line on stderr and exits with 3.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyq8 import cpu
from pyq8.errors import DataError, ModelError, Pyq8Error
from pyq8.sessions import session
from pyq8.types import Array, Feeds

if TYPE_CHECKING:
    import onnxruntime

Size = tuple[int, int]
DTYPES = {
    "float": "float32", "float16": "float16", "double": "float64", "bool": "bool",
    "uint8": "uint8", "int8": "int8", "int32": "int32", "int64": "int64",
}  # fmt: skip
WARMUP = 3


def measure(
    path: str, *, batch: int = 1, threads: int = 1, seconds: float = 1.0,
    size: Size | None = None, feeds: Feeds | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run the model for `seconds`, and three times at least.

    Args:
        path: of the model.
        batch: samples a call.
        threads: of an operator.
        seconds: how long to measure, after three calls that do not count.
        size: (height, width) of inputs that leave theirs open; None for 224 x 224, or 300 x 300 where
            channels come last.
        feeds: real inputs; repeated or cut to `batch` samples. None for seeded noise.

    Returns:
        median_ms, p90_ms, p99_ms (a call), runs, load_s, peak_rss_mib, batch, threads.

    Raises:
        ModelError: the model does not load, or not run on such inputs.
        DataError: feeds do not name its inputs.
    """
    start = time.perf_counter()
    model = session(path, threads=threads)
    load = time.perf_counter() - start
    inputs = make_inputs(model, batch, size) if feeds is None else fit_feeds(model, feeds, batch)
    times: list[float] = []
    try:
        for _ in range(WARMUP):
            model.run(None, inputs)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            model.run(None, inputs)
            times.append(time.perf_counter() - start)
    except Exception as error:  # onnxruntime's exceptions share no base but this
        shapes = ", ".join(f"{name} {value.shape}" for name, value in inputs.items())
        raise ModelError(f"{path}: does not run on {shapes}: {' '.join(str(error).split())}") from error
    median, p90, p99 = np.quantile(times, [0.5, 0.9, 0.99]) * 1e3
    return {
        "median_ms": float(median), "p90_ms": float(p90), "p99_ms": float(p99), "runs": len(times),
        "load_s": load, "peak_rss_mib": cpu.peak_rss_mib(), "batch": batch, "threads": threads,
    }  # fmt: skip


def make_inputs(model: onnxruntime.InferenceSession, batch: int, size: Size | None = None) -> Feeds:
    """Seeded noise for every input: normal floats, bytes of 0..255, ones for other integers.

    Raises:
        ModelError: the batch is fixed at another value, or an input is no tensor of numbers.
    """
    rng = np.random.default_rng(0)
    return {i.name: _noise(rng, i.name, i.type, i.shape, batch, size) for i in model.get_inputs()}


def fit_feeds(model: onnxruntime.InferenceSession, feeds: Feeds, batch: int) -> Feeds:
    """The feeds of the model's inputs with `batch` samples each. A lone array needs no right name.

    Raises:
        DataError: an input is missing or empty.
    """
    names = [i.name for i in model.get_inputs()]
    if len(names) == 1 and len(feeds) == 1:
        feeds = {names[0]: next(iter(feeds.values()))}
    missing = [name for name in names if name not in feeds or np.size(feeds[name]) == 0]
    if missing:
        raise DataError(f"no data for input {missing[0]!r}; there is {', '.join(feeds) or 'nothing'}")
    given = {name: np.asarray(feeds[name]) for name in names}
    return {name: np.resize(x, (batch, *x.shape[1:])) if x.ndim else x for name, x in given.items()}


def _noise(
    rng: np.random.Generator, name: str, kind: str, shape: Sequence[Any], batch: int, size: Size | None
) -> Array:
    dtype = DTYPES.get(kind.removeprefix("tensor(").removesuffix(")"))
    if dtype is None:
        raise ModelError(f"input {name!r} is a {kind}: give real inputs")
    fixed = [d if isinstance(d, int) and d > 0 else None for d in shape]
    if len(fixed) == 4 and fixed[0] not in (None, batch):
        raise ModelError(f"the batch of input {name!r} is fixed at {fixed[0]}, not {batch}")
    channels_last = len(fixed) == 4 and fixed[-1] == 3
    height, width = size or ((300, 300) if channels_last else (224, 224))
    tail = (height, width, 3) if channels_last else (*[3] * (len(fixed) - 3), height, width)
    spare = (batch, *tail[len(tail) - len(fixed) + 1 :])
    dims = [s if d is None else d for d, s in zip(fixed, spare, strict=False)]
    if dtype == "uint8":
        return rng.integers(0, 256, dims, dtype=np.uint8)
    if np.issubdtype(dtype, np.floating):
        return rng.standard_normal(dims, dtype=np.float32).astype(dtype)
    return np.ones(dims, dtype=dtype)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m pyq8.verify.stopwatch", description="Time one model.")
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=cpu.physical_cores())
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--size", metavar="HxW", help="of inputs that leave it open")
    parser.add_argument("--feeds", type=Path, metavar="FILE.npz", help="real inputs, by name")
    args = parser.parse_args(argv)
    try:
        size = tuple(int(side) for side in args.size.lower().split("x")) if args.size else None
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError
    except ValueError:
        parser.error(f"--size {args.size}: not HxW, such as 224x224")
    try:
        feeds = None if args.feeds is None else dict(np.load(args.feeds))
        result = measure(
            args.model, batch=args.batch, threads=args.threads, seconds=args.seconds, size=size, feeds=feeds
        )
    except Pyq8Error as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
