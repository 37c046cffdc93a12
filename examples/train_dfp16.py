"""Train a network in FP32 or INT16, compare the curves, export to ONNX and quantize to INT8.

Install: pip install '.[train]' matplotlib     (in the folder of the repository; matplotlib for the plot)
Run:     python examples/train_dfp16.py [OUT]                    ResNet-20 on the embedded digits, in INT16
         python examples/train_dfp16.py OUT --arch resnet50 --precision fp32 --data PHOTOS
         python examples/train_dfp16.py OUT --arch resnet20 --data cifar.npz --epochs 30 --seed 1 --resume

--data is `digits`; an .npz file with train_images, test_images (uint8 [n, h, w, 3], square) and train_labels,
test_labels (integers from 0); or a folder with a folder of images for each class, or with two such trees `train` and
`val`. Runs of other networks, precisions and seeds may share OUT.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

import pyq8
from pyq8 import dfp
from pyq8.dfp.networks import NETWORKS, build
from pyq8.errors import DataError, UsageError
from pyq8.loaders.datasets import dataset
from pyq8.loaders.decode import decode
from pyq8.loaders.image_file import find_images

PIXEL_MEAN, PIXEL_STD = 127.5, 63.75
CALIBRATION = 256


class Images(Dataset[tuple[Tensor, int]]):
    """Images in memory or in files, shifted and mirrored at random for training."""

    def __init__(self, images: list[Any], labels: list[int], size: int, *, shift: bool, mirror: bool) -> None:
        self.images, self.labels, self.size = images, labels, size
        self.shift, self.mirror = shift, mirror

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = self._pixels(self.images[index])
        if self.shift:
            by = self.size // 8
            top, left = (int(n) for n in torch.randint(0, 2 * by + 1, (2,)))
            pixels = np.pad(pixels, ((by, by), (by, by), (0, 0)))[top : top + self.size, left : left + self.size]
        if self.mirror and torch.rand(()) < 0.5:
            pixels = pixels[:, ::-1]
        normal = (pixels.astype(np.float32) - PIXEL_MEAN) / PIXEL_STD
        return torch.from_numpy(normal.transpose(2, 0, 1).copy()), self.labels[index]

    def _pixels(self, image: Any) -> np.ndarray[Any, Any]:
        if isinstance(image, Path):
            try:
                image = np.asarray(decode(image).resize((self.size, self.size), Image.Resampling.BILINEAR))
            except DataError as error:
                raise DataError(str(error).removesuffix(", or pass --skip-bad")) from None
        return np.asarray(image)


@dataclass
class Data:
    train: Images
    test: Images
    classes: int
    channels: int


def read_digits() -> Data:
    """Trains on the images of the `val` split, tests on those of `calib`."""
    folder = dataset("digits") / "images"
    with (folder / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))

    def split(name: str, train: bool) -> Images:
        mine = [row for row in rows if row["split"] == name]
        images = [np.asarray(Image.open(folder / row["file"]))[:, :, None] for row in mine]
        return Images(images, [int(row["label"]) for row in mine], 32, shift=train, mirror=False)

    return Data(split("val", True), split("calib", False), 10, 1)


def read_npz(path: Path) -> Data:
    try:
        with np.load(path) as arrays:
            held = {name: arrays[name] for name in arrays}
    except Exception:  # of other files numpy raises nearly anything
        raise DataError(
            f"{path}: no readable .npz file; give digits, an .npz file or a folder of class folders"
        ) from None
    missing = {f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels")} - set(held)
    if missing:
        raise DataError(f"{path}: has no {', '.join(sorted(missing))}; it has {', '.join(held)}")
    shape = held["train_images"].shape
    classes = len(np.unique(held["train_labels"]))

    def split(name: str, train: bool) -> Images:
        images, labels = held[f"{name}_images"], held[f"{name}_labels"]
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
            raise DataError(
                f"{path}: {name}_images is {images.dtype} {list(images.shape)}; give uint8 [n, h, w, 1 or 3]"
            )
        if not len(images) or shape[1] != shape[2] or images.shape[1:] != shape[1:]:
            raise DataError(f"{path}: {name}_images is {list(images.shape)}; give square images, all of one shape")
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise DataError(
                f"{path}: {name}_labels is {labels.dtype} {list(labels.shape)}; give {len(images)} integers"
            )
        if labels.min() < 0 or labels.max() >= classes:
            found = f"{labels.min()} to {labels.max()}"
            raise DataError(
                f"{path}: {name}_labels is {found}, of {classes} classes in training; count from 0 without gaps"
            )
        return Images(list(images), labels.tolist(), shape[1], shift=train, mirror=train)

    return Data(split("train", True), split("test", False), classes, shape[3])


def read_folder(folder: Path, size: int) -> Data:
    """One tree of class folders gives every fifth image to the test."""
    trees = [folder / "train", folder / "val"] if (folder / "train").is_dir() else [folder]
    classes = sorted(path.name for path in trees[0].iterdir() if path.is_dir() and path.name[0] != ".")
    found: list[list[tuple[Path, int]]] = []
    for tree in trees:
        there = [(i, tree / name) for i, name in enumerate(classes) if (tree / name).is_dir()]
        found.append([(file, i) for i, class_ in there for file in find_images(class_)])
    if len(trees) == 1:
        found = [[f for i, f in enumerate(found[0]) if i % 5], found[0][::5]]
    if not all(found):
        raise DataError(f"{folder}: no images in class folders; give a folder with a folder of images for each class")
    (train, train_labels), (test, test_labels) = (map(list, zip(*files, strict=True)) for files in found)
    return Data(
        Images(train, train_labels, size, shift=True, mirror=True),
        Images(test, test_labels, size, shift=False, mirror=False),
        len(classes),
        3,
    )


def read(data: str, size: int) -> Data:
    if data == "digits":
        return read_digits()
    if not Path(data).exists():
        raise DataError(f"{data}: no such file or folder; give digits, a .npz file or a folder of class folders")
    return read_folder(Path(data), size) if Path(data).is_dir() else read_npz(Path(data))


def fingerprint(data: Data) -> str:
    """What tells one data set from another."""
    crc = 0
    for part in (data.train, data.test):
        crc = zlib.crc32(repr(part.labels).encode(), crc)
        for image in part.images:
            crc = zlib.crc32(image.name.encode() if isinstance(image, Path) else image.tobytes(), crc)
    size = data.train.size
    return f"{len(data.train)} + {len(data.test)} images of {size} pixels in {data.classes} classes ({crc:08x})"


@torch.no_grad()
def accuracy(net: nn.Module, images: Images, batch: int) -> float:
    """Top-1, percent."""
    net.eval()
    right = sum(int((net(x).argmax(1) == y).sum()) for x, y in DataLoader(images, batch))
    return 100 * right / len(images)


def steps(data: Data, batch: int) -> int:
    return max(1, len(data.train) // batch)


def train_epoch(
    net: nn.Module, data: Data, batch: int, optimizer: torch.optim.Optimizer, schedule: Any, title: str
) -> dict[str, float]:
    """One pass over the training images in a new order."""
    net.train()
    loss_sum, right, seen, start = 0.0, 0, 0, time.perf_counter()
    loader = DataLoader(data.train, batch, shuffle=True, drop_last=len(data.train) > batch)
    with tqdm(loader, title, leave=False, disable=None) as bar:  # None: only on a terminal
        for x, y in bar:
            logits = net(x.contiguous(memory_format=torch.channels_last))
            loss = nn.functional.cross_entropy(logits, y)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            loss_sum, seen = loss_sum + loss.item() * len(y), seen + len(y)
            right += int((logits.argmax(1) == y).sum())
            bar.set_postfix(loss=f"{loss_sum / seen:.3f}", top1=f"{100 * right / seen:.1f}")
    seconds = time.perf_counter() - start
    return {"loss": loss_sum / seen, "train_top1": 100 * right / seen, "images_per_second": seen / seconds}


def claim(run: Path, resume: bool) -> None:
    """Leave no results of an earlier run beside those of this one."""
    left = [file for file in map(run.with_suffix, (".pt", ".csv", ".onnx", ".int8.onnx")) if file.exists()]
    if left and not (resume and run.with_suffix(".pt").exists()):
        raise UsageError(f"{left[0]}: of an earlier run; continue that with --resume, delete it, or give another OUT")


def read_checkpoint(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """The state of a run with the same options."""
    try:
        saved: dict[str, Any] = torch.load(path)
        before = saved["about"]
    except Exception:  # of other files torch raises nearly anything
        raise DataError(f"{path}: no readable checkpoint; delete it, or give another OUT") from None
    for option, value in about.items():
        if before.get(option) != value:
            raise UsageError(
                f"{path}: of a run with {option} {before.get(option)}, not {value}; give the same, or another OUT"
            )
    return saved


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A name to write to, that becomes the path when all is written."""
    partial = path.with_name(path.name + ".partial")
    yield partial
    partial.replace(path)


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    with beside(path) as partial, partial.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)


