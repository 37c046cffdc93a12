"""How far a quantized model is from its FP32 original. A metric is one file here; it registers itself."""

from __future__ import annotations

import importlib
import pkgutil

from pyq8.metrics.metric import METRICS, Metric

__all__ = ["METRICS", "Metric", "find_metric"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def find_metric(name: str) -> Metric:
    """A new metric of a registered name, or of the user's own "module:function".

    Raises:
        UsageError: there is none.
    """
    if ":" not in name:
        return METRICS.get(name)()
    from pyq8.metrics.user import UserMetric

    return UserMetric(name)
