"""What a loader yields."""

from __future__ import annotations

from dataclasses import dataclass

from pyq8.types import Feeds


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs of one run of the model.

    Args:
        feeds: input name -> array of the model's dtype; axis 0 is the batch, C-contiguous.
        labels: class index of every sample, None where there is none.
        names: file name (images) or index (arrays) of every sample.
    """

    feeds: Feeds
    labels: tuple[int | None, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)
