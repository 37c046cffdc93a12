"""A MobileNet-like network in which the channels of some depthwise layers spread over 1000x, and images for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from pyq8.types import Array
from tests.small_models import parse, run

WIDTH, WIDE, CLASSES, BATCH = 16, 32, 10, 50


@dataclass(frozen=True)
class SpreadNet:
    """Files: the model, and arrays with labels to calibrate on and to judge by."""

    model: Path
    calib: Path
    data: Path


def write(folder: Path, blocks: int, spread: tuple[int, ...], images: int) -> SpreadNet:
    """The label of an image is FP32's own answer; images of which it is unsure are left out.

    Args:
        folder: where to.
        blocks: how many there are.
        spread: those, from 0, whose depthwise convolution has such channels.
        images: in each of the files, a multiple of 50.
    """
    model = _build(blocks, spread)
    rng = np.random.default_rng(7)
    patterns = rng.standard_normal((4 * CLASSES, 3, 8, 8))
    which = rng.integers(0, len(patterns), 12 * images)
    drawn = (patterns[which] + 0.3 * rng.standard_normal((12 * images, 3, 8, 8))).astype(np.float32)
    (logits,) = run(model, [{"x": batch} for batch in drawn.reshape(-1, BATCH, 3, 8, 8)])
    logits = logits.reshape(-1, CLASSES)
    bias = model.graph.initializers["fc_b"]
    bias.const_value = ir.tensor(-logits.mean(0), name="fc_b")
    logits -= logits.mean(0)
    best = np.sort(logits, axis=1)
    sure = np.argsort(best[:, -2] - best[:, -1], kind="stable")[: 2 * images]
    sure = rng.permutation(sure)
    path = folder / "spread.onnx"
    onnx.save(ir.to_proto(model), path)
    labels = logits.argmax(1)
    files = folder / "calib.npz", folder / "data.npz"
    for file, part in zip(files, (sure[:images], sure[images:]), strict=True):
        np.savez(file, x=drawn[part], labels=labels[part])
    return SpreadNet(path, *files)


def _build(blocks: int, spread: tuple[int, ...]) -> ir.Model:
    rng = np.random.default_rng(3)
    weights: dict[str, Array] = {}

    def weight(name: str, *shape: int) -> Array:
        weights[name] = (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
        return weights[name]

    weight("stem_w", WIDTH, 3, 3, 3)
    lines = ["[stem] s = Conv<pads = [1, 1, 1, 1]>(x, stem_w)  a0 = Clip(s, zero, six)"]
    for i in range(blocks):
        weight(f"e{i}", WIDE, WIDTH, 1, 1)
        depthwise, project = weight(f"d{i}", WIDE, 1, 3, 3), weight(f"p{i}", WIDTH, WIDE, 1, 1)
        if i in spread:
            factors = np.logspace(-3, 0, WIDE, dtype=np.float32)[rng.permutation(WIDE)]
            depthwise *= factors[:, None, None, None]
            project /= factors[None, :, None, None]
        lines.append(f"""
        [expand{i}] b{i} = Conv(a{i}, e{i})  c{i} = Clip(b{i}, zero, six)
        [depthwise{i}] f{i} = Conv<group = {WIDE}, pads = [1, 1, 1, 1]>(c{i}, d{i})  g{i} = Clip(f{i}, zero, six)
        [project{i}] h{i} = Conv(g{i}, p{i})  [add{i}] a{i + 1} = Add(a{i}, h{i})""")
    weight("fc_w", CLASSES, WIDTH)
    weights |= {"zero": np.array(0, np.float32), "six": np.array(6, np.float32)}
    weights["fc_b"] = np.zeros(CLASSES, np.float32)
    text = f"""g (float[{BATCH}, 3, 8, 8] x) => (float[{BATCH}, {CLASSES}] y) {{
        {"".join(lines)}
        z = GlobalAveragePool(a{blocks})  v = Flatten(z)
        [fc] y = Gemm<transB = 1>(v, fc_w, fc_b)
    }}"""
    return parse(text, weights)
