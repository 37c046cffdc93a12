"""From decoded pixels to the answer: FP32 with its preprocessing in numpy, against INT8 that takes the pixels.

Install: pip install .          (in the folder of the repository)
Run:     python examples/uint8_camera.py [FOLDER]                            the embedded network
         python examples/uint8_camera.py FOLDER MODEL.onnx PHOTOS PRESET     yours, INT8 written to FOLDER
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pyq8
from pyq8.loaders import PRESETS
from pyq8.loaders.datasets import dataset

BATCH = 8
Images = np.ndarray[Any, Any]


def normalize(pixels: Images, how: pyq8.Preprocess) -> Images:
    """What a program does before FP32: uint8 [N, H, W, C] to float32 [N, C, H, W]."""
    if how.color == "bgr":
        pixels = pixels[..., ::-1]
    values = pixels.astype(np.float32) * np.float32(how.scale)
    values = (values - np.asarray(how.mean, np.float32)) / np.asarray(how.std, np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def rates(calls: dict[str, Callable[[], Any]], rounds: int = 5) -> dict[str, float]:
    """Images a second of each, in turn."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            start = time.perf_counter()
            for _ in range(5):
                call()
            found[name].append(5 * BATCH / (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in found.items()}


def main(folder: Path, model: Path, photos: Path, preprocess: pyq8.Preprocess) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"{model.stem}.int8.onnx"
    result = pyq8.quantize(model, photos, preprocess=preprocess, input="uint8")
    result.save(out)
    print(result.report.kernels)

    camera, fp32 = pyq8.session(out, spin=False), pyq8.session(model, spin=False)
    (pixel_input,), (float_input,) = camera.get_inputs(), fp32.get_inputs()
    print(f"{out.name} takes {pixel_input.type} {pixel_input.shape}")
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, *pixel_input.shape[1:])).astype(np.uint8)
    found = rates(
        {
            "FP32": lambda: fp32.run(None, {float_input.name: normalize(pixels, preprocess)}),
            "INT8": lambda: camera.run(None, {pixel_input.name: pixels}),
        }
    )
    for name, rate in found.items():
        print(f"{name}: {rate:.0f} images/s from decoded pixels to the answer")
    print(f"ratio {found['INT8'] / found['FP32']:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 5:
        main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), PRESETS.get(sys.argv[4]))
    else:
        digits = dataset("digits")
        how = pyq8.Preprocess.from_toml(digits / "preprocess.toml")
        with tempfile.TemporaryDirectory() as temporary:
            target = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
            main(target, digits / "digits.onnx", digits / "images", how)
