"""Which layers `convert` makes INT16, what it says of the others, and that nothing else changes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pyq8 import dfp
from pyq8.errors import ModelError, UsageError
from tests.dfp.networks import noise, small_net


def precisions(module: nn.Module) -> dict[str, str]:
    return {layer.name: layer.precision for layer in dfp.summary(module).layers}


def reason(module: nn.Module, name: str) -> str:
    return next(layer.reason for layer in dfp.summary(module).layers if layer.name == name)


def int16_layers(module: nn.Module) -> list[str]:
    return [name for name, precision in precisions(module).items() if precision == "dfp16"]


def test_all_but_the_first_convolution_and_the_last_linear_layer() -> None:
    net = small_net()
    assert dfp.convert(net) is net
    assert int16_layers(net) == ["3", "6", "9"]
    assert reason(net, "0") == "the first convolution; first='dfp16' converts it"
    assert reason(net, "1") == "BatchNorm2d has no INT16 form"
    assert reason(net, "11") == "the last linear layer; last='dfp16' converts it"


@pytest.mark.parametrize(
    "options, wanted",
    [
        ({"first": "dfp16"}, ["0", "3", "6", "9"]),
        ({"last": "dfp16"}, ["3", "6", "9", "11"]),
        ({"skip": ["6"]}, ["3", "9"]),
        ({"skip": "?"}, []),
        ({"skip": ["3", "9"], "first": "dfp16"}, ["0", "6"]),
    ],
)
def test_every_choice_is_an_option(options: dict[str, Any], wanted: list[str]) -> None:
    net = small_net()
    if wanted:
        assert int16_layers(dfp.convert(net, **options)) == wanted
    else:
        with pytest.raises(UsageError, match="no Conv2d or Linear layer is left"):
            dfp.convert(net, **options)
        assert int16_layers(net) == []


def test_the_summary_prints_as_a_table() -> None:
    text = str(dfp.summary(dfp.convert(small_net(), skip="6", bits=dfp.Bits(15, 14, 13))))
    assert "3   DfpConv2d    dfp16  bits 15, 14, 13" in text
    assert "6   Conv2d       fp32   skip='6'" in text
    assert text.endswith("2 of 7 layers in INT16")


def test_converting_again_changes_the_options() -> None:
    net = dfp.convert(small_net(), first="dfp16")
    dfp.convert(net, skip="3", bits=dfp.Bits(12, 12, 12))
    assert int16_layers(net) == ["6", "9"]
    assert reason(net, "6") == "bits 12, 12, 12"


def test_reverting_leaves_torch_alone() -> None:
    net = small_net()
    wanted, x = str(net), noise(2, 3, 8, 8)
    y = net.eval()(x)
    dfp.revert(dfp.convert(net))
    assert str(net) == wanted
    assert torch.allclose(net(x), y, atol=1e-6)
    assert reason(net, "0") == "not converted"


class Wrapped(nn.Conv2d):
    """A user's own convolution."""


@pytest.mark.parametrize(
    "layer, words",
    [
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), "padding_mode='reflect' has no INT16 kernel"),
        (Wrapped(4, 4, 3), "Wrapped may compute something else"),
        (nn.ConvTranspose2d(4, 4, 3), "ConvTranspose2d has no INT16 form"),
    ],
)
def test_what_has_no_int16_form_stays_fp32_and_says_why(layer: nn.Module, words: str) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.Conv2d(4, 4, 3))
    dfp.convert(net)
    assert int16_layers(net) == ["2"]
    assert words in reason(net, "1")
    assert net(noise(1, 3, 9, 9)).shape[1] == 4


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda net: net.double(), "3: its weight is torch.float64 on cpu"),
        (lambda net: net[6].bfloat16(), "6: its weight is torch.bfloat16 on cpu"),
        (lambda net: net.to("meta"), "3: its weight is torch.float32 on meta"),
    ],
)
def test_other_weights_are_refused_before_anything_changes(change: Callable[[nn.Module], Any], words: str) -> None:
    net = small_net()
    change(net)
    with pytest.raises(ModelError) as caught:
        dfp.convert(net)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert int16_layers(net) == []


