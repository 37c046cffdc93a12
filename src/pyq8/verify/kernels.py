"""Intent is not proof: read the graph that ONNX Runtime really executes, and map it back.

The graph after all optimizations is written by ONNX Runtime itself.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyq8 import cpu
from pyq8.errors import ModelError
from pyq8.graph_edit import OUTSIDE
from pyq8.model.fallback import REGION
from pyq8.ops.fast_path import missed_condition
from pyq8.runtime.executed import find_executed, with_names

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir
    import onnxruntime

INT8_KERNELS = frozenset(
    "QLinearConv QLinearMatMul QGemm QLinearAdd QLinearMul QLinearConcat QLinearAveragePool "
    "QLinearGlobalAveragePool QLinearSigmoid QLinearLeakyRelu QLinearSoftmax ConvInteger MatMulInteger "
    "MatMulIntegerToFloat DynamicQuantizeMatMul QLinearReduceMean QLinearWhere".split()
)
CONVOLUTIONS = frozenset({"Conv", "QLinearConv", "ConvInteger", "ConvTranspose", "FusedConv", "NhwcFusedConv"})
MOVING = frozenset(
    "MaxPool NhwcMaxPool Reshape Flatten Transpose Squeeze Unsqueeze Slice Split Resize Pad Gather DepthToSpace "
    "SpaceToDepth Identity Expand Tile Concat".split()
)
"""Operators whose output has the type of their first input."""
FLOAT_RESULT = frozenset({"ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"})
"""INT8 kernels that write no 8-bit tensor."""
QGEMM_OUTPUT_SCALE = 7
"""Without this input, QGemm writes float32."""
_BOUNDARY = frozenset({"QuantizeLinear", "DequantizeLinear"})


@dataclass(frozen=True)
class KernelRow:
    """One node of the model file.

    Args:
        node: its name.
        op_type: its operator in the file.
        kernel: the operator that runs, with its domain; "" where it was fused into another or folded.
        int8: whether integers are computed or moved.
        fast: for a convolution in INT8, whether it is on MLAS's fast path; None for all others.
        reason: why it is FP32, which condition of the fast path it misses, or why no region computes it.
    """

    node: str
    op_type: str
    kernel: str
    int8: bool
    fast: bool | None
    reason: str


@dataclass(frozen=True)
class KernelReport:
    """Every node of a model and the kernel that runs it on this machine."""

    rows: tuple[KernelRow, ...]

    @property
    def convolutions(self) -> tuple[KernelRow, ...]:
        """The rows of convolutions."""
        return tuple(r for r in self.rows if r.op_type in CONVOLUTIONS)

    @property
    def int8_convolutions(self) -> int:
        """How many convolutions compute in INT8."""
        return sum(r.int8 for r in self.convolutions)

    @property
    def fast_convolutions(self) -> int:
        """How many of them are on the fast path."""
        return sum(bool(r.fast) for r in self.convolutions)

    def __str__(self) -> str:
        total, int8, fast = len(self.convolutions), self.int8_convolutions, self.fast_convolutions
        return f"{int8}/{total} convolutions on INT8 kernels, {fast} on the fast path"

    def reasons(self) -> dict[str, int]:
        """Why nodes run in FP32: reason -> number of nodes."""
        return dict(Counter(r.reason for r in self.rows if not r.int8 and r.reason))

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {
            "convolutions": len(self.convolutions),
            "int8_convolutions": self.int8_convolutions,
            "fast_convolutions": self.fast_convolutions,
            "rows": [asdict(r) for r in self.rows],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KernelReport:
        """The inverse of `to_json`."""
        return cls(tuple(KernelRow(**row) for row in data["rows"]))


def find_kernels(model: ir.Model, reasons: Mapping[str, str] | None = None) -> KernelReport:
    """What runs every node; see `load_kernels`."""
    return load_kernels(model, reasons)[0]


def load_kernels(
    model: ir.Model, reasons: Mapping[str, str] | None = None
) -> tuple[KernelReport, onnxruntime.InferenceSession]:
    """Load the model in ONNX Runtime, and report what runs every node of it; its session.

    Args:
        model: as it is in the file, FP32 or quantized.
        reasons: node name -> why the plan left it FP32.

    Raises:
        ModelError: ONNX Runtime cannot load it.
    """
    import onnx

    from pyq8.runtime.sessions import model_session

    model = with_names(model)
    with tempfile.TemporaryDirectory(prefix="pyq8-") as folder:
        path = Path(folder) / "executed.onnx"
        session = model_session(model, optimized_path=path, spin=False)
        executed = onnx.load(path, load_external_data=False)
    initializers = {t.name: t for t in executed.graph.initializer}
    found = find_executed(model.graph, executed.graph.node)
    region = [v for n in model.graph if (n.domain, n.op_type) == REGION for v in n.outputs]
    integer = _integer_values(executed, {v.name or "" for v in region if v.dtype is not None and v.dtype.bitwidth == 8})
    rows = []
    for node in model.graph:
        if node.op_type in _BOUNDARY or node.op_type == "Constant" or _copies(node):
            continue
        if (node.domain, node.op_type) == REGION:
            rows += _region_rows(node)
            continue
        name = node.name or ""
        rows.append(_row(node, found.get(name), integer, initializers, (reasons or {}).get(name, "")))
    return KernelReport(tuple(rows)), session


def check_float(report: KernelReport, reasons: Mapping[str, str]) -> None:
    """Refuse a model of which ONNX Runtime computes a node in INT8 that was to stay FP32.

    Args:
        report: of the quantized model.
        reasons: node name -> why the plan left it FP32.

    Raises:
        ModelError: naming the first of them.
    """
    for row in report.rows:
        if row.node in reasons and row.int8 and row.kernel.rpartition(".")[2] in INT8_KERNELS:
            raise ModelError(
                f"node {row.node!r} is to stay FP32 ({reasons[row.node]}), but ONNX Runtime runs it in INT8, as "
                f"{row.kernel}; nothing was written; exclude the nodes beside it too, and please report it"
            )


def _region_rows(node: ir.Node) -> list[KernelRow]:
    """A row for every node that a region computes, as its attribute `names` says; without it one for the region."""
    kernel, names = ".".join(REGION), node.attributes.get("names")
    if names is None:
        return [KernelRow(node.name or "", node.op_type, kernel, True, None, "")]
    found = []
    lines = (line for layer in names.as_strings() for line in layer.splitlines())
    for line in dict.fromkeys(lines):  # several layers may compute one
        op_type, _, name = line.partition(" ")
        if op_type not in _BOUNDARY:
            found.append(KernelRow(name, op_type, kernel, True, op_type in CONVOLUTIONS or None, ""))
    return found


def _copies(node: ir.Node) -> bool:
    """Whether it only keeps ONNX Runtime from quantizing the node behind it, see rewrite."""
    return node.op_type == "Sum" and len(node.inputs) == 1


def _row(
    node: ir.Node,
    runs: onnx.NodeProto | None,
    integer: set[str],
    initializers: Mapping[str, onnx.TensorProto],
    planned: str,
) -> KernelRow:
    name = node.name or ""
    if runs is None:
        moves = node.op_type in MOVING and any(v.dtype is not None and v.dtype.bitwidth == 8 for v in node.outputs)
        return KernelRow(name, node.op_type, "", node.op_type in INT8_KERNELS or moves, None, planned)
    kernel = f"{runs.domain}.{runs.op_type}" if runs.domain else runs.op_type
    moved = any(o in integer for o in runs.output)
    if runs.op_type not in INT8_KERNELS and not moved:
        return KernelRow(name, node.op_type, kernel, False, None, planned or _fp32_reason(node))
    outside = node.metadata_props.get(OUTSIDE, "")
    outside = outside and f"outside of the regions: {outside}"
    if runs.op_type != "QLinearConv":
        return KernelRow(name, node.op_type, kernel, True, None, outside)
    missed = slow_reason(runs, initializers)
    return KernelRow(name, node.op_type, kernel, True, not missed, missed or outside)


def _fp32_reason(node: ir.Node) -> str:
    sources = [v.producer() for v in node.inputs if v is not None]
    if any(p is not None and p.op_type == "DequantizeLinear" for p in sources):
        return "ONNX Runtime did not fuse it with the quantization around it"
    return ""


def slow_reason(node: onnx.NodeProto, initializers: Mapping[str, onnx.TensorProto]) -> str:
    """Which condition of MLAS's fast QLinearConv a node misses; "" for none.

    The weights must be int8 with zero point 0; the rest is in `pyq8.ops.fast_path`.
    """
    weight, zero_point = initializers.get(node.input[3]), initializers.get(node.input[5])
    if weight is not None and weight.data_type == 2 and cpu.cpu_class().saturates:
        return "its weight runs as uint8: pairs of int8 products could saturate on this CPU"
    if weight is None or weight.data_type != 3 or zero_point is None:
        return "its weight is not a constant int8"
    if any(zero_point.raw_data) or any(zero_point.int32_data):
        return "its weight has a zero point"
    group = next((a.i for a in node.attribute if a.name == "group"), 1)
    return missed_condition(group, weight.dims[1], weight.dims[0])


def _integer_values(executed: onnx.ModelProto, regions: set[str]) -> set[str]:
    """Names of the 8-bit tensors: what Q, regions and the INT8 kernels write, and what only moves it on."""
    found = regions | {t.name for t in executed.graph.input if t.type.tensor_type.elem_type in (2, 3)}
    for node in executed.graph.node:
        writes = node.op_type == "QuantizeLinear" or (node.op_type in INT8_KERNELS - FLOAT_RESULT)
        if node.op_type == "QGemm":
            writes = len(node.input) > QGEMM_OUTPUT_SCALE and bool(node.input[QGEMM_OUTPUT_SCALE])
        if writes or (node.op_type in MOVING and node.input and node.input[0] in found):
            found.update(node.output)
    return found
