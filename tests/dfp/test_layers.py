"""The INT16 layers against torch's, within the bound that docs/explanation/dfp.md states."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pyq8 import dfp, kernels
from pyq8.errors import DataError, UsageError
from tests.dfp.networks import Layer, converted, noise, small_net

LAYERS: dict[str, tuple[Callable[[], Layer], tuple[int, ...]]] = {
    "1x1": (lambda: nn.Conv2d(6, 7, 1), (2, 6, 5, 4)),
    "3x3": (lambda: nn.Conv2d(6, 8, 3, padding=1, bias=False), (2, 6, 5, 4)),
    "stride": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), (2, 4, 8, 7)),
    "uneven": (lambda: nn.Conv2d(3, 5, (5, 2), stride=(3, 1), padding=(2, 0)), (2, 3, 11, 6)),
    "dilation": (lambda: nn.Conv2d(4, 4, 3, padding=2, dilation=2), (1, 4, 7, 7)),
    "same": (lambda: nn.Conv2d(4, 4, (4, 3), padding="same"), (1, 4, 7, 7)),
    "groups": (lambda: nn.Conv2d(6, 9, 3, padding=1, groups=3), (2, 6, 5, 5)),
    "depthwise": (lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), (2, 8, 5, 5)),
    "linear": (lambda: nn.Linear(10, 7), (4, 10)),
    "linear-3d": (lambda: nn.Linear(10, 7, bias=False), (2, 3, 10)),
}
FP32 = 2.0**-22  # of the largest sum: what the float32 sums between two chains may lose


def results(layer: Layer, x: Tensor, dy: Tensor) -> dict[str, Tensor]:
    """What a layer computes, forward and backward."""
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(dy)
    assert x.grad is not None
    return {"y": y.detach(), "dx": x.grad} | {n: p.grad for n, p in layer.named_parameters() if p.grad is not None}


def half_step(x: Tensor, bits: int) -> float:
    """No element is further from its integer: half a step, or a step where the clamp may act."""
    tensor = dfp.quantize(x.detach().numpy(), bits)
    clamps = float(x.detach().abs().max()) > (2**bits - 0.5) * 2.0**tensor.exponent
    return math.ldexp(1.0 if clamps else 0.5, tensor.exponent)


def nearest(x: Tensor, bits: int) -> Tensor:
    """The values that the integers stand for, float64."""
    return torch.from_numpy(dfp.dequantize(dfp.quantize(x.detach().numpy(), bits), np.float64))


def bounds(layer: Layer, x: Tensor, dy: Tensor, bits: dfp.Bits) -> dict[str, Tensor]:
    """|found - exact| may be sum(|a| db + |b| da + da db) over the products of each result, element by element."""
    weight = next(layer.parameters())
    dx, dw, ddy = (half_step(t, b) for t, b in ((x, bits.activation), (weight, bits.weight), (dy, bits.gradient)))
    errors = {"x": dx, "w": dw, "dy": ddy}
    double = copy.deepcopy(layer).double()
    if double.bias is not None:
        double.bias.detach().zero_()
    ones = {"x": torch.ones_like(x), "w": torch.ones_like(weight), "dy": torch.ones_like(dy)}
    sizes = {"x": x.abs(), "w": weight.detach().abs(), "dy": dy.abs()}

    def products(names: str, kind: str, first: dict[str, Tensor], second: dict[str, Tensor]) -> Tensor:
        a, b = names.split()
        used = {"x": ones["x"], "w": ones["w"], "dy": ones["dy"], a: first[a], b: second[b]}
        with torch.no_grad():
            double.weight.copy_(used["w"])
        double.weight.grad = None
        return results(double, used["x"].double(), used["dy"].double())[kind]

    def bound(kind: str, names: str) -> Tensor:
        a, b = names.split()
        return (
            products(names, kind, sizes, ones) * errors[b]
            + products(names, kind, ones, sizes) * errors[a]
            + products(names, kind, ones, ones) * errors[a] * errors[b]
            + products(names, kind, sizes, sizes).max() * FP32
        )

    return {"y": bound("y", "x w"), "dx": bound("dx", "dy w"), "weight": bound("weight", "x dy")}


def check(make: Callable[[], Layer], x: Tensor, bits: dfp.Bits, scale_dy: float = 1) -> None:
    torch.manual_seed(0)
    layer = make()
    with torch.no_grad():
        dy = noise(*layer(x).shape, seed=2) * scale_dy
    exact = results(copy.deepcopy(layer).double(), x.double(), dy.double())
    allowed = bounds(layer, x, dy, bits)
    found = results(converted(copy.deepcopy(layer), bits), x, dy)
    assert found.keys() == exact.keys()
    for kind, bound in allowed.items():
        assert found[kind].dtype == torch.float32
        assert found[kind].shape == exact[kind].shape
        error = (found[kind].double() - exact[kind]).abs()
        slack = float(exact[kind].abs().max()) * FP32 + 1e-44
        assert bool((error <= bound + slack).all()), (
            f"{kind}: {float((error / (bound + slack)).max()):.3g} of the bound"
        )
    rounded = copy.deepcopy(layer).double()
    with torch.no_grad():
        rounded.weight.copy_(nearest(layer.weight, bits.weight))
    of_integers = results(rounded, nearest(x, bits.activation), nearest(dy, bits.gradient))
    for kind in allowed:
        slack = 1e-6 * float(of_integers[kind].abs().max()) + 1e-44
        assert torch.allclose(found[kind].double(), of_integers[kind], rtol=0, atol=slack), f"{kind} of other integers"
    if "bias" in exact:
        assert torch.allclose(found["bias"].double(), exact["bias"], rtol=1e-5, atol=1e-5 * scale_dy)


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # torch's own, of the layer compared with
@pytest.mark.parametrize("bits", [dfp.Bits(), dfp.Bits(15, 15, 15), dfp.Bits(6, 5, 4)], ids=str)
@pytest.mark.parametrize("kind", LAYERS)
def test_results_are_within_the_bound(kind: str, bits: dfp.Bits) -> None:
    make, shape = LAYERS[kind]
    check(make, noise(*shape, seed=1), bits)


def outlier(x: Tensor) -> Tensor:
    x = torch.zeros_like(x)
    x.view(-1)[3] = 1e4
    return x


HARD: dict[str, Callable[[Tensor], Tensor]] = {
    "maximum": lambda x: torch.full_like(x, 3e4),
    "alternating": lambda x: torch.where(torch.arange(x.numel()).view(x.shape) % 2 == 0, 1.999, -1.999),
    "outlier": outlier,
    "huge": lambda x: x * 2.0**60,
    "tiny": lambda x: x * 2.0**-60,
    "zeros": torch.zeros_like,
}


@pytest.mark.parametrize("scale_dy", [1, 1e-30])
@pytest.mark.parametrize("kind", ["3x3", "linear"])
@pytest.mark.parametrize("hard", HARD)
@pytest.mark.parametrize("bits", [13, 15])
def test_hard_tensors_stay_within_the_bound(hard: str, kind: str, bits: int, scale_dy: float) -> None:
    make, shape = LAYERS[kind]
    check(make, HARD[hard](noise(*shape, seed=1)), dfp.Bits(bits, bits, bits), scale_dy)


def test_products_below_float32_are_zero_and_scales_below_it_are_not() -> None:
    layer = converted(nn.Linear(2, 1, bias=True))
    with torch.no_grad():
        layer.weight.fill_(2.0**-70)
        assert layer.bias is not None
        layer.bias.fill_(0.25)
    assert layer(torch.full((1, 2), 2.0**-60)).item() == 0.25
    with torch.no_grad():
        layer.bias.zero_()
    assert layer(torch.full((1, 2), 2.0**-60)).item() == 2.0**-129
    assert layer(torch.full((1, 2), 2.0**-100)).item() == 0


def test_products_beyond_float32_are_infinite_as_in_torch() -> None:
    layer = converted(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0**100, 2.0**100], [0, 0]]))
    assert layer(torch.full((1, 2), 2.0**110)).tolist() == [[torch.inf, 0]]


def test_an_image_without_a_batch() -> None:
    layer = converted(nn.Conv2d(3, 4, 3))
    x = noise(3, 6, 6)
    assert torch.equal(layer(x), layer(x[None])[0])


def test_an_empty_batch_trains_too() -> None:
    cases: list[tuple[Layer, tuple[int, ...]]] = [(nn.Conv2d(3, 4, 3), (0, 3, 6, 6)), (nn.Linear(3, 4), (0, 3))]
    for layer, shape in cases:
        y = converted(layer)(torch.zeros(shape))
        y.sum().backward()
        assert y.shape[0] == 0
        assert layer.weight.grad is not None
        assert not layer.weight.grad.any()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layout_of_the_input_changes_nothing(layout: torch.memory_format) -> None:
    layer = converted(nn.Conv2d(4, 6, 3))
    x = noise(2, 4, 6, 6)
    y = layer(x.contiguous(memory_format=layout))
    assert torch.equal(y, layer(x))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_a_gradient_that_is_a_broadcast_view() -> None:
    layer = converted(nn.Conv2d(4, 6, 3))
    layer(noise(2, 4, 6, 6)).mean().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().max() > 0


def count_quantizations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    true = kernels.quantize_tensor

    def counting(x: Any, *rest: Any, **options: Any) -> Any:
        shapes.append(x.shape)
        return true(x, *rest, **options)

    monkeypatch.setattr(kernels, "quantize_tensor", counting)
    return shapes


def test_layers_that_read_the_same_tensor_share_its_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = converted(nn.Conv2d(4, 6, 3, bias=False)), converted(nn.Conv2d(4, 6, 1, bias=False))
    shapes = count_quantizations(monkeypatch)
    x = torch.relu(noise(2, 4, 6, 6).requires_grad_())
    one(x), other(x)
    assert shapes.count((2, 6, 6, 4)) == 1
    before = one(x)
    x.mul_(2)
    assert torch.equal(one(x), before * 2), "the integers of the old values were used"


@pytest.mark.parametrize("wants_gradient", [False, True])
def test_images_that_change_behind_torch_s_back_are_read_again(wants_gradient: bool) -> None:
    buffer = np.zeros((2, 6), np.float32)
    x = torch.from_numpy(buffer).requires_grad_(wants_gradient)
    layer = converted(nn.Linear(6, 4, bias=False))
    for seen in (x, x.view(2, 6)):
        for value in (1, 2):
            buffer[:] = value
            assert torch.equal(layer(seen), layer(torch.full((2, 6), float(value))))
        x.data.mul_(2)
        assert torch.equal(layer(seen), layer(torch.full((2, 6), 4.0)))


def test_a_convolution_and_a_linear_layer_may_read_the_same_tensor() -> None:
    x = noise(2, 6, 5, 6)
    conv, linear = converted(nn.Conv2d(6, 4, 1)), converted(nn.Linear(6, 4))
    wanted = conv(x.clone()), linear(x.clone())
    assert torch.equal(conv(x), wanted[0])
    assert torch.equal(linear(x), wanted[1])


def test_a_layer_of_other_bits_makes_its_own_integers() -> None:
    x, rough, fine = noise(2, 6), converted(nn.Linear(6, 4), dfp.Bits(4, 15, 15)), nn.Linear(6, 4)
    exact = fine(x)
    rough(x)
    assert torch.allclose(converted(fine, dfp.Bits(15, 15, 15))(x), exact, atol=1e-3)


def test_gradients_that_nobody_wants_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "conv_backward_data", None)
    layer = converted(nn.Conv2d(4, 6, 3))
    layer(noise(2, 4, 6, 6)).sum().backward()
    assert layer.weight.grad is not None


def test_each_operand_is_quantized_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = converted(nn.Conv2d(4, 6, 3))
    shapes = count_quantizations(monkeypatch)
    layer(noise(2, 4, 6, 6).requires_grad_()).square().sum().backward()
    assert sorted(shapes) == [(2, 4, 4, 6), (2, 6, 6, 4), (6, 3, 3, 4)]


def test_backward_keeps_int16_and_no_grad_keeps_nothing() -> None:
    kept: list[torch.dtype] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.dtype)
        return tensor

    layer = converted(nn.Conv2d(4, 6, 3))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        layer(noise(2, 4, 6, 6))
        assert set(kept) == {torch.int16}
        kept.clear()
        with torch.no_grad():
            layer(noise(2, 4, 6, 6))
        assert not kept
    with torch.inference_mode():
        assert layer(noise(2, 4, 6, 6)).shape == (2, 6, 4, 4)


def test_frozen_weights_get_no_gradient() -> None:
    layer = converted(nn.Conv2d(4, 6, 3))
    layer.requires_grad_(False)
    x = noise(2, 4, 6, 6).requires_grad_()
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
    assert x.grad.any()


@pytest.mark.parametrize("kind", ["3x3", "linear"])
def test_a_result_may_be_changed_in_place(kind: str) -> None:
    make, shape = LAYERS[kind]
    layer, x = converted(make()), noise(*shape)
    (wanted,) = torch.autograd.grad(torch.relu(layer(x)).sum(), layer.weight)
    y = layer(x)
    assert not y._is_view(), "in place, torch would copy the whole result on the way back"
    (found,) = torch.autograd.grad(torch.relu_(y).sum(), layer.weight)
    assert torch.equal(found, wanted)


def test_gradients_have_the_layout_of_their_parameters() -> None:
    net = small_net()
    dfp.convert(net)
    net(noise(2, 3, 8, 8)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.stride() == parameter.stride(), name


def test_copies_and_pickles_compute_the_same() -> None:
    net = small_net()
    dfp.convert(net)
    net.eval()
    x = noise(2, 3, 8, 8)
    wanted = net(x)
    assert torch.equal(copy.deepcopy(net)(x), wanted)
    assert torch.equal(pickle.loads(pickle.dumps(net))(x), wanted)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_by_name(bad: float) -> None:
    net = small_net()
    dfp.convert(net)
    x = noise(2, 3, 8, 8)
    x[0, 0, 0, 0] = bad
    with pytest.raises(DataError, match=r"^3: its input holds NaN or infinity"):
        net(x)
    y = net(noise(2, 3, 8, 8))
    with pytest.raises(DataError, match=r"^9: the gradient of its output holds NaN or infinity"):
        (y * bad).sum().backward()


@pytest.mark.parametrize(
    "layer, x, words",
    [
        (nn.Conv2d(3, 4, 3), torch.zeros(2, 5, 6, 6), r"takes \[N, 3, H, W\], got \[2, 5, 6, 6\]"),
        (nn.Linear(3, 4), torch.zeros(2, 5), r"takes \[..., 3\], got \[2, 5\]"),
    ],
)
def test_wrong_shapes_are_refused(layer: Layer, x: Tensor, words: str) -> None:
    with pytest.raises(DataError, match=words):
        converted(layer)(x)


def test_other_types_are_refused() -> None:
    with pytest.raises(UsageError, match=r"0: its input is torch\.float64 on cpu"):
        converted(nn.Linear(3, 4))(torch.zeros(2, 3, dtype=torch.float64))
    with pytest.raises(UsageError, match=r"0: its weight is torch\.bfloat16"):
        converted(nn.Linear(3, 4)).bfloat16()(torch.zeros(2, 3))


@pytest.mark.parametrize(
    "x, found",
    [(torch.eye(3).to_sparse(), "torch.sparse_coo"), (torch.eye(3).to_mkldnn(), "torch._mkldnn"), ([0], "list")],
)
def test_what_is_no_dense_tensor_is_refused(x: Any, found: str) -> None:
    with pytest.raises(UsageError, match=f"^0: its input is {found}; INT16 layers take dense torch tensors$"):
        converted(nn.Linear(3, 4))(x)


def test_a_layer_alone_is_called_the_module_itself_and_bad_data_no_diverged_training() -> None:
    layer = dfp.convert(nn.Linear(3, 4), last="dfp16").eval()
    assert dfp.summary(layer).layers[0].name == "the module itself"
    with pytest.raises(DataError) as caught:
        layer(torch.full((1, 3), math.nan))
    assert str(caught.value).startswith("the module itself: its input holds NaN or infinity; look at the data")
    assert "diverged" not in str(caught.value)


def test_second_derivatives_are_refused_rather_than_wrong() -> None:
    x = noise(2, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(converted(nn.Linear(3, 4))(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        torch.autograd.backward(gradient.sum())


def test_the_same_input_gives_the_same_bytes() -> None:
    x, dy = noise(4, 6, 9, 9, seed=1), noise(4, 8, 9, 9, seed=2)
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 8, 3, padding=1)
    runs = [results(converted(copy.deepcopy(layer)), x, dy) for _ in range(2)]
    for kind, tensor in runs[0].items():
        assert np.array_equal(tensor.numpy(), runs[1][kind].numpy()), kind
