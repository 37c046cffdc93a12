"""One of two processes of a DistributedDataParallel run: `python -m tests.dfp.two_processes FOLDER RANK`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pyq8 import dfp
from tests.dfp.networks import noise, small_net


def train(net: nn.Module, half: slice) -> None:
    optimizer = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9)
    for step in range(3):
        batch: Tensor = noise(8, 3, 8, 8, seed=step)[half]
        optimizer.zero_grad()
        torch.autograd.backward((net(batch) - 1).square().mean())
        optimizer.step()


def main(folder: Path, rank: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    net = dfp.convert(small_net(seed=rank)).eval()  # BatchNorm of each process would see its own half
    train(DistributedDataParallel(net), slice(rank, None, 2))
    torch.save(net.state_dict(), folder / f"rank{rank}.pt")
    if rank == 0:
        alone = dfp.convert(small_net(seed=0)).eval()
        train(alone, slice(None))
        torch.save(alone.state_dict(), folder / "alone.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
