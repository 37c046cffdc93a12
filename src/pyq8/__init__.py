"""INT8 quantization of ONNX CNNs on x86 CPUs. The public names; nothing heavy is imported before it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pyq8._version import __version__

if TYPE_CHECKING:
    from pyq8.api import check, inspect, quantize
    from pyq8.bench.speed import time_models
    from pyq8.errors import InputError, Pyq8Error, UsageError
    from pyq8.loaders import Preprocess
    from pyq8.plan_replay import replay
    from pyq8.ranking.rank import rank_layers
    from pyq8.result import Result
    from pyq8.runtime.sessions import register, session
    from pyq8.stats import Calibration
    from pyq8.tuning.tune import tune
    from pyq8.types import Config, Plan, QParams
    from pyq8.workers.processes import Workers

_HOME = {
    "Calibration": "pyq8.stats",
    "Config": "pyq8.types",
    "InputError": "pyq8.errors",
    "Plan": "pyq8.types",
    "Preprocess": "pyq8.loaders",
    "Pyq8Error": "pyq8.errors",
    "QParams": "pyq8.types",
    "Result": "pyq8.result",
    "UsageError": "pyq8.errors",
    "Workers": "pyq8.workers.processes",
    "check": "pyq8.api",
    "inspect": "pyq8.api",
    "quantize": "pyq8.api",
    "rank_layers": "pyq8.ranking.rank",
    "register": "pyq8.runtime.sessions",
    "replay": "pyq8.plan_replay",
    "session": "pyq8.runtime.sessions",
    "time_models": "pyq8.bench.speed",
    "tune": "pyq8.tuning.tune",
}

__all__ = [
    "Calibration",
    "Config",
    "InputError",
    "Plan",
    "Preprocess",
    "Pyq8Error",
    "QParams",
    "Result",
    "UsageError",
    "Workers",
    "__version__",
    "check",
    "inspect",
    "quantize",
    "rank_layers",
    "register",
    "replay",
    "session",
    "time_models",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pyq8' has no attribute {name!r}")
    # Kept where the import system would put it: a submodule of the same name must not replace it.
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
