"""A torch module's convolutions and linear layers to INT16, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from pyq8.dfp.layers import DfpConv2d, DfpLinear
from pyq8.dfp.operand import ITSELF, Settings
from pyq8.dfp.options import Bits
from pyq8.dfp.sequential import DfpSequential, Group, grouped
from pyq8.errors import ModelError, UsageError

_DFP: dict[type[nn.Module], type[nn.Module]] = {nn.Conv2d: DfpConv2d, nn.Linear: DfpLinear}
_PLAIN = {dfp: plain for plain, dfp in _DFP.items()}
PRECISIONS = ("fp32", "dfp16")


def convert(
    module: nn.Module,
    *,
    first: str = "fp32",
    last: str = "fp32",
    skip: Sequence[str] = (),
    bits: Bits | None = None,
    fuse: bool = True,
) -> nn.Module:
    """Make Conv2d and Linear layers compute in INT16, forward and backward; the parameters stay FP32.

    The module is changed in place: names, parameters, hooks, an optimizer that holds the parameters and checkpoints
    stay as they are. Weights become channels-last in memory. BatchNorm, pooling, activations and the loss remain
    FP32. Converting again changes the options.

    Args:
        module: on the CPU, in float32.
        first: of the first convolution, in the order of `module.named_modules()`: "fp32" or "dfp16".
        last: of the last linear layer, likewise.
        skip: names or patterns (fnmatch) of layers that stay FP32.
        bits: magnitude bits of the operands; None is `Bits()`.
        fuse: compute a convolution with the BatchNorm and ReLU that follow it in an `nn.Sequential`.

    Returns:
        The module itself; `summary` says what became of each layer.

    Raises:
        ModelError: a layer to convert is not float32 on the CPU, or has no weights yet; or one got a parametrization
            when it was in INT16.
        UsageError: no torch module, an option that cannot be, a pattern that matches no layer, or nothing to convert.
    """
    check_module("convert", module)
    if bits is not None and not isinstance(bits, Bits):
        raise UsageError(f"bits={bits!r}: give pyq8.dfp.Bits(activation=13, weight=13, gradient=13), 2 to 15 each")
    for option, value in (("first", first), ("last", last)):
        if value not in PRECISIONS:
            raise UsageError(f"{option}={value!r}: known are fp32, dfp16")
    patterns = (skip,) if isinstance(skip, str) else tuple(skip)
    layers = dict(_layers(module))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in layers):
            raise UsageError(f"skip={pattern!r} matches no Conv2d or Linear layer; pyq8.dfp.summary(module) lists them")
    reasons = {name: _unsupported(layer) for name, layer in layers.items()}
    for kind, value, position, reason in (
        (nn.Conv2d, first, 0, "the first convolution"),
        (nn.Linear, last, -1, "the last linear layer"),
    ):
        of_kind = [name for name, layer in layers.items() if isinstance(layer, kind)]
        if of_kind and value == "fp32":
            reasons[of_kind[position]] = f"{reason}; {'first' if position == 0 else 'last'}='dfp16' converts it"
    for name in layers:
        matching = [pattern for pattern in patterns if fnmatchcase(name, pattern)]
        if matching:
            reasons[name] = f"skip={matching[0]!r}"
    if all(reasons.values()):
        why = "; ".join(dict.fromkeys(reasons.values()))
        raise UsageError(f"no Conv2d or Linear layer is left to convert: {why or 'the module has none'}")
    for name, layer in layers.items():
        if not reasons[name] or any(map(is_lazy, layer.parameters(recurse=False))):
            _check(name, layer)
    revert(module)
    for name, layer in layers.items():
        if isinstance(layer, nn.Conv2d):
            layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if reasons[name]:
            layer.dfp_reason = reasons[name]  # type: ignore[assignment]
        else:
            layer.__class__ = _DFP[type(layer)]
            layer.dfp = Settings(name or ITSELF, bits or Bits())  # type: ignore[assignment]
    for sequence in reversed([m for m in module.modules() if type(m) is nn.Sequential] if fuse else []):
        if any(isinstance(step, Group) for step in grouped(sequence)):  # the inner ones are converted already
            sequence.__class__ = DfpSequential
    return module


def revert(module: nn.Module) -> nn.Module:
    """Make every layer compute in FP32 again, in place; what an exporter needs. Returns the module itself.

    Raises:
        ModelError: a layer got a parametrization, as weight_norm is one, when it was in INT16; nothing is changed.
        UsageError: no torch module.
    """
    check_module("revert", module)
    for name, layer in _layers(module):
        if isinstance(layer, DfpConv2d | DfpLinear) and type(layer) not in _PLAIN:
            raise ModelError(
                f"{name or ITSELF}: is a {type(layer).__name__}; call "
                "torch.nn.utils.parametrize.remove_parametrizations first, and parametrize before convert"
            )
    for _, layer in _layers(module):
        layer.__class__ = _PLAIN.get(type(layer), type(layer))
        for remembered in ("dfp", "dfp_reason"):
            layer.__dict__.pop(remembered, None)
    for sequence in module.modules():
        if type(sequence) is DfpSequential:
            sequence.__class__ = nn.Sequential  # type: ignore[assignment]
    return module


def check_module(function: str, module: object) -> None:
    """Refuse what is no torch module.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(f"pyq8.dfp.{function} takes a torch module, not {type(module).__name__}")


def _layers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    return ((name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear))


def _unsupported(layer: nn.Module) -> str:
    """Why a layer has no INT16 form; empty if it has."""
    if type(layer) not in _DFP and type(layer) not in _PLAIN:
        return f"{type(layer).__name__} may compute something else than the layer it derives from"
    if isinstance(layer, nn.Conv2d) and layer.padding_mode != "zeros":
        return f"padding_mode={layer.padding_mode!r} has no INT16 kernel"
    return ""


def _check(name: str, layer: nn.Module) -> None:
    for what, tensor in layer.named_parameters(recurse=False):
        if is_lazy(tensor):
            raise ModelError(f"{name or ITSELF}: its {what} has no shape yet; give the module a batch before convert")
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            raise ModelError(
                f"{name or ITSELF}: its {what} is {tensor.dtype} on {tensor.device}; INT16 layers take float32 on the "
                f"CPU: module.float().cpu(), or skip={name!r}"
            )
