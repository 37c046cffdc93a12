"""How far a quantized model is from its FP32 original. A metric is one file here; it registers itself."""

from __future__ import annotations

import importlib
import pkgutil

from pyq8.metrics.metric import METRICS, Metric

__all__ = ["METRICS", "Metric"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
