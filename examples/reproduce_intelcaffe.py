"""The table of IntelCaffe's paper on this machine: what each step from FP32 to INT8 is worth.

Install: pip install . torch==2.13.0 torchvision==0.28.0     (in the folder of the repository)
Run:     python examples/reproduce_intelcaffe.py [OUT]       ResNet-50 (v1), Inception-v3 and SSD300-VGG16, seeded
         python examples/reproduce_intelcaffe.py OUT --resnet50 FILE.onnx --inception-v3 FILE.onnx --ssd FILE.onnx
         python examples/reproduce_intelcaffe.py OUT --network ssd --rounds 3 --markdown table.md --json table.json

Every step is a graph in OUT, timed by pyq8.time_models: each alone in its own process, in interleaved rounds, at the
large batch for throughput and at 1 for latency. ONNX Runtime would do most steps by itself, so its graph optimizations
(the column "runtime") are off, ORT_DISABLE_ALL, until Conv and ReLU are fused, which is ORT_ENABLE_EXTENDED: in both,
FP32 convolutions read plain NCHW. The last three rows run as in production, ORT_ENABLE_ALL, which brings a blocked
layout for FP32 and NHWC for INT8: the original as ONNX Runtime optimizes it, all exact passes of pyq8, and INT8.
SQNR and agreement compare a step with the original on the images. With files for all networks, torch is not needed.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from PIL import Image

import pyq8
from pyq8.files import write_text
from pyq8.model.file import load, save

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

    from pyq8.runtime.sessions import Optimize

PAPER = {  # Xeon Platinum 8124M, 18 cores: (images/s, ms) of FP32, of FP32 with all graph passes, of INT8
    "resnet50": ((158, 10.7), (312, 6.2), (462, 3.5)),
    "inception_v3": ((126, 14.3), (175, 9.5), (282, 5.9)),
    "ssd": ((31, 33.7), (34, 32.9), (43, 24.8)),
}
PRESET = {"resnet50": "imagenet", "inception_v3": "inception", "ssd": "ssd"}
SIZE = {"resnet50": 224, "inception_v3": 299, "ssd": 300}
BATCH = {"resnet50": 16, "inception_v3": 16, "ssd": 8}


@dataclass(frozen=True)
class Step:
    """A graph and how it is run; the paper has figures for three of them.

    Args:
        name: what was done, everything above included.
        path: of the graph.
        runtime: how far ONNX Runtime optimizes it.
        changed: nodes that the step rewrote; None where that is not what it does.
        paper: images/s and milliseconds there.
    """

    name: str
    path: Path
    runtime: Optimize
    changed: int | None = None
    paper: tuple[float, float] | None = None


@dataclass(frozen=True)
class Row:
    """What was measured of a step; `times` are over the original FP32."""

    name: str
    runtime: str
    changed: int | None
    images_per_s: float
    throughput_times: float
    ms: float
    latency_times: float
    paper: tuple[float, float] | None
    sqnr: float
    agreement: float | None


def make(name: str, small: bool) -> torch.nn.Module:
    """Seeded weights: speed does not depend on them."""
    import torch

    try:
        import torchvision
    except RuntimeError:  # built for another torch: its own operators do not load, which no network here needs
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for missing in ("nms", "qnms"):
            library.define(f"{missing}(Tensor boxes, Tensor scores, float iou) -> Tensor")  # type: ignore[no-untyped-call]
        import torchvision

    torch.manual_seed(0)
    models = torchvision.models
    if name == "inception_v3":
        return settle(models.inception_v3(aux_logits=False, init_weights=False))
    if name == "resnet50":
        blocks = [1, 1, 1, 1] if small else [3, 4, 6, 3]
        net = models.resnet.ResNet(models.resnet.Bottleneck, blocks, width_per_group=16 if small else 64)
        for block in net.modules():
            if isinstance(block, models.resnet.Bottleneck):  # v1, as in Caffe: the 1x1 has the stride, not the 3x3
                block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
        return settle(net)

    class Heads(torch.nn.Module):
        def __init__(self, ssd: Any) -> None:
            super().__init__()
            self.backbone, self.head = ssd.backbone, ssd.head

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            found = self.head(list(self.backbone(image).values()))
            return found["bbox_regression"], found["cls_logits"]

    return Heads(models.detection.ssd300_vgg16(weights_backbone=None))


def settle(net: torch.nn.Module) -> torch.nn.Module:
    """Give the BatchNorms statistics, as training would."""
    import torch

    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all that is seen
    with torch.no_grad():
        net.train()(torch.nn.functional.interpolate(torch.randn(16, 3, 40, 40), 160))
    return net


def export(net: torch.nn.Module, path: Path, size: int) -> None:
    """FP32 ONNX with every BatchNormalization still in it."""
    import torch

    outputs = ["logits"] if hasattr(net, "fc") else ["boxes", "scores"]
    partial = path.with_name(path.name + ".partial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            (torch.zeros(1, 3, size, size),),
            str(partial),
            input_names=["image"],
            output_names=outputs,
            dynamic_axes={name: {0: "N"} for name in ("image", *outputs)},
            training=torch.onnx.TrainingMode.PRESERVE,  # in EVAL the exporter folds them
            opset_version=17,
            dynamo=False,
        )
    partial.replace(path)


def draw(folder: Path, count: int) -> Path:
    """Smooth noise in colours, from a seed."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((342, 342), Image.Resampling.BICUBIC).save(folder / f"{index:03d}.png")
    return folder


