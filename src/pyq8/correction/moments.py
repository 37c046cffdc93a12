"""What rounding and bias correction know of a layer's input: its mean, and how its values vary together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyq8.correction.matrix import WeightMatrix
from pyq8.types import Array

ROWS = 1024
"""Patches that are multiplied at a time."""


class InputMoments:
    """Mean of the patches, from all pixels, and their covariance, from some.

    Args:
        matrix: of the layer.
        pixels: positions of an image that count for the covariance.
    """

    def __init__(self, matrix: WeightMatrix, pixels: int) -> None:
        self._matrix, self._pixels = matrix, pixels
        groups, _, count = matrix.rows.shape
        self._products = np.zeros((groups, count, count), np.float32)
        self._sum = np.zeros((groups, count))
        self._rows = 0
        self._pending: list[Array] = []
        self._mean: npt.NDArray[np.float64] | None = None
        self._images = 0

    def update(self, x: Array, image: int) -> None:
        """Add one image's input of the layer, [1, C, H, W] or [1, K]; `image` is its number."""
        means = self._matrix.mean_patch(x)
        self._mean = means if self._mean is None else self._mean + means
        self._images += 1
        self._pending.append(self._matrix.patches(x, self._pixels, image))
        if sum(p.shape[1] for p in self._pending) >= ROWS:
            self._flush()

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Of the patches, float64 [G, K]."""
        assert self._mean is not None
        return self._mean / self._images

    def covariance(self) -> npt.NDArray[np.float32]:
        """float32 [G, K, K]; to be asked once, as it is made in place."""
        self._flush()
        self._products /= self._rows
        mean = (self._sum / self._rows).astype(np.float32)
        self._products -= mean[:, :, None] * mean[:, None, :]
        return self._products

    def _flush(self) -> None:
        if self._pending:
            patches = np.concatenate(self._pending, axis=1)
            self._pending.clear()
            self._products += np.matmul(patches.transpose(0, 2, 1), patches)
            self._sum += patches.sum(axis=1, dtype=np.float64)
            self._rows += patches.shape[1]
