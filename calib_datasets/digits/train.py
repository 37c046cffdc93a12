"""Make the embedded data set and its network: the PNG files, labels.csv and digits.onnx.

Install (CPU build of torch; Python 3.11 or newer)::

    pip install torch==2.13.0 onnx onnxruntime numpy pillow scikit-learn

Run from anywhere; about two minutes on two cores::

    python train.py

Reads `preprocess.toml` beside this file. Writes, beside this file:

- `images/*.png`: 400 handwritten digits, 8-bit grey, 32x32, none of which is used for training;
- `images/labels.csv`: columns `file,label,split`; 100 `calib` and 300 `val` rows, each class equally often;
- `digits.onnx`: a small conv net, trained on the other 1,397 digits and exported unoptimized, so that its
  BatchNormalization and Pad nodes are still there to be folded.

The splits depend on nothing but `SPLIT_SEED`. The weights are those of the last epoch: `val` selects nothing,
it is only measured, and through the files on disk (PNG, TOML, ONNX), as a user of the files would.
"""

from __future__ import annotations

import csv
import time
import warnings
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import tomllib
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own name for it)

HERE = Path(__file__).resolve().parent
IMAGES = HERE / "images"
LABELS = IMAGES / "labels.csv"
MODEL = HERE / "digits.onnx"
PREPROCESS = HERE / "preprocess.toml"

SIDE = 32
CLASSES = 10
CALIB_PER_CLASS = 10
VAL_PER_CLASS = 30
SPLIT_SEED = 2024

SEED = 7
THREADS = 2
EPOCHS = 16
BATCH = 32
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.05
OPSET = 17

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


# ---------------------------------------------------------------------------------------------------------
# Data
# ---------------------------------------------------------------------------------------------------------


class Split(NamedTuple):
    """Positions in scikit-learn's array, disjoint and sorted."""

    train: Labels
    calib: Labels
    val: Labels


def choose_split(labels: Labels) -> Split:
    """Draw `CALIB_PER_CLASS` + `VAL_PER_CLASS` images of every class; the rest is for training."""
    rng = np.random.RandomState(SPLIT_SEED)  # the legacy generator: its stream never changes with numpy
    calib, val = [], []
    for digit in range(CLASSES):
        shuffled = rng.permutation(np.flatnonzero(labels == digit))
        calib.append(shuffled[:CALIB_PER_CLASS])
        val.append(shuffled[CALIB_PER_CLASS : CALIB_PER_CLASS + VAL_PER_CLASS])
    held_out = np.concatenate(calib + val)
    train = np.setdiff1d(np.arange(len(labels)), held_out)
    return Split(train, np.sort(np.concatenate(calib)), np.sort(np.concatenate(val)))


def render(digit: npt.NDArray[np.float64]) -> Image.Image:
    """An 8x8 array of 0..16 as a 32x32 image of 0..255, bicubic."""
    small = np.rint(digit * (255 / 16)).astype(np.uint8)
    return Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def write_images(images: list[Image.Image], labels: Labels, split: Split) -> None:
    """Write the held-out images as PNG files, and labels.csv; remove PNG files of an earlier run."""
    IMAGES.mkdir(exist_ok=True)
    for stale in IMAGES.glob("*.png"):
        stale.unlink()
    rows = []
    for name, positions in (("calib", split.calib), ("val", split.val)):
        for position in positions:
            file = f"{name}_{position:04d}.png"
            images[position].save(IMAGES / file, optimize=True)
            rows.append((file, int(labels[position]), name))
    with LABELS.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("file", "label", "split"))
        writer.writerows(rows)


def preprocess(image: Image.Image, steps: dict[str, Any]) -> Floats:
    """What preprocess.toml says, spelled out: float32 [1, 32, 32]."""
    gray = image.convert("L")
    assert gray.size == (steps["crop"][1], steps["crop"][0]), "resize and crop have nothing to do here"
    x = np.asarray(gray, np.float32) * np.float32(steps["scale"])
    return ((x - np.float32(steps["mean"][0])) / np.float32(steps["std"][0]))[None]


# ---------------------------------------------------------------------------------------------------------
# Network: one small example of every shape that post-training quantization has to get right
# ---------------------------------------------------------------------------------------------------------


class _SamePad(torch.autograd.Function):
    """Zero padding of the bottom and right edge, exported as one Pad node with constant pads."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return F.pad(x, (0, 1, 0, 1))

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0][..., :-1, :-1]

    @staticmethod
    def symbolic(graph: Any, x: Any) -> Any:
        pads = graph.op("Constant", value_t=torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]))
        zero = graph.op("Constant", value_t=torch.tensor(0.0))
        return graph.op("Pad", x, pads, zero, mode_s="constant")


class SamePad(nn.Module):
    """TensorFlow's SAME padding for a 3x3 stride-2 convolution of an even size: nothing above and left."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _SamePad.apply(x)
        return out


def conv(
    cin: int, cout: int, kernel: int = 1, *, groups: int = 1, act: type[nn.Module] | None = nn.ReLU
) -> nn.Sequential:
    """Conv, BatchNorm and (unless `act` is None) an activation; stride 1, size kept."""
    layers: dict[str, nn.Module] = {
        "conv": nn.Conv2d(cin, cout, kernel, padding=kernel // 2, groups=groups, bias=False),
        "norm": nn.BatchNorm2d(cout),
    }
    if act:
        layers["act"] = act()
    return nn.Sequential(OrderedDict(layers))


class Residual(nn.Module):
    """ReLU(body(x) + shortcut(x)), as in ResNet; a 1x1 shortcut where the channel count changes."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(cin, cout, 3), conv(cout, cout, 3, act=None))
        self.shortcut = conv(cin, cout, act=None) if cin != cout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class InvertedResidual(nn.Module):
    """x + project(depthwise(expand(x))), as in MobileNetV2: ReLU6 inside, a signed sum outside."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.body = nn.Sequential(
            conv(channels, wide, act=nn.ReLU6),
            conv(wide, wide, 3, groups=wide, act=nn.ReLU6),
            conv(wide, channels, act=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class Inception(nn.Module):
    """Concat of a 1x1, a 3x3 and an average-pooled branch: 32 + 48 + 16 = 96 channels."""

    def __init__(self, cin: int, *, count_include_pad: bool) -> None:
        super().__init__()
        self.point = conv(cin, 32)
        self.wide = nn.Sequential(conv(cin, 32), conv(32, 48, 3))
        self.pool = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=count_include_pad), conv(cin, 16))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.point(x), self.wide(x), self.pool(x)], dim=1)


