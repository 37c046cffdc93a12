"""SSD300-VGG16 of torchvision: export to ONNX, quantize to INT8, show the kernels, mAP and time against FP32.

Install: pip install '.[detection]' torch==2.13.0 torchvision==0.28.0        (in the folder of the repository)
Run:     python examples/ssd.py [OUT]                      writes ssd300.onnx, ssd300.int8.onnx, ssd300.toml, photos/
         python examples/ssd.py OUT --images PHOTOS        your photographs, for calibration and check
         python examples/ssd.py OUT --export-only          leaves the rest to the command `pyq8`

The weights are torchvision's where they can be downloaded, seeded ones otherwise; it says which. The model's
outputs are the raw heads, boxes [N, 8732, 4] and scores [N, 8732, 91]; ssd300.toml says how to read them. mAP is
measured against what FP32 finds.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import click
import numpy as np
import torch
from PIL import Image, ImageDraw

import pyq8
from pyq8.files import write_text

try:
    import torchvision  # noqa: F401
except RuntimeError:  # built for another torch: its own operators do not load, which this network does not need
    _LIBRARY = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for _name in ("nms", "qnms"):
        _LIBRARY.define(f"{_name}(Tensor boxes, Tensor scores, float iou) -> Tensor")  # type: ignore[no-untyped-call]

from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD, SSD300_VGG16_Weights, _vgg_extractor, ssd300_vgg16
from torchvision.models.vgg import make_layers

SIZE = 300


DETECTOR = """\
boxes = "boxes"
scores = "scores"

[priors]
feature_maps = [38, 19, 10, 5, 3, 1]
steps = [8, 16, 32, 64, 100, 300]
image_size = 300
scales = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]
aspect_ratios = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
"""


class Heads(torch.nn.Module):
    """An SSD without what torchvision does before and behind the network."""

    def __init__(self, ssd: Any) -> None:
        super().__init__()
        self.backbone, self.head = ssd.backbone, ssd.head

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.head(list(self.backbone(image).values()))
        return found["bbox_regression"], found["cls_logits"]


def narrow() -> SSD:
    """The same network with fewer channels and classes."""
    widths: list[str | int] = [8, 8, "M", 8, 8, "M", 16, 16, 16, "M", 16, 16, 512, "M", 16, 16, 512]
    vgg: Any = SimpleNamespace(features=make_layers([*widths, "M"]))
    boxes = DefaultBoxGenerator([[2], [2, 3], [2, 3], [2, 3], [2], [2]])
    return SSD(_vgg_extractor(vgg, False, 5), boxes, (SIZE, SIZE), num_classes=4)


def build(small: bool) -> tuple[Heads, bool]:
    """The network, and whether its weights are trained."""
    torch.manual_seed(0)
    if small:
        return Heads(narrow()), False
    try:
        return Heads(ssd300_vgg16(weights=SSD300_VGG16_Weights.COCO_V1)), True
    except (URLError, ConnectionError, TimeoutError) as error:
        print(f"torchvision's weights cannot be downloaded: {error}")
        return Heads(ssd300_vgg16(weights_backbone=None)), False


def draw(folder: Path, count: int, size: int) -> None:
    """Pictures of ellipses on gradients, from a seed."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        corners = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        image = Image.fromarray(corners).resize((size, size), Image.Resampling.BILINEAR)
        pen = ImageDraw.Draw(image)
        for _ in range(rng.integers(2, 8)):
            (x, y), (w, h) = rng.integers(0, size, 2).tolist(), rng.integers(size // 10, size // 3, 2).tolist()
            pen.ellipse((x - w, y - h, x + w, y + h), fill=tuple(rng.integers(0, 256, 3).tolist()))
        image.save(folder / f"{index:03d}.png")


def decide(net: Heads) -> None:
    """Make the classes that seeded weights see in noise clear ones, and rare."""
    head = net.head.classification_head
    with torch.no_grad():
        _, scores = net.eval()(100 * torch.nn.functional.interpolate(torch.randn(4, 3, 75, 75), SIZE))
        for conv in head.module_list:
            conv.weight *= 4 / scores.std()
            conv.bias[:: head.num_columns] += 12  # the background's


def export(net: Heads, path: Path) -> None:
    """FP32 ONNX for any batch, by torch's older exporter, which needs no further package."""
    partial = path.with_name(path.name + ".partial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            (torch.zeros(1, 3, SIZE, SIZE),),
            str(partial),
            input_names=["image"],
            output_names=["boxes", "scores"],
            dynamic_axes={name: {0: "N"} for name in ("image", "boxes", "scores")},
            opset_version=17,
            dynamo=False,
        )
    partial.replace(path)


@click.command(help=__doc__)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--images", type=click.Path(path_type=Path, exists=True), help="a folder; drawn ones if not given")
@click.option("--export-only", is_flag=True, help="stop when the FP32 model is there")
@click.option("--rounds", type=click.IntRange(1), default=6, show_default=True, help="of the timing")
@click.option("--small", is_flag=True, help="a network of that kind in seconds, to try the example")
def main(out: Path, images: Path | None, export_only: bool, rounds: int, small: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    model, int8, detector = out / "ssd300.onnx", out / "ssd300.int8.onnx", out / "ssd300.toml"
    net, trained = build(small)
    if not trained:
        decide(net)
    export(net, model)
    write_text(DETECTOR, detector)
    print(f"{model}: {'trained weights' if trained else 'seeded weights: figures of accuracy mean nothing'}")
    if images is None:
        images = out / "photos"
        draw(images, 4 if small else 32, SIZE)
        print(f"{images}: drawn from a seed; photographs, with --images, say more")
    if export_only:
        return
    try:
        result = pyq8.quantize(model, images, preprocess="ssd", effort="fast" if small else "default")
        result.save(int8)
        print(f"{int8}: {result.report.kernels}")
        verdict = pyq8.check(model, int8, images, metric="map50", truth="fp32", detector=detector)
        print("\n".join((*verdict.reasons, verdict.outcome)))
        batches, seconds = (1, 0.0) if small else ((1, 8), 1.0)
        print(pyq8.time_models([model, int8], batch=batches, rounds=rounds, seconds=seconds))
    except pyq8.Pyq8Error as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
