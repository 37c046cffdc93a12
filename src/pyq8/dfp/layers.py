"""Conv2d and Linear in INT16: subclasses of torch's, with the same parameters under the same names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pyq8 import kernels
from pyq8.dfp.function import Convolution, Geometry, as_pixels, as_taps
from pyq8.dfp.operand import quantize, quantize_activation
from pyq8.dfp.options import Bits
from pyq8.errors import DataError, UsageError


class DfpConv2d(nn.Conv2d):
    """`torch.nn.Conv2d`, computed in INT16.

    Args:
        dfp_name: the layer's name in the converted module, for messages.
        dfp_bits: magnitude bits of the operands.
    """

    dfp_name: str
    dfp_bits: Bits

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] or [C, H, W] float32 to the same with K channels, channels-last in memory.

        Raises:
            DataError: a wrong shape, NaN or infinity.
            UsageError: not float32 on the CPU, or under an exporter.
        """
        _refuse_tracing(self.dfp_name)
        if x.dim() == 3:
            return self.forward(x[None])[0]
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise DataError(f"{self.dfp_name}: takes [N, {self.in_channels}, H, W], got {list(x.shape)}")
        if x.numel() == 0:
            return super().forward(x)
        left, right, top, bottom = self._reversed_padding_repeated_twice
        geometry = Geometry(self.stride, (top, left, bottom, right), self.dilation, self.groups)  # type: ignore[arg-type]
        return _convolve(self, x, geometry)

    def extra_repr(self) -> str:
        """torch's, and the bits."""
        return f"{super().extra_repr()}, {self.dfp_bits}"  # type: ignore[no-untyped-call]


class DfpLinear(nn.Linear):
    """`torch.nn.Linear`, computed in INT16 as the 1x1 convolution of one row of pixels; see `DfpConv2d`."""

    dfp_name: str
    dfp_bits: Bits

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] float32 to [..., out_features].

        Raises:
            DataError: a wrong shape, NaN or infinity.
            UsageError: not float32 on the CPU, or under an exporter.
        """
        _refuse_tracing(self.dfp_name)
        if not x.dim() or x.shape[-1] != self.in_features:
            raise DataError(f"{self.dfp_name}: takes [..., {self.in_features}], got {list(x.shape)}")
        if x.numel() == 0:
            return super().forward(x)
        return _convolve(self, x, Geometry())

    def extra_repr(self) -> str:
        """torch's, and the bits."""
        return f"{super().extra_repr()}, {self.dfp_bits}"


def _refuse_tracing(name: str) -> None:
    if torch.onnx.is_in_onnx_export() or torch.compiler.is_compiling():
        raise UsageError(f"{name}: an INT16 layer is neither exported nor compiled; call pyq8.dfp.revert(module) first")


def _convolve(layer: DfpConv2d | DfpLinear, x: Tensor, geometry: Geometry) -> Tensor:
    """Quantize both operands and convolve."""
    name, bits, weight = layer.dfp_name, layer.dfp_bits, layer.weight
    for what, tensor in (("its input", x), ("its weight", weight)):
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            found = f"{tensor.dtype} on {tensor.device}"
            raise UsageError(f"{name}: {what} is {found}; INT16 layers take float32 on the CPU")
    kernels.set_threads(torch.get_num_threads())
    pixels = as_pixels(x, weight.dim() == 2)
    qx = quantize_activation(x, pixels, bits.activation, f"{name}: its input")
    qw = quantize(as_taps(weight), bits.weight, f"{name}: its weight")
    y: Tensor = Convolution.apply(  # type: ignore[no-untyped-call]
        x, weight, layer.bias, qx, qw, geometry, bits.gradient, name
    )
    return y
