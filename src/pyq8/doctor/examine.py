"""Run every case in ONNX Runtime and in pyq8's own kernels, and compare with what integer arithmetic says."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pyq8 import cpu
from pyq8.doctor import elementwise, products
from pyq8.doctor.case import KERNELS, MICROSOFT, Case
from pyq8.errors import ModelError
from pyq8.types import Array

FILLED = (elementwise, products)
"""The modules that fill `KERNELS`."""
ONNXRUNTIME = "onnxruntime"


@dataclass(frozen=True)
class Examined:
    """What one kernel computed.

    Attributes:
        kernel: of `KERNELS`.
        runtime: "onnxruntime", or an instruction set of pyq8's own kernels.
        cases: how many were run; 0: this runtime has no such kernel.
        wrong: how many of them were wrong.
        example: the first that was, "" for none.
    """

    kernel: str
    runtime: str
    cases: int
    wrong: int
    example: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def examine(seed: int = 0, progress: Callable[[], None] | None = None) -> list[Examined]:
    """Every kernel, in every runtime that this machine has.

    Args:
        seed: of the tensors.
        progress: called behind every kernel of every runtime.
    """
    from pyq8 import kernels

    found = []
    for name in KERNELS:
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        cases = KERNELS.get(name)(rng, cpu.cpu_class().saturates)
        for runtime in (ONNXRUNTIME, *kernels.isas()):
            found.append(examine_cases(name, cases, runtime))
            if progress is not None:
                progress()
    return found


def examine_cases(kernel: str, cases: Sequence[Case], runtime: str) -> Examined:
    """Run cases together, as one model.

    Args:
        kernel: what they are of.
        cases: at least one.
        runtime: see `Examined`.
    """
    import onnx_ir as ir

    from pyq8.rewrite.region.fuse import fuse
    from pyq8.runtime.sessions import model_session, run

    model = ir.from_proto(_model(cases))
    kept = list(range(len(cases)))
    if runtime != ONNXRUNTIME:
        fuse(model, alone=True)
        kept = [i for i in kept if any(v.name == f"y{i}" and _is_ours(v) for v in model.graph.outputs)]
        if not kept:
            return Examined(kernel, runtime, 0, 0)
    feeds = {f"i{i}_{j}": case.inputs[j] for i, case in enumerate(cases) for j in case.fed}
    try:
        with _kernels_of(runtime):
            session = model_session(model, exact=False)
        outputs = run(session, [f"y{i}" for i in kept], {k: v for k, v in feeds.items() if v is not None}, kernel)
    except ModelError as error:
        return Examined(kernel, runtime, len(kept), len(kept), str(error))
    faults = [fault for i, y in zip(kept, outputs, strict=True) if (fault := _fault(cases[i], y))]
    return Examined(kernel, runtime, len(kept), len(faults), faults[0] if faults else "")


def _model(cases: Sequence[Case]) -> Any:
    from onnx import helper, numpy_helper

    def info(name: str, array: Array) -> Any:
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)

    nodes, inputs, outputs, constants = [], [], [], []
    for i, case in enumerate(cases):
        names = ["" if array is None else f"i{i}_{j}" for j, array in enumerate(case.inputs)]
        for j, array in enumerate(case.inputs):
            if array is not None and j in case.fed:
                inputs.append(info(names[j], array))
            elif array is not None:
                constants.append(numpy_helper.from_array(array, names[j]))
        nodes.append(helper.make_node(case.op_type, names, [f"y{i}"], f"n{i}", domain=case.domain, **case.attributes))
        outputs.append(info(f"y{i}", case.expected))
    graph = helper.make_graph(nodes, "doctor", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _is_ours(value: Any) -> bool:
    made = value.producer()
    while made is not None and made.domain != "pyq8":
        made = made.inputs[0].producer() if made.op_type in ("Identity", "Reshape") and made.inputs[0] else None
    return made is not None


@contextmanager
def _kernels_of(runtime: str) -> Iterator[None]:
    """PYQ8_ISA, which the operator reads when it is made."""
    before = os.environ.get("PYQ8_ISA")
    if runtime != ONNXRUNTIME:
        os.environ["PYQ8_ISA"] = runtime
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYQ8_ISA", None)
        else:
            os.environ["PYQ8_ISA"] = before


def _fault(case: Case, found: Array) -> str:
    """What is wrong with an output, "" for nothing."""
    if found.shape != case.expected.shape or found.dtype != case.expected.dtype:
        return f"{_describe(case)}: {found.dtype} {found.shape} instead of {case.expected.dtype} {case.expected.shape}"
    off = np.abs(found.astype(np.float64) - case.expected.astype(np.float64))
    wrong = int((off > case.steps).sum())
    return f"{_describe(case)}: {wrong} of {off.size} values, by up to {off.max():g}" if wrong else ""


def _describe(case: Case) -> str:
    shapes = " and ".join("x".join(map(str, a.shape)) for a in case.inputs if a is not None and a.ndim > 1)
    return f"{case.op_type} of {shapes}"
