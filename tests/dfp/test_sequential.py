"""Convolution, BatchNorm and ReLU in one function: what the layers one by one compute, and when it steps aside."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pyq8 import dfp
from pyq8.dfp.sequential import DfpSequential, Group, grouped
from pyq8.errors import DataError
from tests.dfp.networks import noise


def block(
    cin: int, cout: int, *, act: bool = True, bias: bool = False, norm: nn.Module | None = None
) -> list[nn.Module]:
    conv = nn.Conv2d(cin, cout, 3, padding=1, bias=bias)
    return [conv, norm or nn.BatchNorm2d(cout), *([nn.ReLU(inplace=True)] if act else [])]


def twice(conv: nn.Module, norm: nn.Module, relu: nn.Module) -> nn.Sequential:
    """Every module at two places, in the sequence and in one within it."""
    return nn.Sequential(conv, norm, relu, nn.Sequential(conv, norm, relu), nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6), relu)


NETWORKS: dict[str, Callable[[], nn.Sequential]] = {
    "one": lambda: nn.Sequential(*block(4, 6)),
    "chain": lambda: nn.Sequential(*block(4, 6), *block(6, 5), *block(5, 8, act=False)),
    "nested": lambda: nn.Sequential(nn.Sequential(*block(4, 6)), nn.Sequential(*block(6, 5, bias=True)), nn.ReLU()),
    "pooled": lambda: nn.Sequential(*block(4, 6), nn.MaxPool2d(2), *block(6, 5)),
    "conv-behind": lambda: nn.Sequential(*block(4, 6), nn.Conv2d(6, 4, 1), nn.ReLU()),
    "plain-norm": lambda: nn.Sequential(*block(4, 6, norm=nn.BatchNorm2d(6, affine=False))),
    "no-statistics": lambda: nn.Sequential(
        *block(4, 6, norm=nn.BatchNorm2d(6, track_running_stats=False)), *block(6, 6)
    ),
    "cumulative": lambda: nn.Sequential(*block(4, 6, norm=nn.BatchNorm2d(6, momentum=None))),
    "shared": lambda: twice(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
}


def made(kind: str) -> nn.Sequential:
    """The network with weights and statistics that are no special numbers."""
    torch.manual_seed(0)
    net = NETWORKS[kind]()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                if tensor is not None:
                    tensor.detach().copy_(torch.rand(tensor.shape) + 0.5)
    return net


def int16(net: nn.Module, *, fuse: bool) -> nn.Module:
    return dfp.convert(copy.deepcopy(net), first="dfp16", bits=dfp.Bits(15, 15, 15), fuse=fuse)


def results(net: nn.Module, steps: int = 2) -> dict[str, Tensor]:
    """Outputs, gradients and buffers after two forward and backward passes."""
    found: dict[str, Tensor] = {}
    for step in range(steps):
        x = noise(6, 4, 8, 8, seed=step).requires_grad_()
        y = net(x)
        torch.autograd.backward((y * noise(*y.shape, seed=7)).sum())
        assert x.grad is not None
        found |= {f"y{step}": y.detach(), f"dx{step}": x.grad}
    found |= {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return found | dict(net.named_buffers())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", NETWORKS)
def test_it_computes_what_the_layers_do(kind: str, training: bool) -> None:
    net = made(kind).train(training)
    fused, single, fp32 = int16(net, fuse=True), int16(net, fuse=False), copy.deepcopy(net)
    assert isinstance(fused, DfpSequential)
    assert any(isinstance(step, Group) for step in grouped(fused))
    assert type(single) is nn.Sequential
    found, wanted, exact = (results(n) for n in (fused, single, fp32))
    assert found.keys() == wanted.keys() == exact.keys()
    for name, value in found.items():
        assert value.dtype == exact[name].dtype
        size = float(exact[name].abs().max()) + 0.1
        assert float((value - wanted[name]).abs().max()) <= 2e-3 * size, name
        assert float((value - exact[name]).abs().max()) <= 2e-3 * size, name


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode: Callable[[], torch.no_grad]) -> None:
    net = made("chain").eval()
    x = noise(2, 4, 8, 8)
    with mode():
        assert torch.allclose(int16(net, fuse=True)(x), net(x), atol=1e-2)


def test_frozen_statistics_and_frozen_weights() -> None:
    net = made("chain")
    fused = int16(net, fuse=True)
    for layer in (net, fused):
        layer[0].weight.requires_grad_(False)  # type: ignore[index]
        layer[1].eval()  # type: ignore[index]
    found, exact = results(fused), results(net)
    assert "0.weight" not in found
    for name in ("1.weight", "3.weight", "dx1", "1.running_mean"):
        assert torch.allclose(found[name], exact[name], rtol=1e-2, atol=1e-2 * float(exact[name].abs().max()) + 1e-4), (
            name
        )


def test_names_weights_and_slices_are_those_of_torch() -> None:
    net = made("nested")
    fused = int16(net, fuse=True)
    assert list(fused.state_dict()) == list(net.state_dict())
    x = noise(2, 4, 8, 8)
    assert torch.allclose(fused[:1](x), net[:1](x), atol=1e-2)  # type: ignore[index]
    assert type(dfp.revert(fused)[0]) is nn.Sequential  # type: ignore[index]


def test_reverted_modules_that_are_shared_compute_what_they_did() -> None:
    net = made("shared").eval()
    fused = int16(net, fuse=True)
    x = noise(2, 4, 8, 8)
    y = fused(x)
    assert torch.allclose(dfp.revert(fused)(x), y, atol=1e-2)
    assert torch.allclose(fused(x), net(x), atol=1e-5)


def test_hooks_see_every_layer() -> None:
    net = int16(made("chain"), fuse=True)
    wanted = net(noise(6, 4, 8, 8))
    seen: list[Tensor] = []
    net[4].register_forward_hook(lambda _layer, inputs, _y: seen.append(inputs[0].detach().clone()))  # type: ignore[index]
    assert torch.allclose(net(noise(6, 4, 8, 8)), wanted, atol=1e-3)
    (before_norm,) = seen
    assert before_norm.min() < 0


def test_what_no_layer_reads_is_not_written() -> None:
    net = int16(made("chain"), fuse=True)
    kept: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        net(noise(6, 4, 8, 8))
    floats = [t for t in kept if t.dtype == torch.float32]
    assert len(floats) == 3, "one result of a convolution for each group"
    assert all(float(t.min()) < 0 for t in floats)


def test_the_summary_says_what_is_computed_together() -> None:
    text = str(dfp.summary(int16(made("one"), fuse=True)))
    assert "BatchNorm2d  fp32   computed together with 0" in text
    assert "together" not in str(dfp.summary(int16(made("one"), fuse=False)))


def test_what_is_not_finite_is_refused_by_name() -> None:
    net = int16(made("chain"), fuse=True)
    with torch.no_grad():
        net[1].weight[2] = torch.nan  # type: ignore[index]
    with pytest.raises(DataError, match=r"^3: its input holds NaN or infinity"):
        net(noise(2, 4, 8, 8))
    net = int16(made("chain"), fuse=True)
    with pytest.raises(DataError, match=r"^6: the gradient of its output holds NaN or infinity"):
        torch.autograd.backward(net(noise(2, 4, 8, 8)).sum() * torch.inf)


@pytest.mark.parametrize("where", ["weight", "bias", "running_mean", "running_var"])
def test_nan_of_a_normalization_is_nan_behind_the_relu_as_in_torch(where: str) -> None:
    net = made("one").eval()
    getattr(net[1], where).detach()[2] = torch.nan
    x = noise(2, 4, 8, 8)
    assert torch.equal(int16(net, fuse=True)(x).isnan(), net(x).isnan())
    assert net(x).isnan().any()


def test_a_gradient_that_is_nan_is_refused_with_running_statistics_too() -> None:
    y = int16(made("one").eval(), fuse=True)(noise(2, 4, 8, 8))
    dy = torch.ones_like(y)
    dy[tuple(y.detach().nonzero()[0])] = torch.nan
    with pytest.raises(DataError, match=r"^0: the gradient of its output holds NaN"):
        y.backward(dy)


def test_one_value_a_channel_has_no_variance() -> None:
    with pytest.raises(DataError, match="more than one value a channel"):
        int16(made("one"), fuse=True)(noise(1, 4, 1, 1))


def test_other_normalizations_are_left_to_torch() -> None:
    net = nn.Sequential(*block(4, 6, norm=nn.GroupNorm(2, 6)), nn.Conv2d(6, 4, 1))
    assert type(int16(net, fuse=True)) is nn.Sequential
    double = int16(made("one").eval(), fuse=True)
    double[1].double()  # type: ignore[index]
    with pytest.raises(RuntimeError):  # torch's own, of layers that do not fit
        double(noise(2, 4, 8, 8))


def test_wrong_channels_are_refused_and_empty_batches_are_not() -> None:
    net = int16(made("chain"), fuse=True).eval()
    with pytest.raises(DataError, match=r"^0: takes \[N, 4, H, W\], got \[2, 3, 8, 8\]"):
        net(noise(2, 3, 8, 8))
    assert net(torch.zeros(0, 4, 8, 8)).shape == (0, 8, 8, 8)
