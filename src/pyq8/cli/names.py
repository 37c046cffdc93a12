"""What options take, as click's types: for completion, for one-line errors, and for paths in a configuration file.

Names are written down here once more, because help and completion must not import what they name.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    Text = click.ParamType[str]
    Item = CompletionItem[str]
else:
    Text = click.ParamType


class Names(Text):
    """One of some names.

    Args:
        names: in the order in which they are listed.
        others: whether other values are taken too, and checked later.
    """

    name = "name"

    def __init__(self, *names: str, others: bool = False) -> None:
        self.names, self.others = names, others

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself, or what was found and what is known."""
        if value not in self.names and not self.others:
            near = difflib.get_close_matches(str(value), self.names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            self.fail(f"{value!r} is not one of {', '.join(self.names)}{hint}", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Item]:
        """Those that begin like it."""
        del ctx, param
        return [CompletionItem(name) for name in self.names if name.startswith(incomplete)]


class ModelPath(click.Path):
    """A path that completes to .onnx files, and to any where there are none or folders to go through."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Item]:
        """Names of files, or leave it to the shell."""
        start = incomplete.rpartition("/")[2]
        typed = incomplete.removesuffix(start)
        here = Path(typed or ".")
        found = [path for path in here.iterdir() if path.name.startswith(start)] if here.is_dir() else []
        models = sorted(typed + path.name for path in found if path.suffix == ".onnx")
        if not models or any(path.is_dir() for path in found) or any(" " in name for name in models):
            return super().shell_complete(ctx, param, incomplete)
        return [CompletionItem(name) for name in models]


PATH = click.Path(readable=False)
"""Whether it is there and can be read is found out by who opens it."""
MODEL = ModelPath(readable=False)
PRESET = Names(
    "imagenet", "inception", "efficientnet-lite", "caffe", "ssd", "yolo", "yolox", "retinaface", "paddleocr-det",
    "paddleocr-rec", "torchvision-segmentation", "raw",
)  # fmt: skip
OBSERVER = Names("percentile", "mse", "kl", "minmax")
FORMAT = Names("qdq", "qoperator", "pyq8")
TARGET = Names("auto", "vnni", "avx2")
INPUT = Names("float", "uint8")
LAYOUT = Names("nhwc", "nchw")
COLOR = Names("rgb", "bgr")
PLACEMENT = Names("cost", "all")
EFFORT = Names("fast", "default", "best")
CRITERION = Names("bound", "estimate")
TRUTH = Names("annotations", "fp32")
METRIC = Names("top1", "top5", "agreement", "sqnr", "cosine", "equal", "map", "map50", "map-voc", others=True)
