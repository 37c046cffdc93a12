"""Quantize from Python: the embedded network, images from a generator, the result as data.

Install: pip install .          (in the folder of the repository)
Run:     python examples/library_call.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import pyq8
from pyq8.loaders.datasets import dataset


def images(folder: Path) -> Iterator[np.ndarray[Any, Any]]:
    """Batches as your own code would make them: float32 [N, 1, 32, 32]; sizes may vary."""
    files = sorted(folder.glob("calib_*.png"))
    for start in range(0, len(files), 16):
        pixels = [np.asarray(Image.open(file), np.float32) for file in files[start : start + 16]]
        yield ((np.stack(pixels)[:, None] / 255 - 0.5) / 0.5).astype(np.float32)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    digits = dataset("digits")
    model, out = digits / "digits.onnx", folder / "digits.int8.onnx"

    result = pyq8.quantize(model, images(digits / "images"))
    result.save(out)
    print(result.report.kernels)
    assert result.report.layers is not None
    for layer in result.report.layers.rows[:3]:
        print(f"{layer.sqnr:.1f} dB  {layer.node}")
    for name, reason in result.plan.float_nodes.items():
        print(f"{name} stays FP32: {reason}")

    verdict = pyq8.check(
        model,
        out,
        digits / "images",
        preprocess=pyq8.Preprocess.from_toml(digits / "preprocess.toml"),
        max_drop=0.5,
    )
    print("\n".join(verdict.reasons))

    session = pyq8.session(out)  # an ordinary onnxruntime.InferenceSession
    (logits,) = session.run(None, {"image": next(images(digits / "images"))})
    print("first images:", np.argmax(logits, axis=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
