from __future__ import annotations

import numpy as np
import pytest

from pyq8.passes import conv_transpose_to_conv
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse


def network(attributes: str, weights: Weights, size: str = "5, 7", behind: str = "y = Sin(a)") -> str:
    bias = ", b" if "b" in weights else ""
    return f"""g (float[N, 8, {size}] x) => (float[N, C, H, W] y) {{
        [up] a = ConvTranspose<{attributes}>(x, w{bias})
        {behind}
    }}"""


FORMS: dict[str, tuple[str, Weights, set[str]]] = {
    "a U-Net's": ("strides = [2, 2]", {"w": (8, 4, 2, 2), "b": (4,)}, {"Conv", "DepthToSpace", "Sin"}),
    "a GAN's": (
        "strides = [2, 2], pads = [1, 1, 1, 1]", {"w": (8, 4, 4, 4)}, {"Conv", "DepthToSpace", "Slice", "Sin"}
    ),
    "output_padding": (
        "strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]",
        {"w": (8, 4, 3, 3), "b": (4,)},
        {"Conv", "DepthToSpace", "Slice", "Sin"},
    ),
    "groups": (
        "strides = [3, 3], group = 2", {"w": (8, 3, 3, 3), "b": (6,)}, {"Concat", "Conv", "DepthToSpace", "Sin"}
    ),
    "depthwise": (
        "strides = [2, 2], group = 8", {"w": (8, 1, 3, 3)}, {"Concat", "Conv", "DepthToSpace", "Slice", "Sin"}
    ),
    "stride 1": ("pads = [1, 0, 0, 2]", {"w": (8, 4, 3, 4)}, {"Conv", "Sin"}),
    "dilated": (
        "strides = [2, 2], dilations = [2, 3]", {"w": (8, 4, 2, 3)}, {"Conv", "DepthToSpace", "Slice", "Sin"}
    ),
    "pads beyond the kernel's reach": (
        "strides = [2, 2], pads = [5, 4, 3, 5]", {"w": (8, 4, 2, 2)}, {"Conv", "DepthToSpace", "Slice", "Sin"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_becomes_a_conv_of_blocks(name: str) -> None:
    attributes, weights, expected = FORMS[name]

    result, new = apply(conv_transpose_to_conv, parse(network(attributes, weights), weights))

    assert result.changed == ("up",)
    assert set(ops(new)) == expected


@pytest.mark.parametrize("seed", range(60))
def test_any_kernel_stride_and_padding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel, size, stride = rng.integers(1, 6, 2), rng.integers(1, 7, 2), int(rng.integers(1, 5))
    dilations, more, group = rng.integers(1, 3, 2), rng.integers(0, stride, 2), int(rng.choice([1, 1, 2, 8]))
    whole = stride * (size - 1) + (kernel - 1) * dilations + 1 + more
    before = rng.integers(0, np.minimum(whole, 4))
    after = rng.integers(0, np.minimum(whole - before, 4))
    attributes = f"strides = [{stride}, {stride}], dilations = {dilations.tolist()}, group = {group}, "
    attributes += f"pads = {[*before.tolist(), *after.tolist()]}, output_padding = {more.tolist()}"
    weights: Weights = {"w": (8, 2, *kernel.tolist()), "b": (2 * group,)}

    result, _ = apply(conv_transpose_to_conv, parse(network(attributes, weights, f"{size[0]}, {size[1]}"), weights))

    assert result.changed == ("up",)


@pytest.mark.parametrize("behind", ["[act] y = Relu(a)", "[act] y = Clip(a, low, high)"])
def test_a_relu_moves_before_the_blocks_where_the_conv_can_absorb_it(behind: str) -> None:
    weights: Weights = {"w": (8, 4, 2, 2), "low": np.float32(0), "high": np.float32(6)}

    _, new = apply(conv_transpose_to_conv, parse(network("strides = [2, 2]", weights, behind=behind), weights))

    order = [node.op_type for node in new.graph]
    assert order == ["Conv", behind.split()[3].partition("(")[0], "DepthToSpace"]
    assert "act" in {node.name for node in new.graph}


def test_refuses_strides_that_differ() -> None:
    weights: Weights = {"w": (8, 4, 2, 2)}
    assert "strides differ" in refusal(
        conv_transpose_to_conv, parse(network("strides = [2, 1]", weights), weights), "up"
    )


def test_refuses_pads_by_the_size_of_the_image() -> None:
    weights: Weights = {"w": (8, 4, 2, 2)}
    model = parse(network('strides = [2, 2], auto_pad = "SAME_UPPER"', weights), weights)
    assert "size of the image" in refusal(conv_transpose_to_conv, model, "up")


def test_refuses_a_weight_that_is_computed() -> None:
    text = """g (float[N, 8, 5, 5] x, float[8, 4, 2, 2] v) => (float[N, C, H, W] y) {
        [up] y = ConvTranspose(x, v)
    }"""
    assert "not a constant" in refusal(conv_transpose_to_conv, parse(text, {}), "up")