def plot(out: Path, arch: str) -> str:
    """The test accuracy of every run of the network in the folder, by epoch."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "no plot: pip install matplotlib"
    figure = Figure(figsize=(7, 4))
    axes = figure.add_subplot(xlabel="epoch", ylabel="top-1 of the test images, %", title=arch)
    for file in sorted(out.glob(f"{arch}-*.csv")):
        with file.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        style = "-" if "-dfp16-" in file.name else "--"
        axes.plot([int(r["epoch"]) for r in rows], [float(r["test_top1"]) for r in rows], style, label=file.stem)
    axes.legend()
    with beside(out / f"{arch}.png") as partial:
        figure.savefig(partial, format="png", dpi=120)
    return f"curves of all runs: {out / f'{arch}.png'}"


def export(net: nn.Module, path: Path, example: Tensor) -> None:
    """The trained weights in an FP32 ONNX file; the INT16 layers become torch's own first."""
    plain = dfp.revert(copy.deepcopy(net)).eval()
    with warnings.catch_warnings(), beside(path) as partial:
        warnings.simplefilter("ignore")  # of torch's older exporter, which needs no further package
        torch.onnx.export(
            plain.to(memory_format=torch.contiguous_format),  # type: ignore[call-overload]
            (example.contiguous(),),
            str(partial),
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
            opset_version=17,
            dynamo=False,
        )