def test_a_layer_that_is_skipped_may_have_any_weights() -> None:
    net = small_net()
    net[6].bfloat16()
    assert int16_layers(dfp.convert(net, skip="6")) == ["3", "9"]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"first": "int8"}, "first='int8': known are fp32, dfp16"),
        ({"last": "FP32"}, "last='FP32'"),
        ({"skip": ["layer4*"]}, "skip='layer4*' matches no"),
        ({"bits": 13}, "bits=13: give pyq8.dfp.Bits(activation=13"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        dfp.convert(small_net(), **options)
    assert words in str(caught.value)


def test_wrong_bits_are_refused() -> None:
    with pytest.raises(UsageError, match="16 magnitude bits"):
        dfp.Bits(gradient=16)
    fraction: Any = 12.5
    with pytest.raises(UsageError, match=r"12\.5 magnitude bits: .* a whole number from 2 to 15"):
        dfp.Bits(fraction)


@pytest.mark.parametrize("function", [dfp.convert, dfp.revert, dfp.summary])
def test_what_is_no_module_is_refused(function: Callable[[Any], Any]) -> None:
    with pytest.raises(UsageError, match=rf"^pyq8\.dfp\.{function.__name__} takes a torch module, not str$"):
        function("net")


def test_a_network_without_such_layers_is_refused() -> None:
    with pytest.raises(UsageError, match="no Conv2d or Linear"):
        dfp.convert(nn.Sequential(nn.BatchNorm2d(3)))
    with pytest.raises(UsageError, match=r"is left to convert: the first convolution; first='dfp16' converts it$"):
        dfp.convert(nn.Conv2d(3, 4, 3))


@pytest.mark.parametrize("lazy", [nn.LazyConv2d(4, 3), nn.LazyLinear(4)])
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")  # torch's own
def test_weights_without_a_shape_are_refused(lazy: nn.Module) -> None:
    with pytest.raises(ModelError, match=r"^2: its weight has no shape yet; give the module a batch before convert$"):
        dfp.convert(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), lazy))


def test_a_parametrization_of_an_int16_layer_must_go_before_the_layer_is_reverted() -> None:
    net, x = dfp.convert(small_net()).eval(), noise(2, 3, 8, 8)
    wanted = net(x)
    nn.utils.parametrizations.weight_norm(net[3])  # type: ignore[index]
    for change in (dfp.convert, dfp.revert):
        with pytest.raises(ModelError, match=r"^3: is a ParametrizedDfpConv2d; call .*remove_parametrizations first"):
            change(net)
    assert torch.allclose(net(x), wanted, atol=1e-3)
    nn.utils.parametrize.remove_parametrizations(net[3], "weight")  # type: ignore[index]
    assert torch.allclose(dfp.revert(net)(x), wanted, atol=1e-2)


def test_checkpoints_move_both_ways() -> None:
    fp32, int16 = small_net(1), dfp.convert(small_net(2))
    assert list(fp32.state_dict()) == list(int16.state_dict())
    x = noise(4, 3, 8, 8)
    int16.load_state_dict(fp32.state_dict())
    assert torch.allclose(int16.eval()(x), fp32.eval()(x), atol=1e-3)
    other = dfp.convert(small_net(3)).eval()
    fp32.load_state_dict(other.state_dict())
    assert torch.allclose(fp32(x), other(x), atol=1e-3)


def test_new_weights_are_used_at_once() -> None:
    net, x = dfp.convert(small_net()).eval(), noise(2, 3, 8, 8)
    before = net(x)
    for parameter in net.parameters():
        parameter.data.mul_(0.5)  # what torch's version counter does not see
    assert torch.allclose(net(x), dfp.revert(copy.deepcopy(net))(x), atol=1e-3)
    assert not torch.allclose(net(x), before, atol=1e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of the exporter that is quick to import
@pytest.mark.parametrize("fuse, first", [(True, "3"), (False, "3"), (None, "9")], ids="fused single linear".split())
def test_an_exporter_is_told_to_revert(fuse: bool | None, first: str, tmp_path: Path) -> None:
    net = dfp.convert(small_net(), skip=["3", "6"] if fuse is None else [], fuse=bool(fuse)).eval()
    with pytest.raises(UsageError, match=rf"{first}: an INT16 layer is neither exported.*pyq8\.dfp\.revert"):
        torch.onnx.export(net, (noise(2, 3, 8, 8),), str(tmp_path / "net.onnx"), dynamo=False)


TRACERS: dict[str, Callable[[nn.Module], Any]] = {
    "torch.jit.trace": lambda net: torch.jit.trace(net, noise(2, 3, 8, 8)),  # type: ignore[no-untyped-call]
    "torch.jit.script": torch.jit.script,
    "torch.fx": torch.fx.symbolic_trace,
    "torch.compile": lambda net: torch.compile(net, backend="eager")(noise(2, 3, 8, 8)),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The .grad attribute:UserWarning")  # torch's own
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("tracer", TRACERS)
def test_tracers_and_compilers_are_told_to_revert(tracer: str, fuse: bool) -> None:
    net = dfp.convert(small_net(), fuse=fuse).eval()
    with pytest.raises(UsageError) as caught:
        TRACERS[tracer](net)
    assert str(caught.value).startswith("3: an INT16 layer is neither exported nor compiled; call pyq8.dfp.revert(")
    assert "\n" not in str(caught.value)
    net(noise(2, 3, 8, 8))  # and nothing has changed
