"""A network that learns the embedded digits in seconds."""

from __future__ import annotations

import csv
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from pyq8.loaders.datasets import dataset

BATCH = 30


@cache
def digits(split: str) -> tuple[Tensor, Tensor]:
    """Images float32 [n, 1, 16, 16] in -1..1, labels int64 [n]: 300 `val` to train on, 100 `calib` to test on."""
    folder = dataset("digits") / "images"
    with (folder / "labels.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == split]
    pixels = np.stack([np.asarray(Image.open(folder / row["file"]), np.float32)[None] for row in rows])
    small = nn.functional.avg_pool2d(torch.from_numpy(pixels), 2) / 127.5 - 1
    return small, torch.tensor([int(row["label"]) for row in rows])


def digits_net(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    widths = (1, 16, 24, 24)
    layers: list[nn.Module] = []
    for stride, (cin, cout) in zip((2, 2, 1), pairwise(widths), strict=True):
        layers += [nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(384, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))


class Training:
    """SGD with momentum on the one-cycle schedule of a number of epochs."""

    def __init__(self, net: nn.Module, epochs: int) -> None:
        self.net, self.epochs, self.epoch = net, epochs, 0
        self.optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, 0.1, epochs * 300 // BATCH)

    def run(self, until: int | None = None) -> Training:
        """Train to the end of the epoch `until`, or of the schedule."""
        images, labels = digits("val")
        self.net.train()
        for epoch in range(self.epoch, until or self.epochs):
            torch.manual_seed(epoch)
            for batch in torch.split(torch.randperm(len(labels)), BATCH):
                loss = nn.functional.cross_entropy(self.net(images[batch]), labels[batch])
                self.optimizer.zero_grad()
                torch.autograd.backward(loss)
                self.optimizer.step()
                self.schedule.step()
            self.epoch = epoch + 1
        return self

    def save(self, path: Path) -> None:
        parts = {name: getattr(self, name).state_dict() for name in ("net", "optimizer", "schedule")}
        torch.save({"epoch": self.epoch, **parts}, path)

    def load(self, path: Path) -> None:
        state = torch.load(path)
        self.epoch = state.pop("epoch")
        for name, part in state.items():
            getattr(self, name).load_state_dict(part)

    @torch.no_grad()
    def accuracy(self) -> float:
        """Top-1 on the test images, percent."""
        images, labels = digits("calib")
        self.net.eval()
        return 100 * int((self.net(images).argmax(1) == labels).sum()) / len(labels)
