"""Inception-v3 of torchvision: export to ONNX, quantize to INT8, show the kernels, check and time against FP32.

Install: pip install . torch==2.13.0 torchvision==0.28.0        (in the folder of the repository)
Run:     python examples/inception_v3.py [OUT]                  writes inception_v3.onnx, its INT8 form, photos/
         python examples/inception_v3.py OUT --images PHOTOS    your photographs, for calibration and check
         python examples/inception_v3.py OUT --export-only      leaves the rest to the command `pyq8`

The weights are torchvision's where they can be downloaded, seeded ones otherwise; it says which.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from urllib.error import URLError

import click
import numpy as np
import torch
from PIL import Image, ImageDraw

import pyq8

try:
    import torchvision  # noqa: F401
except RuntimeError:  # built for another torch: its own operators do not load, which this network does not need
    _LIBRARY = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for _name in ("nms", "qnms"):
        _LIBRARY.define(f"{_name}(Tensor boxes, Tensor scores, float iou) -> Tensor")  # type: ignore[no-untyped-call]

from torchvision.models import Inception_V3_Weights, inception_v3


def build(small: bool) -> tuple[torch.nn.Module, bool]:
    """The network, and whether its weights are trained."""
    torch.manual_seed(0)
    try:
        if not small:
            # The preset does what transform_input would do inside the graph.
            return inception_v3(weights=Inception_V3_Weights.IMAGENET1K_V1, transform_input=False), True
    except (URLError, ConnectionError, TimeoutError) as error:
        print(f"torchvision's weights cannot be downloaded: {error}")
    return inception_v3(aux_logits=False, init_weights=False), False


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


def settle(net: torch.nn.Module, size: int) -> None:
    """Give the BatchNorms of seeded weights statistics, as training would."""
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean of all that is seen
    with torch.no_grad():
        net.train()(torch.nn.functional.interpolate(torch.randn(16, 3, size // 4, size // 4), size))


def export(net: torch.nn.Module, path: Path, size: int) -> None:
    """FP32 ONNX for any batch, by torch's older exporter, which needs no further package."""
    partial = path.with_name(path.name + ".partial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            (torch.zeros(1, 3, size, size),),
            str(partial),
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
            opset_version=17,
            dynamo=False,
        )
    partial.replace(path)


@click.command(help=__doc__)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--images", type=click.Path(path_type=Path, exists=True), help="a folder; drawn ones if not given")
@click.option("--export-only", is_flag=True, help="stop when the FP32 model is there")
@click.option("--rounds", type=click.IntRange(1), default=6, show_default=True, help="of the timing")
@click.option("--small", is_flag=True, help="small images and few of them, to try the example")
def main(out: Path, images: Path | None, export_only: bool, rounds: int, small: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    model, int8, size = out / "inception_v3.onnx", out / "inception_v3.int8.onnx", 75 if small else 299
    net, trained = build(small)
    if not trained:
        settle(net, size)
    export(net, model, size)
    print(f"{model}: {'trained weights' if trained else 'seeded weights: figures of accuracy mean nothing'}")
    if images is None:
        images = out / "photos"
        draw(images, 10 if small else 32, size + size // 7)
        print(f"{images}: drawn from a seed; photographs, with --images, say more")
    if export_only:
        return
    try:
        result = pyq8.quantize(model, images, preprocess="inception", effort="fast" if small else "default")
        result.save(int8)
        print(f"{int8}: {result.report.kernels}")
        verdict = pyq8.check(model, int8, images, metric=None if trained else "sqnr")
        print("\n".join((*verdict.reasons, verdict.outcome)))
        batches, seconds = (1, 0.0) if small else ((1, 16), 1.0)
        print(pyq8.time_models([model, int8], batch=batches, rounds=rounds, seconds=seconds))
    except pyq8.Pyq8Error as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
