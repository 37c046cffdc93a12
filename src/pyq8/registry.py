"""Name -> object, filled by the modules that define the objects."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from typing import Generic, TypeVar

from pyq8.errors import UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Objects of one kind by name; an unknown name is answered with the nearest ones.

    Args:
        kind: what the objects are, for messages: "observer", "metric".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: file the object under `name`."""

        def add(item: T) -> T:
            if name in self._items:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._items[name] = item
            return item

        return add

    def get(self, name: str) -> T:
        """The object called `name`.

        Raises:
            UsageError: nothing has that name.
        """
        try:
            return self._items[name]
        except KeyError:
            raise UsageError(f"unknown {self.kind} {name!r}; {hint(name, sorted(self._items))}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)


def hint(name: str, known: Collection[str]) -> str:
    """What to say of an unknown name: the one that was meant, or all there are."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
