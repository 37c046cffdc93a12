"""What rounding and bias correction know of a layer's input: its mean, and how its values vary together.

The input of an INT8 layer is codes. Their sums, and the sums of their products, are whole numbers and computed as such:
neither the order nor the CPU changes them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyq8.correction.matrix import WeightMatrix
from pyq8.kernels.gram import add_gram
from pyq8.types import Array, QParams

ROWS = 1024
"""Patches that are multiplied at a time."""

Seen = tuple[npt.NDArray[np.float64], Array]
"""Of one image: the mean of its patches, float64 [G, K], and some of them, uint8 [G, positions, K]."""


class InputMoments:
    """Mean of the patches, from all pixels, and their covariance, from some.

    Args:
        matrix: of the layer.
        qparams: of its input.
        pixels: positions of an image that count for the covariance; times images, at most `kernels.gram.MOST`.
    """

    def __init__(self, matrix: WeightMatrix, qparams: QParams, pixels: int) -> None:
        self._matrix, self._pixels = matrix, pixels
        self._scale, self._zero = float(qparams.scale), int(qparams.zero_point)
        groups, _, count = matrix.rows.shape
        self._products = np.zeros((groups, count, count), np.int32)
        self._sum = np.zeros((groups, count), np.int32)
        self._rows = 0
        self._pending: list[Array] = []
        self._mean = np.zeros((groups, count))
        self._images = 0

    def look(self, codes: Array, image: int) -> Seen:
        """At one image's input of the layer, uint8 [N, C, H, W] or [N, K]; changes nothing. `image` is its number."""
        patches = self._matrix.patches(codes, self._pixels, image, fill=self._zero)
        return self._matrix.mean_patch(codes, self._zero), patches

    def add(self, seen: Seen) -> None:
        """Count what an image showed; in the order of the images."""
        mean, patches = seen
        self._mean += mean
        self._images += 1
        self._pending.append(patches)

    def take(self, least: int = ROWS) -> Array | None:
        """What was added and is not multiplied yet, if it is as many patches; to `multiply` all parts of."""
        if not self._pending or sum(len(p[0]) for p in self._pending) < least:
            return None
        patches = np.concatenate(self._pending, axis=1)
        self._pending.clear()
        self._rows += patches.shape[1]
        return patches

    def multiply(self, patches: Array, part: int = 0, parts: int = 1) -> None:
        """Count a part of the products of patches; parts may be counted at the same time."""
        add_gram(self._products, self._sum, patches, self._zero, part, parts)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Of the patches, float64 [G, K]."""
        return self._mean / self._images * self._scale

    def covariance(self) -> npt.NDArray[np.float32]:
        """float32 [G, K, K], in units of the codes; to be asked once."""
        left = self.take(least=1)
        if left is not None:
            self.multiply(left)
        mean = (self._sum / self._rows).astype(np.float32)
        found = self._products.astype(np.float32)
        del self._products  # as large as what is made of it
        found /= self._rows
        found -= mean[:, :, None] * mean[:, None, :]
        found = np.triu(found)
        found += np.triu(found, 1).transpose(0, 2, 1)
        return found
