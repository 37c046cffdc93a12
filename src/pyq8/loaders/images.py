"""Which images are meant, and what is done to them: what every public call takes, handed on as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyq8.loaders.inputs import InputSpec
from pyq8.loaders.loader import Loader
from pyq8.loaders.preprocess import Preprocess
from pyq8.loaders.source import open_loader


@dataclass(frozen=True)
class Images:
    """Images or arrays, not opened yet; the fields are the arguments of `open_loader`.

    Args:
        data: a path, arrays, or an iterable of them.
        preprocess: of images, or the name of a preset; None guesses it.
        samples: how many to take, None for all.
        split: which rows of labels.csv.
        seed: None for the first ones, a number draws them at random.
        skip_bad: leave unreadable images out instead of stopping.
    """

    data: str | Path | Iterable[Any]
    preprocess: Preprocess | str | None = None
    samples: int | None = None
    split: str = "calib"
    seed: int | None = None
    skip_bad: bool = False

    def open(self, specs: Sequence[InputSpec]) -> Loader:
        """Their loader, for the inputs of a model.

        Raises:
            DataError: see `open_loader`.
            UsageError: likewise.
        """
        return open_loader(
            self.data,
            specs,
            preprocess=self.preprocess,
            split=self.split,
            samples=self.samples,
            seed=self.seed,
            skip_bad=self.skip_bad,
        )
