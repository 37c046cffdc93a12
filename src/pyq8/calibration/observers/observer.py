"""What an observer is: a way to choose a range from statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyq8.registry import Registry
from pyq8.stats import TensorStats
from pyq8.types import QType

Choose = Callable[[TensorStats, QType], tuple[float, float]]


@dataclass(frozen=True)
class Observer:
    """A named way to choose the range [low, high] of a tensor.

    Args:
        name: as on the command line.
        needs_histogram: whether the ends alone are not enough.
        choose: (statistics, integer type) -> (low, high), inside [min, max].
    """

    name: str
    needs_histogram: bool
    choose: Choose


OBSERVERS: Registry[Observer] = Registry("observer")


def observer(name: str, *, needs_histogram: bool = True) -> Callable[[Choose], Choose]:
    """Decorator: register a function as an observer."""

    def add(choose: Choose) -> Choose:
        OBSERVERS.register(name)(Observer(name, needs_histogram, choose))
        return choose

    return add
