"""The sizes of a convolution: what every implementation is called with."""

from __future__ import annotations

from dataclasses import dataclass

from pyq8.errors import UsageError

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]


@dataclass(frozen=True)
class Conv:
    """x [n, h, w, c] with weights [k, r, s, c / groups] gives y [n, ho, wo, k].

    Args:
        stride: rows, columns.
        padding: zeros above, left, below, right.
        dilation: rows, columns.

    Raises:
        UsageError: sizes that do not fit one another; the message names them.
    """

    n: int
    h: int
    w: int
    c: int
    k: int
    r: int
    s: int
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        if self.groups < 1 or self.c % self.groups or self.k % self.groups:
            raise UsageError(f"{self.c} input and {self.k} output channels do not divide into {self.groups} groups")
        if min(self.n, self.c, self.k, self.r, self.s) < 1:
            raise UsageError(f"an empty convolution: {self.n} images, kernel {self.k} x {self.r} x {self.s} x {self.c}")
        if min(*self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise UsageError(
                f"stride {self.stride}, dilation {self.dilation} must be at least 1, padding {self.padding} at least 0"
            )
        if self.ho < 1 or self.wo < 1:
            raise UsageError(f"a {self.r} x {self.s} kernel does not fit {self.h} x {self.w} pixels; pad them")

    @property
    def ho(self) -> int:
        """Rows of y."""
        return (self.h + self.padding[0] + self.padding[2] - self.dilation[0] * (self.r - 1) - 1) // self.stride[0] + 1

    @property
    def wo(self) -> int:
        """Columns of y."""
        return (self.w + self.padding[1] + self.padding[3] - self.dilation[1] * (self.s - 1) - 1) // self.stride[1] + 1

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        """[n, h, w, c]."""
        return self.n, self.h, self.w, self.c

    @property
    def w_shape(self) -> tuple[int, int, int, int]:
        """[k, r, s, c / groups]."""
        return self.k, self.r, self.s, self.c // self.groups

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        """[n, ho, wo, k]."""
        return self.n, self.ho, self.wo, self.k

    @property
    def macs(self) -> int:
        """Multiply-adds of each of the three directions, padding included."""
        return self.n * self.ho * self.wo * self.k * self.r * self.s * self.c // self.groups
