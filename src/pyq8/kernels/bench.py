"""INT16 convolutions against FP32 ones of PyTorch: every distinct convolution of ResNet-50 behind the first.

The quantization of the operands is part of the time, where a training step does it: x and w in the forward convolution,
dy in the gradient of the input; the gradient of the weight takes what both have left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyq8 import kernels
from pyq8.kernels import library
from pyq8.kernels.arguments import compiled, index
from pyq8.kernels.geometry import Conv
from pyq8.kernels.reference import Float32, Int16

DIRECTIONS = ("forward", "backward data", "backward weight")
_SAME = (1, 1, 1, 1)


def resnet50(batch: int) -> list[Conv]:
    """Every distinct convolution behind the first one, 224 pixels (torchvision's: the 3x3 has the stride)."""
    convs = [Conv(batch, 56, 56, 64, 64, 1, 1)]
    channels, size = 64, 56
    for stage, width in enumerate((64, 128, 256, 512)):
        stride = 1 if stage == 0 else 2
        out = 4 * width
        if stage:
            convs.append(Conv(batch, size, size, channels, width, 1, 1))
            convs.append(Conv(batch, size, size, width, width, 3, 3, (2, 2), _SAME))
        convs.append(Conv(batch, size, size, channels, out, 1, 1, (stride, stride)))
        channels, size = out, size // stride
        convs.append(Conv(batch, size, size, out, width, 1, 1))
        convs.append(Conv(batch, size, size, width, width, 3, 3, padding=_SAME))
        if stage:
            convs.append(Conv(batch, size, size, width, out, 1, 1))
    return convs


@dataclass
class Row:
    """Seconds of every round of one convolution, by direction; `torch` is empty where it is not installed."""

    conv: Conv
    ours: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in DIRECTIONS})
    torch: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in DIRECTIONS})


def peak() -> float:
    """The highest rate of the tile here, operands in the first cache: 10^9 operations a second, a product being two."""
    loaded, isa = compiled(), index(library.chosen())
    best, end = 0.0, time.perf_counter() + 0.2
    while time.perf_counter() < end:
        start = time.perf_counter()
        operations = loaded.pyq8_peak(isa, 2000)
        best = max(best, operations / (time.perf_counter() - start) / 1e9)
    return best


def time_convs(convs: list[Conv], rounds: int, bits: int, threads: int) -> Iterator[Row]:
    """Every convolution, its directions in turn with PyTorch's, `rounds` times."""
    kernels.set_threads(threads)
    for conv in convs:
        rng = np.random.default_rng(0)
        x = np.maximum(rng.standard_normal(conv.x_shape, dtype=np.float32), 0)
        w = rng.standard_normal(conv.w_shape, dtype=np.float32) / math.sqrt(conv.r * conv.s * conv.c)
        dy = rng.standard_normal(conv.y_shape, dtype=np.float32) * np.float32(1e-4)
        row = Row(conv)
        calls = [(row.ours, _ours(conv, x, w, dy, bits))]
        if (theirs := _torch(conv, x, w, dy, threads)) is not None:
            calls.append((row.torch, theirs))
        for number in range(rounds + 1):
            for times, functions in calls:
                for name in DIRECTIONS:
                    start = time.perf_counter()
                    kept = functions[name]()
                    if number:  # the first round warms up
                        times[name].append(time.perf_counter() - start)
                    del kept
        yield row


def _ours(conv: Conv, x: Float32, w: Float32, dy: Float32, bits: int) -> dict[str, Callable[[], Any]]:
    options: Any = {"stride": conv.stride, "padding": conv.padding, "bound": 2**bits - 1}
    held: dict[str, tuple[Int16, int]] = {}

    def integers(name: str, array: Float32) -> Int16:
        guess = held[name][1] if name in held else None  # of the round before, as in training
        held[name] = kernels.quantize_tensor(array, bits, guess=guess)
        return held[name][0]

    def scale(a: str, b: str) -> float:
        return 2.0 ** (held[a][1] + held[b][1])

    def forward() -> Any:
        a, b = integers("x", x), integers("w", w)
        return kernels.conv_forward(a, b, scale=scale("x", "w"), **options)

    def backward_data() -> Any:
        a = integers("dy", dy)
        return kernels.conv_backward_data(a, held["w"][0], scale=scale("dy", "w"), input_hw=(conv.h, conv.w), **options)

    def backward_weight() -> Any:
        return kernels.conv_backward_weight(
            held["x"][0], held["dy"][0], scale=scale("x", "dy"), kernel_hw=(conv.r, conv.s), **options
        )

    return dict(zip(DIRECTIONS, (forward, backward_data, backward_weight), strict=True))


def _torch(conv: Conv, x: Float32, w: Float32, dy: Float32, threads: int) -> dict[str, Callable[[], Any]] | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(threads)
    kernels.join_openmp(torch.__path__[0])
    tx, tw, tdy = (torch.from_numpy(array).permute(0, 3, 1, 2) for array in (x, w, dy))  # channels_last
    padding = list(conv.padding[:2])

    def backward(data: bool) -> Any:
        return torch.ops.aten.convolution_backward(
            tdy, tx, tw, None, conv.stride, padding, [1, 1], False, [0, 0], 1, [data, not data, False]
        )

    return dict(
        zip(
            DIRECTIONS,
            (
                lambda: torch.conv2d(tx, tw, None, conv.stride, padding),
                lambda: backward(True),
                lambda: backward(False),
            ),
            strict=True,
        )
    )