def run(model: ir.Model, *passes: Any) -> int:
    """Run passes of pyq8 in place; how many nodes they rewrote."""
    from onnx_ir.passes import common

    from pyq8.model.shapes import infer_shapes

    changed = 0
    for module in passes:
        infer_shapes(model)
        changed += len(module.run(model).changed)
        common.RemoveUnusedNodesPass()(model)
    return changed


def make_steps(name: str, original: Path, out: Path, images: Path, effort: str) -> list[Step]:
    """Write the graph of every step."""
    from pyq8.passes import fold_affine, fold_batchnorm, fold_constants, move_stride, remove_identity

    fp32, optimized, int8 = PAPER[name]
    folded, moved, prepared, quantized = (
        out / f"{name}.{step}.onnx" for step in ("folded", "moved", "optimized", "int8")
    )
    model = load(original)
    run(model, remove_identity, fold_constants)
    norms = run(model, fold_affine, fold_batchnorm)
    save(model, folded)
    strides = run(model, move_stride)
    save(model, moved)
    result = pyq8.quantize(original, images, preprocess=PRESET[name], effort=effort)
    save(result.prepared, prepared)
    result.save(quantized)
    print(f"{quantized}: {result.report.kernels}")
    return [
        Step("FP32", original, "off", paper=fp32),
        Step("+ BN folding", folded, "off", norms),
        Step("+ Conv/ReLU", folded, "extended"),
        Step("+ remove sparsity", moved, "extended", strides),
        Step("FP32 in production", original, "all"),
        Step("optimized FP32", prepared, "all", paper=optimized),
        Step("+ INT8", quantized, "all", paper=int8),
    ]


def measure(steps: Sequence[Step], images: Path, preset: str, batch: int, rounds: int, seconds: float) -> list[Row]:
    """Time all steps against the first, and compare their outputs with its."""
    speed = pyq8.time_models(
        [step.path for step in steps],
        batch=[batch, 1],
        rounds=rounds,
        seconds=seconds,
        optimize=[step.runtime for step in steps],
    )
    print(speed.noise)
    many, one = speed.rows[: len(steps)], speed.rows[-len(steps) :]
    rows = []
    for step, throughput, latency in zip(steps, many, one, strict=True):
        verdict = pyq8.check(steps[0].path, step.path, images, preprocess=preset)
        found = verdict.report.accuracy.rows if verdict.report.accuracy else ()
        rows.append(
            Row(
                step.name,
                step.runtime,
                step.changed,
                throughput.images_per_s,
                throughput.ratio,
                latency.p50_ms,
                latency.ratio,
                step.paper,
                min(row.value for row in found if row.metric == "sqnr"),
                next((row.value for row in found if row.metric == "agreement"), None),
            )
        )
    return rows


