"""INT16 layers under torch's own training: accuracy, determinism, checkpoints, accumulation, two processes."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pyq8 import dfp
from tests.dfp.digits import Training, digits_net
from tests.dfp.networks import converted, noise, small_net

SPREAD = 4.0
"""Points of accuracy that seeds of FP32 differ by, on 100 test images."""


def parameters(net: nn.Module) -> list[Tensor]:
    return [parameter.detach() for parameter in net.parameters()]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(parameters(a), parameters(b), strict=True))


def gradients(net: nn.Module, x: Tensor) -> list[Tensor]:
    loss = net(x).square().sum()
    return list(torch.autograd.grad(loss, list(net.parameters())))


@pytest.mark.parametrize("kernels, epochs", [("", 8), ("reference", 3)])
def test_the_digits_train_to_the_accuracy_of_fp32(kernels: str, epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYQ8_ISA", kernels)
    fp32 = Training(digits_net(0), epochs).run().accuracy()
    int16 = Training(dfp.convert(digits_net(0)), epochs).run().accuracy()
    assert fp32 >= 80
    assert int16 >= fp32 - SPREAD


def test_the_same_seed_gives_the_same_bytes_and_the_reference_too(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for kernels in ("", "", "reference"):
        monkeypatch.setenv("PYQ8_ISA", kernels)
        net = dfp.convert(small_net())
        optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
        for step in range(4):
            optimizer.zero_grad()
            torch.autograd.backward(net(noise(6, 3, 8, 8, seed=step)).square().sum())
            optimizer.step()
        runs.append(net)
    assert same(runs[0], runs[1])
    assert same(runs[0], runs[2])
    assert not same(runs[0], small_net())


def test_one_thread_and_two_give_the_same_bytes_in_every_int16_layer() -> None:
    runs = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found = []
        for layer, shape in (
            (nn.Conv2d(16, 24, 3, padding=1), (4, 16, 40, 40)),
            (nn.Conv2d(16, 16, 3, padding=1, groups=16), (4, 16, 40, 40)),
            (nn.Linear(40, 24), (4, 16, 40, 40)),
        ):
            with torch.no_grad():
                for seed, parameter in enumerate(layer.parameters()):
                    parameter.copy_(noise(*parameter.shape, seed=seed))
            converted(layer)
            x = noise(*shape).requires_grad_()
            y = layer(x)
            found += [y, *torch.autograd.grad(y, [x, layer.weight], noise(*y.shape, seed=1))]
        runs.append([tensor.detach().numpy().tobytes() for tensor in found])
    assert runs[0] == runs[1]


def test_training_resumes_from_a_checkpoint_to_the_same_bytes(tmp_path: Path) -> None:
    whole = Training(dfp.convert(digits_net(0)), 3).run()
    Training(dfp.convert(digits_net(0)), 3).run(until=1).save(tmp_path / "checkpoint.pt")
    resumed = Training(dfp.convert(digits_net(5)), 3)
    resumed.load(tmp_path / "checkpoint.pt")
    assert same(resumed.run().net, whole.net)


def test_an_fp32_checkpoint_goes_on_in_int16_and_back(tmp_path: Path) -> None:
    Training(digits_net(0), 6).run(until=2).save(tmp_path / "fp32.pt")
    int16 = Training(dfp.convert(digits_net(1)), 6)
    int16.load(tmp_path / "fp32.pt")
    int16.run(until=4).save(tmp_path / "int16.pt")
    fp32 = Training(digits_net(2), 6)
    fp32.load(tmp_path / "int16.pt")
    assert fp32.run().accuracy() >= 80


def test_gradients_accumulate() -> None:
    net, a, b = dfp.convert(small_net()).eval(), noise(4, 3, 8, 8, seed=1), noise(4, 3, 8, 8, seed=2)
    wanted = [x + y for x, y in zip(gradients(net, a), gradients(net, b), strict=True)]
    for part in (a, b):
        torch.autograd.backward(net(part).square().sum())
    for parameter, gradient in zip(net.parameters(), wanted, strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, gradient)


def test_an_optimizer_made_before_the_conversion_trains_the_module() -> None:
    net = small_net()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    dfp.convert(net)
    x, losses = noise(8, 3, 8, 8), []
    for _ in range(10):
        loss = (net(x) - 1).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_activation_checkpointing_changes_nothing() -> None:
    net, x = dfp.convert(small_net()), noise(4, 3, 8, 8)
    wanted = gradients(copy.deepcopy(net), x)
    y = checkpoint(net, x, use_reentrant=False)
    found = torch.autograd.grad(y.square().sum(), list(net.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """DistributedDataParallel over gloo: each gets half of every batch, both end as one does with the whole."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.dfp.two_processes", str(tmp_path)]
    processes = [
        subprocess.Popen([*command, str(rank)], env=environment, stderr=subprocess.PIPE, text=True) for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    first, second, alone = (torch.load(tmp_path / f"{name}.pt") for name in ("rank0", "rank1", "alone"))
    start = small_net().state_dict()
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name
        if weight.is_floating_point():
            assert torch.allclose(weight, alone[name], atol=1e-4), name
    assert not torch.equal(first["9.weight"], start["9.weight"])
