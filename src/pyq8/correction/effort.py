"""How much work is put into accuracy, beyond choosing ranges."""

from __future__ import annotations

from dataclasses import dataclass

from pyq8.registry import Registry


@dataclass(frozen=True)
class Effort:
    """What `--effort` stands for.

    Args:
        equalize: scale channels so that each uses the levels of its tensor (`correction.equalization`).
        images: calibration images that corrections look at; 0 leaves it at bias correction from the calibration.
        pixels: positions of an image that tell rounding how a layer's inputs vary together.
        layers: how many layers are corrected in one pass over the images; those behind see what was corrected.
    """

    equalize: bool
    images: int
    pixels: int
    layers: int


EFFORTS: Registry[Effort] = Registry("effort")
EFFORTS.register("fast")(Effort(equalize=False, images=0, pixels=0, layers=0))
EFFORTS.register("default")(Effort(equalize=True, images=64, pixels=96, layers=4))
EFFORTS.register("best")(Effort(equalize=True, images=100, pixels=192, layers=4))
