"""Observers: how the range of a tensor is chosen from its statistics. One file each."""

from pyq8.calibration.observers import kl, minmax, mse, percentile
from pyq8.calibration.observers.observer import OBSERVERS, Observer, observer

__all__ = ["OBSERVERS", "Observer", "observer"]

_BUILT_IN = (kl, minmax, mse, percentile)
