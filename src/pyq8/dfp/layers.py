"""Conv2d and Linear in INT16: subclasses of torch's, with the same parameters under the same names."""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Tensor, nn
from torch._C._dynamo.eval_frame import get_eval_frame_callback

from pyq8 import kernels
from pyq8.dfp.convolution import Geometry
from pyq8.dfp.function import Convolution, as_pixels, as_taps
from pyq8.dfp.operand import Operand, Settings, quantize_activation
from pyq8.errors import DataError, UsageError

kernels.join_openmp(torch.__path__[0])


def refuse_export(layer: DfpConv2d | DfpLinear) -> NoReturn:
    """Say that exporters and compilers need torch's own layers.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"{layer.dfp.name}: an INT16 layer is neither exported nor compiled; call pyq8.dfp.revert(module) first"
    )


class DfpConv2d(nn.Conv2d):
    """`torch.nn.Conv2d`, computed in INT16.

    Args:
        dfp: its name and bits.
    """

    dfp: Settings
    __prepare_scriptable__ = refuse_export  # what torch.jit.script calls

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] or [C, H, W] float32 to the same with K channels, channels-last in memory.

        Raises:
            DataError: a wrong shape, NaN or infinity.
            UsageError: not dense float32 on the CPU, or under an exporter or compiler.
        """
        check_input(self, x)
        if x.dim() == 3:
            return self.forward(x[None])[0]
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise DataError(f"{self.dfp.name}: takes [N, {self.in_channels}, H, W], got {list(x.shape)}")
        if x.numel() == 0:
            return super().forward(x)
        return _convolve(self, x, self.geometry)

    @property
    def geometry(self) -> Geometry:
        """As the kernels take it."""
        left, right, top, bottom = self._reversed_padding_repeated_twice
        return Geometry(self.stride, (top, left, bottom, right), self.dilation, self.groups)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        """torch's, and the bits."""
        return f"{super().extra_repr()}, {self.dfp.bits}"  # type: ignore[no-untyped-call]


class DfpLinear(nn.Linear):
    """`torch.nn.Linear`, computed in INT16 as the 1x1 convolution of one row of pixels.

    Args:
        dfp: its name and bits.
    """

    dfp: Settings
    __prepare_scriptable__ = refuse_export  # what torch.jit.script calls

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] float32 to [..., out_features].

        Raises:
            DataError: a wrong shape, NaN or infinity.
            UsageError: not dense float32 on the CPU, or under an exporter or compiler.
        """
        check_input(self, x)
        if not x.dim() or x.shape[-1] != self.in_features:
            raise DataError(f"{self.dfp.name}: takes [..., {self.in_features}], got {list(x.shape)}")
        if x.numel() == 0:
            return super().forward(x)
        return _convolve(self, x, Geometry())

    def extra_repr(self) -> str:
        """torch's, and the bits."""
        return f"{super().extra_repr()}, {self.dfp.bits}"


def check_input(layer: DfpConv2d | DfpLinear, x: Tensor) -> None:
    """Refuse what is no tensor of numbers.

    Raises:
        UsageError: under an exporter, tracer or compiler; no dense torch tensor.
    """
    tracing = torch.jit.is_tracing() or torch.onnx.is_in_onnx_export()  # type: ignore[attr-defined, no-untyped-call]
    # the callback is there, too, where torch.compile gave up on a function and has it run as it is
    compiling = torch.compiler.is_compiling() or get_eval_frame_callback() is not None
    if tracing or compiling or isinstance(x, torch.fx.Proxy):
        refuse_export(layer)
    if not isinstance(x, Tensor) or x.layout != torch.strided:
        found = x.layout if isinstance(x, Tensor) else type(x).__name__
        raise UsageError(f"{layer.dfp.name}: its input is {found}; INT16 layers take dense torch tensors")


def operands(layer: DfpConv2d | DfpLinear, x: Tensor) -> tuple[Operand, Operand]:
    """The input and the weight in int16.

    Raises:
        DataError: NaN or infinity.
        UsageError: not float32 on the CPU.
    """
    for what, tensor in (("its input", x), ("its weight", layer.weight)):
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            found = f"{tensor.dtype} on {tensor.device}"
            raise UsageError(f"{layer.dfp.name}: {what} is {found}; INT16 layers take float32 on the CPU")
    kernels.set_threads(torch.get_num_threads())
    pixels = as_pixels(x, layer.weight.dim() == 2)
    return quantize_activation(x, pixels, layer.dfp), layer.dfp.quantize(as_taps(layer.weight), "weight")


def _convolve(layer: DfpConv2d | DfpLinear, x: Tensor, geometry: Geometry) -> Tensor:
    apply = Convolution.apply
    y: Tensor = apply(x, layer.weight, layer.bias, *operands(layer, x), geometry, layer.dfp)  # type: ignore[no-untyped-call]
    return y