def deploy(model: Path, data: Data) -> list[str]:
    """Quantize to INT8 and measure both on the test images."""
    int8 = model.with_suffix(".int8.onnx")
    plain = copy.copy(data.train)
    plain.shift = plain.mirror = False
    chosen = Subset(plain, range(0, len(plain), max(1, len(plain) // CALIBRATION)))
    result = pyq8.quantize(model, ({"image": x.numpy()} for x, _ in DataLoader(chosen, 32)), samples=CALIBRATION)
    result.save(int8)
    lines = [str(result.report.kernels)]
    for name, file in (("FP32", model), ("INT8", int8)):
        session = pyq8.session(file)
        right = sum(
            int((session.run(None, {"image": x.numpy()})[0].argmax(1) == y.numpy()).sum())
            for x, y in DataLoader(data.test, 32)
        )
        lines.append(f"{name} {file.name}: top-1 {100 * right / len(data.test):.2f}")
    return lines


@click.command(help=__doc__)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--arch", type=click.Choice(sorted(NETWORKS)), default="resnet20", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "dfp16"]), default="dfp16", show_default=True)
@click.option("--data", default="digits", show_default=True, help="digits, an .npz file, or a folder")
@click.option("--epochs", type=click.IntRange(1), default=12, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True)
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    default=0.05,
    show_default=True,
    help="the highest of the one-cycle schedule",
)
@click.option("--size", type=click.IntRange(32), default=224, show_default=True, help="of the images of a folder")
@click.option("--seed", type=click.IntRange(0, 2**32), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=None, help="of torch and of the INT16 kernels")
@click.option("--resume", is_flag=True, help="continue from the last epoch's checkpoint, to the same bytes")
def main(
    out: Path,
    arch: str,
    precision: str,
    data: str,
    epochs: int,
    batch: int,
    lr: float,
    size: int,
    seed: int,
    threads: int | None,
    resume: bool,
) -> None:
    if threads:
        torch.set_num_threads(threads)
    run = out / f"{arch}-{precision}-{seed}"
    checkpoint = run.with_suffix(".pt")
    try:
        claim(run, resume)
        images = read(data, size)
        about = {"--epochs": epochs, "--batch": batch, "--lr": lr, "--data": fingerprint(images)}
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        net = build(arch, images.classes, images.train.size, images.channels)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if precision == "dfp16":
            print(dfp.summary(dfp.convert(net)))
        optimizer = torch.optim.SGD(net.parameters(), lr, momentum=0.9, weight_decay=5e-4, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, epochs * steps(images, batch))
        rows: list[dict[str, float]] = []
        if resume and checkpoint.exists():
            saved = read_checkpoint(checkpoint, about)
            net.load_state_dict(saved["net"])
            optimizer.load_state_dict(saved["optimizer"])
            schedule.load_state_dict(saved["schedule"])
            rows = saved["rows"]
        for epoch in range(len(rows), epochs):
            torch.manual_seed(1000 * seed + epoch)  # what is random in an epoch is the same after a resume
            row = train_epoch(net, images, batch, optimizer, schedule, f"{run.name} epoch {epoch + 1}/{epochs}")
            rows.append({"epoch": epoch + 1, **row, "test_top1": accuracy(net, images.test, batch)})
            write_log(run.with_suffix(".csv"), rows)
            with beside(checkpoint) as partial:
                state = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save({**state, "schedule": schedule.state_dict(), "rows": rows, "about": about}, partial)
        print(f"{run.name}: top-1 {rows[-1]['test_top1']:.2f} after {len(rows)} epochs, log {run.with_suffix('.csv')}")
        print(plot(out, arch))
        export(net, run.with_suffix(".onnx"), images.test[0][0][None])
        print("\n".join(deploy(run.with_suffix(".onnx"), images)))
    except pyq8.Pyq8Error as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
