"""The central types: what the stages hand to one another.

All are frozen, print well and round-trip JSON (`to_json` / `from_json` speak plain dicts and lists).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Feeds = dict[str, Array]


@dataclass(frozen=True)
class QType:
    """An integer type together with the part of its range that is used.

    Args:
        name: how it is called in plans.
        dtype: the numpy (and ONNX) element type.
        qmin: smallest value used.
        qmax: largest value used.
    """

    name: str
    dtype: str
    qmin: int
    qmax: int


UINT8 = QType("uint8", "uint8", 0, 255)
INT8 = QType("int8", "int8", -127, 127)
PAIRED = QType("int8_paired", "int8", -127, 127)
"""Weights for CPUs without VNNI: no two of them that AVX2 adds in 16 bits go beyond these (`pyq8.saturation`)."""
INT7 = QType("int7", "int8", -63, 63)
"""What plans of pyq8 0.1.0 call the weights of `--target avx2`."""
INT32 = QType("int32", "int32", -(2**31), 2**31 - 1)
REGIONS = "pyq8"
"""The format that is QOperator with regions, which pyq8's own INT8 kernels run."""
TABLE = "a region computes it in a table of 256 codes"
"""Why a node of a chain between INT8 nodes is none of them: it is FP32 only where no region computes it."""
QTYPES = {t.name: t for t in (UINT8, INT8, PAIRED, INT7, INT32)}


@dataclass(frozen=True, eq=False)
class QParams:
    """real = scale * (q - zero_point).

    >>> QParams(np.float32(0.5), np.int32(10), UINT8).range
    (-5.0, 122.5)

    Args:
        scale: float32, shape () per tensor or (C,) per channel, positive.
        zero_point: int32 of the same shape.
        qtype: the integer type.
        axis: the channel axis, None per tensor.
    """

    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int32]
    qtype: QType
    axis: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QParams) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.scale.tobytes(), self.zero_point.tobytes(), self.qtype, self.axis))

    def __str__(self) -> str:
        if self.axis is not None:
            low, high = self.scale.min(), self.scale.max()
            return f"{self.qtype.name} axis={self.axis} scale={low:.3g}..{high:.3g}"
        low, high = self.range
        return f"{self.qtype.name} [{low:.4g}, {high:.4g}] zero_point={int(self.zero_point)}"

    @property
    def range(self) -> tuple[float, float]:
        """The real values that the ends of a per-tensor range stand for."""
        low = (self.qtype.qmin - int(self.zero_point)) * float(self.scale)
        return low, (self.qtype.qmax - int(self.zero_point)) * float(self.scale)

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back bit for bit."""
        return {
            "scale": self.scale.astype(float).tolist(),
            "zero_point": self.zero_point.tolist(),
            "qtype": self.qtype.name,
            "axis": self.axis,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> QParams:
        """The inverse of `to_json`."""
        scale = np.asarray(data["scale"], dtype=np.float32)
        return cls(scale, np.asarray(data["zero_point"], dtype=np.int32), QTYPES[data["qtype"]], data["axis"])


@dataclass(frozen=True)
class Config:
    """What the user chose; every default is the best measured one.

    Args:
        observer: how a tensor's range is chosen: percentile, mse, kl, minmax.
        weight_type: INT8 where the CPU has VNNI, PAIRED where it has not.
        exclude: node names or patterns (fnmatch) that stay FP32.
        format: "qdq", "qoperator" or "pyq8".
        bias_correction: put the mean of the weights' rounding error back into the bias.
        placement: "cost" leaves FP32 what is estimated faster there; "all" is INT8 wherever there is a kernel.
        effort: how much work is put into accuracy: "fast", "default" or "best".
    """

    observer: str = "percentile"
    weight_type: QType = INT8
    exclude: tuple[str, ...] = ()
    format: str = "qdq"
    bias_correction: bool = True
    placement: str = "cost"
    effort: str = "default"


@dataclass(frozen=True)
class Plan:
    """Which tensor gets which parameters, which node stays FP32, and why. Pure data.

    Args:
        qparams: tensor name -> parameters, for activations (uint8) and weights (int8). A convolution's
            bias is derived: int32 at scale_x * scale_w.
        int8_nodes: names of the nodes that compute in INT8.
        float_nodes: node name -> why it stays FP32, or TABLE.
        absorbed: name of a Relu / Clip -> the INT8 node whose saturation computes it.
        bias_shift: node name -> float32 (C,) to add to its bias (bias correction).
        codes: weight name -> the integers that stand for it, where they are not the nearest ones.
        channel_factors: tensor name -> float32 (C,) by which its channels were scaled (equalization) in the model that
            this plan is for.
    """

    qparams: Mapping[str, QParams]
    int8_nodes: tuple[str, ...]
    float_nodes: Mapping[str, str]
    absorbed: Mapping[str, str] = field(default_factory=dict)
    bias_shift: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    codes: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    channel_factors: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # holds mappings

    def __str__(self) -> str:
        lines = [f"{len(self.int8_nodes)} nodes INT8, {len(self.float_nodes)} nodes FP32"]
        lines += [f"  {name}: {qparams}" for name, qparams in self.qparams.items()]
        lines += [f"  {name}: FP32, {reason}" for name, reason in self.float_nodes.items()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back bit for bit."""
        return {
            "int8_nodes": list(self.int8_nodes),
            "float_nodes": dict(self.float_nodes),
            "absorbed": dict(self.absorbed),
            "qparams": {name: q.to_json() for name, q in self.qparams.items()},
            "bias_shift": {name: v.astype(float).tolist() for name, v in self.bias_shift.items()},
            "channel_factors": {name: v.astype(float).tolist() for name, v in self.channel_factors.items()},
            "codes": {name: pack_codes(v) for name, v in self.codes.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The inverse of `to_json`."""
        return cls(
            qparams={name: QParams.from_json(q) for name, q in data["qparams"].items()},
            int8_nodes=tuple(data["int8_nodes"]),
            float_nodes=dict(data["float_nodes"]),
            absorbed=dict(data["absorbed"]),
            bias_shift={name: np.asarray(v, np.float32) for name, v in data["bias_shift"].items()},
            channel_factors={name: np.asarray(v, np.float32) for name, v in data["channel_factors"].items()},
            codes={name: unpack_codes(v) for name, v in data["codes"].items()},
        )


def pack_codes(codes: npt.NDArray[np.int8]) -> dict[str, Any]:
    """Integers as text: shape, and the bytes deflated (RFC 1950) in base64."""
    packed = zlib.compress(np.ascontiguousarray(codes).tobytes(), 1)
    return {"shape": list(codes.shape), "deflated": base64.b64encode(packed).decode("ascii")}


def unpack_codes(data: Mapping[str, Any]) -> npt.NDArray[np.int8]:
    """The inverse of `pack_codes`.

    Raises:
        ValueError: neither base64 nor deflated, or not as many integers as the shape says.
        KeyError: no shape, or no data.
    """
    try:
        raw = zlib.decompress(base64.b64decode(data["deflated"], validate=True))
    except zlib.error:
        raise ValueError("the integers cannot be inflated") from None
    return np.asarray(np.frombuffer(raw, np.int8).reshape(data["shape"]))
