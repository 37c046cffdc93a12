"""Regions of INT8 layers, csrc/int8, without ONNX Runtime: for tests and for timing a layer."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyq8.errors import UsageError
from pyq8.kernels import library
from pyq8.types import Array


@dataclass(frozen=True)
class Loop:
    """Layers that threads compute together, piece by piece.

    Args:
        layers: their numbers in the region.
        costs: of every piece in the order in which they are handed out: multiply-adds, or what takes as long.
    """

    layers: range
    costs: tuple[int, ...]


class Region:
    """A region with one instruction set.

    Args:
        isa: one of `pyq8.kernels.isas()`.
        tensors: the attribute of that name, docs/reference/pyq8-operators.md.
        layers: likewise.
        blob: its constants, uint8, one dimension.

    Raises:
        UsageError: no compiled kernels, or numbers that do not fit; the message names the layer.
    """

    def __init__(self, isa: str, tensors: Sequence[int], layers: Sequence[int], blob: Array) -> None:
        self._handle = ctypes.c_void_p()
        loaded, why = library.load()
        if loaded is None:
            raise UsageError(why)
        self._library = _declare(loaded)
        self._blob = np.ascontiguousarray(blob, np.uint8)
        numbers = [np.asarray(list(n), np.int64) for n in (tensors, layers)]
        sizes = [argument for n in numbers for argument in (n.ctypes.data, n.size)]
        place = ctypes.byref(self._handle)
        _check(loaded.pyq8_region_create(isa.encode(), *sizes, self._blob.ctypes.data, self._blob.size, place))

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Compute the outputs.

        Args:
            inputs: one each, float32 or uint8 as the layers that read them say, contiguous.
            outputs: where they go, contiguous; they may have more room than it takes.

        Raises:
            UsageError: inputs of shapes that do not fit, or outputs without the room.
        """
        shapes = np.array([n for array in inputs for n in array.shape], np.int64)
        ranks = np.array([array.ndim for array in inputs], np.int64)
        sizes = np.array([array.nbytes for array in outputs], np.int64)
        places = [(ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays)) for arrays in (inputs, outputs)]
        numbers = (n.ctypes.data for n in (ranks, shapes))
        _check(self._library.pyq8_region_run(self._handle, places[0], *numbers, places[1], sizes.ctypes.data))

    def division(self, shapes: Sequence[Sequence[int]], threads: int) -> list[Loop]:
        """How a run is divided among threads, without running it.

        Args:
            shapes: of the inputs.
            threads: any number, whatever this machine has.

        Returns:
            The parallel loops in order; a batch that is computed some images at a time has several for each layer.

        Raises:
            UsageError: shapes that do not fit.
        """
        sizes = np.array([n for shape in shapes for n in shape], np.int64)
        ranks = np.array([len(shape) for shape in shapes], np.int64)
        count = ctypes.c_int64()
        numbers = np.empty(0, np.int64)
        for _ in range(2):  # how many there are, then what they are
            numbers = np.empty(count.value, np.int64)
            where = (numbers.ctypes.data, numbers.size, ctypes.byref(count))
            arguments = (self._handle, ranks.ctypes.data, sizes.ctypes.data, threads, *where)
            _check(self._library.pyq8_region_division(*arguments))
        loops, at = [], 0
        while at < numbers.size:
            first, layers, pieces = map(int, numbers[at : at + 3])
            loops.append(Loop(range(first, first + layers), tuple(map(int, numbers[at + 3 : at + 3 + pieces]))))
            at += 3 + pieces
        return loops

    def __del__(self) -> None:
        if self._handle:
            self._library.pyq8_region_destroy(self._handle)


def _check(message: bytes | None) -> None:
    if message is not None:
        raise UsageError(message.decode())


def _declare(loaded: ctypes.CDLL) -> ctypes.CDLL:
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    create, run = loaded.pyq8_region_create, loaded.pyq8_region_run
    create.argtypes = [ctypes.c_char_p, pointer, number, pointer, number, pointer, number, pointer]
    run.argtypes = [pointer] * 6
    create.restype = run.restype = ctypes.c_char_p
    division = loaded.pyq8_region_division
    division.argtypes, division.restype = [pointer] * 3 + [number, pointer, number, pointer], ctypes.c_char_p
    loaded.pyq8_region_destroy.argtypes, loaded.pyq8_region_destroy.restype = [pointer], None
    return loaded