def build() -> nn.Sequential:
    """The network, float32 [N, 1, 32, 32] -> logits [N, 10]; the names become those of the ONNX nodes."""
    down = {"conv": nn.Conv2d(32, 64, 3, stride=2, bias=False), "norm": nn.BatchNorm2d(64), "act": nn.ReLU()}
    layers: dict[str, nn.Module] = {
        "stem": conv(1, 32, 5),  # 32 x 32
        "residual1": Residual(32, 32),
        "pad": SamePad(),
        "down": nn.Sequential(OrderedDict(down)),  # 16 x 16
        "inception1": Inception(64, count_include_pad=True),
        "residual2": Residual(96, 64),
        "inverted": InvertedResidual(64, 2),
        "maxpool": nn.MaxPool2d(2),  # 8 x 8
        "inception2": Inception(64, count_include_pad=False),
        "last": conv(96, 128, 3),
        "average": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "dropout": nn.Dropout(0.2),
        "head": nn.Linear(128, CLASSES),
    }
    return nn.Sequential(OrderedDict(layers))


# ---------------------------------------------------------------------------------------------------------
# Training and export
# ---------------------------------------------------------------------------------------------------------


def jitter(x: Tensor) -> Tensor:
    """Rotate by up to 12 degrees, scale by up to 10 %, shift by up to 2.4 pixels; -1 (black) outside."""
    n = len(x)
    angle = (torch.rand(n) * 2 - 1) * (torch.pi / 15)
    zoom = 1 + (torch.rand(n) * 2 - 1) * 0.1
    shift = (torch.rand(n, 2) * 2 - 1) * 0.15
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1


def train(x: Tensor, y: Tensor) -> nn.Sequential:
    """AdamW on the one-cycle schedule, a fixed number of epochs.

    Args:
        x: preprocessed images, float32 [n, 1, 32, 32].
        y: labels, int64 [n].
    """
    torch.manual_seed(SEED)
    net = build()
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=WEIGHT_DECAY)
    steps = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, EPOCHS * steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(x))
        total = 0.0
        for step in range(steps):
            batch = order[step * BATCH : (step + 1) * BATCH]
            loss = F.cross_entropy(net(jitter(x[batch])), y[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1:2d}/{EPOCHS}  loss {total / steps:.4f}", flush=True)
    return net.eval()


def export(net: nn.Sequential) -> None:
    """Write digits.onnx with the BatchNormalization nodes kept: PRESERVE, and no constant folding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the TorchScript exporter is the one that keeps them
        torch.onnx.export(
            net,
            (torch.zeros(2, 1, SIDE, SIDE),),
            MODEL,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(MODEL), full_check=True)


# ---------------------------------------------------------------------------------------------------------
# Measurement, from the files alone
# ---------------------------------------------------------------------------------------------------------


def session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    return ort.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def accuracy(split: str) -> float:
    """Top-1 of digits.onnx on one split, percent, through labels.csv, the PNG files and preprocess.toml."""
    steps = tomllib.loads(PREPROCESS.read_text(encoding="utf-8"))
    with LABELS.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == split]
    x = np.stack([preprocess(Image.open(IMAGES / row["file"]), steps) for row in rows])
    y = np.array([int(row["label"]) for row in rows])
    (logits,) = session().run(["logits"], {"image": x})
    return 100 * float(np.mean(np.argmax(logits, axis=1) == y))


def milliseconds(batch: int, runs: int = 200) -> float:
    """Median time of one run at this batch size."""
    runner = session()
    feed = {"image": np.zeros((batch, 1, SIDE, SIDE), np.float32)}
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        runner.run(None, feed)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def main() -> None:
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)

    data = load_digits()
    labels = data.target.astype(np.int64)
    images = [render(digit) for digit in data.images]
    split = choose_split(labels)
    write_images(images, labels, split)

    steps = tomllib.loads(PREPROCESS.read_text(encoding="utf-8"))
    x = torch.from_numpy(np.stack([preprocess(images[i], steps) for i in split.train]))
    start = time.perf_counter()
    net = train(x, torch.from_numpy(labels[split.train]))
    print(f"trained on {len(x)} images in {time.perf_counter() - start:.0f} s")
    export(net)

    operators = Counter(node.op_type for node in onnx.load(MODEL).graph.node)
    print(f"images    {sum(f.stat().st_size for f in IMAGES.glob('*.png')) / 1e3:.0f} kB of PNG")
    print(f"model     {MODEL.stat().st_size / 1e6:.2f} MB")
    print("nodes     " + ", ".join(f"{count} {name}" for name, count in operators.most_common()))
    print(f"accuracy  val {accuracy('val'):.2f} %, calib {accuracy('calib'):.2f} %")
    print(f"time      batch 1 {milliseconds(1):.2f} ms, batch 16 {milliseconds(16):.2f} ms, {THREADS} threads")


if __name__ == "__main__":
    main()
