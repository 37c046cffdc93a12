#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU, x86): its layout optimization makes valid INT8 models that do not load or do not run.
#
# A convolution, a node, a convolution; quantized by onnxruntime's own quantize_static (QDQ, uint8 activations), so that
# both convolutions become QLinearConv, which run channels last. The transpose optimizer moves the Transpose between them
# through the node and permutes its amounts, without regard to
#   - `axes` of Pad and Resize (opset 18): there are fewer amounts than axes;
#   - `keep_aspect_ratio_policy` of Resize, with `sizes`;
#   - the cubic kernel, which takes channels last only where it enlarges.
# Expected: all load and run, as they do with graph_optimization_level = ORT_ENABLE_EXTENDED, which has no layout
# optimization. Seen: with the default, ORT_ENABLE_ALL, an error, or another result.
#
# Exits with 0 while that is so, with 1 as soon as one of them is different.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
cat > show.py <<'PYTHON'
import logging
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

logging.disable(logging.WARNING)
ort.set_default_logger_severity(4)
rng = np.random.default_rng(0)
IMAGES = [rng.standard_normal((1, 3, 12, 12)).astype(np.float32) for _ in range(8)]
SEEN = {
    "Pad axes": "error",
    "Resize axes": "error",
    "Resize aspect ratio": "error",
    "Resize cubic": "error",
    "Resize cubic, larger": "runs",
    "Pad": "runs",
}
NODES = {
    "Pad": (["a", "all"], dict(op_type="Pad", mode="reflect")),
    "Pad axes": (["a", "amounts", "", "axes"], dict(op_type="Pad", mode="reflect")),
    "Resize axes": (["a", "", "half"], dict(op_type="Resize", mode="linear", axes=[2, 3])),
    "Resize aspect ratio": (
        ["a", "", "", "sizes"],
        dict(op_type="Resize", mode="linear", axes=[2, 3], keep_aspect_ratio_policy="not_larger"),
    ),
    "Resize cubic": (["a", "", "halves"], dict(op_type="Resize", mode="cubic")),
    "Resize cubic, larger": (["a", "", "twice"], dict(op_type="Resize", mode="cubic")),
}
CONSTANTS = {
    "w1": rng.standard_normal((16, 3, 3, 3)).astype(np.float32),
    "w2": rng.standard_normal((16, 16, 3, 3)).astype(np.float32),
    "all": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    "amounts": np.array([1, 1, 1, 1]),
    "axes": np.array([2, 3]),
    "half": np.array([0.5, 0.5], np.float32),
    "halves": np.array([1, 1, 0.5, 0.5], np.float32),
    "twice": np.array([1, 1, 2, 2], np.float32),
    "sizes": np.array([9, 24]),
}


class Images(CalibrationDataReader):
    def __init__(self):
        self.left = iter(IMAGES)

    def get_next(self):
        image = next(self.left, None)
        return None if image is None else {"x": image}


def write(inputs, attributes):
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="conv1", **pads),
        helper.make_node(attributes.pop("op_type"), inputs, ["b"], name="node", **attributes),
        helper.make_node("Conv", ["b", "w2"], ["y"], name="conv2", **pads),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 12, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c", "h", "w"])],
        [numpy_helper.from_array(v, k) for k, v in CONSTANTS.items() if k in ("w1", "w2", *inputs)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "fp32.onnx")
    types = dict(activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    quantize_static("fp32.onnx", "int8.onnx", Images(), quant_format=QuantFormat.QDQ, per_channel=True, **types)
    onnx.checker.check_model("int8.onnx", full_check=True)


def run(path, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": IMAGES[0]})[0]


changed = False
print(f"onnxruntime {ort.__version__}, onnx {onnx.__version__}")
for name, (inputs, attributes) in NODES.items():
    write(inputs, dict(attributes))
    expected = run("int8.onnx", "ORT_ENABLE_EXTENDED")
    run("fp32.onnx", "ORT_ENABLE_ALL")
    text = ""
    try:
        found = run("int8.onnx", "ORT_ENABLE_ALL")
        near = found.shape == expected.shape and np.abs(found - expected).mean() < 0.05 * np.abs(expected).mean()
        seen = "runs" if near else "another result"
    except Exception as error:
        seen, text = "error", " ".join(str(error).split())[:200]
    print(f"{name}: ORT_ENABLE_EXTENDED runs, ORT_ENABLE_ALL: {seen} {text}")
    changed |= seen != SEEN[name]
sys.exit(changed)
PYTHON
"$folder/venv/bin/python" show.py