def table(name: str, batch: int, rows: Sequence[Row]) -> str:
    """Markdown."""
    first = rows[0].paper
    assert first is not None
    lines = [
        f"### {name}",
        "",
        f"| | runtime | images/s, batch {batch} | ms, batch 1 | paper images/s | paper ms | SQNR dB | agreement % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        there = ("", "") if row.paper is None else (
            f"{row.paper[0]:g} ({row.paper[0] / first[0]:.2f}x)",
            f"{row.paper[1]:g} ({first[1] / row.paper[1]:.2f}x)",
        )  # fmt: skip
        note = "" if row.changed is None else f", {row.changed} nodes" if row.changed else ", nothing to do"
        agreement = "" if row.agreement is None else f"{row.agreement:.1f}"
        lines.append(
            f"| {row.name}{note} | {row.runtime} | {row.images_per_s:.1f} ({row.throughput_times:.2f}x) | "
            f"{row.ms:.2f} ({row.latency_times:.2f}x) | {there[0]} | {there[1]} | {row.sqnr:.1f} | {agreement} |"
        )
    int8 = rows[-1]
    assert int8.paper is not None
    lines.append("")
    for base in (rows[0], *rows[-3:-1]):
        there = ("", "") if base.paper is None else (
            f" (paper {int8.paper[0] / base.paper[0]:.2f}x)",
            f" (paper {base.paper[1] / int8.paper[1]:.2f}x)",
        )  # fmt: skip
        lines.append(
            f"- INT8 over {base.name}: throughput {int8.throughput_times / base.throughput_times:.2f}x{there[0]}, "
            f"latency {int8.latency_times / base.latency_times:.2f}x{there[1]}"
        )
    return "\n".join(lines)


FILE = click.Path(path_type=Path, exists=True)
NAMES = tuple(PAPER)


@click.command(help=__doc__)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--resnet50", type=FILE, help="an FP32 model to take instead of torchvision's")
@click.option("--inception-v3", type=FILE, help="likewise")
@click.option("--ssd", type=FILE, help="likewise")
@click.option("--network", type=click.Choice(NAMES), multiple=True, help="only this one; repeatable")
@click.option("--images", type=FILE, help="a folder; drawn ones if not given")
@click.option("--batch", type=click.IntRange(1), help="for throughput  [default: 16, SSD 8]")
@click.option("--rounds", type=click.IntRange(1), default=6, show_default=True, help="of the timing")
@click.option("--seconds", type=click.FloatRange(0), default=1.0, show_default=True, help="a model and round")
@click.option("--markdown", type=click.Path(), help="write the tables there")
@click.option("--json", "json_file", type=click.Path(), help="write the figures there")
@click.option("--small", is_flag=True, help="a small ResNet and one round, to try the example")
def main(
    out: Path,
    resnet50: Path | None,
    inception_v3: Path | None,
    ssd: Path | None,
    network: Sequence[str],
    images: Path | None,
    batch: int | None,
    rounds: int,
    seconds: float,
    markdown: str | None,
    json_file: str | None,
    small: bool,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    given = {"resnet50": resnet50, "inception_v3": inception_v3, "ssd": ssd}
    if small:
        network, batch, rounds, seconds = network or ["resnet50"], 2, 1, 0.0
    photos = images or draw(out / "photos", 10 if small else 32)
    found: dict[str, Any] = {}
    tables = []
    try:
        for name in network or NAMES:
            model = given[name] or out / f"{name}.onnx"
            if given[name] is None:
                export(make(name, small), model, 64 if small else SIZE[name])
                print(f"{model}: seeded weights: SQNR and agreement are not those of trained ones")
            steps = make_steps(name, model, out, photos, "fast" if small else "default")
            rows = measure(steps, photos, PRESET[name], batch or BATCH[name], rounds, seconds)
            tables.append(table(name, batch or BATCH[name], rows))
            found[name] = [asdict(row) for row in rows]
            print(f"\n{tables[-1]}\n")
        if markdown:
            write_text("\n\n".join(tables) + "\n", markdown)
        if json_file:
            write_text(json.dumps(found, indent=1) + "\n", json_file)
    except pyq8.Pyq8Error as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
