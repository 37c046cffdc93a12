from __future__ import annotations

import pytest

from pyq8.passes import move_stride
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {
    "w1": (8, 8, 1, 1), "w3": (8, 8, 3, 3), "we": (8, 8, 1, 1), "wa": (16, 8, 1, 1), "wb": (4, 8, 1, 1),
    "b": (8,), "row": (1, 8, 1, 11),
}  # fmt: skip

V1 = """g (float[N, 8, {size}] x) => (float[N, 16, H, K] y, float[N, 4, H, K] z) {{
    [reduce] a = Conv(x, w1)  ra = Relu(a)
    [middle] c = Conv<pads = [1, 1, 1, 1]>(ra, w3, b)  rc = Relu(c)
    [expand] e = Conv(rc, we)
    s = Add(e, x)
    r = Relu(s)
    [shortcut] y = Conv<strides = [2, 2]>(r, wa)
    [main] z = Conv<strides = [2, 2]>(r, wb)
}}"""
"""The end of one ResNet v1 stage and the start of the next."""


@pytest.mark.parametrize("size", ["10, 10", "9, 11"])
def test_the_stride_of_a_resnet_v1_stage_ends_at_the_3x3_before(size: str) -> None:
    result, new = apply(move_stride, parse(V1.format(size=size), W))
    strides = {n.name: list(n.attributes["strides"].as_ints()) for n in new.graph if "strides" in n.attributes}
    assert set(result.changed) == {"shortcut", "expand"}
    assert strides["middle"] == [2, 2]
    assert strides["expand"] == strides["shortcut"] == strides["main"] == [1, 1]
    assert ops(new)["MaxPool"] == 1  # on the identity branch


def resnet50(version: str) -> tuple[str, Weights]:
    """The topology of ResNet-50 with a sixteenth of its channels; v1 strides in the first 1x1, v1.5 in the 3x3."""
    lines = ["s0 = Conv<strides = [2, 2], pads = [3, 3, 3, 3]>(x, stem)", "t0 = Relu(s0)"]
    lines.append("o = MaxPool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>(t0)")
    weights: dict[str, tuple[int, ...]] = {"stem": (4, 3, 7, 7)}
    last, channels = "o", 4
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 4 << stage
        for block in range(blocks):
            n, stride = f"{stage}_{block}", 2 if stage and not block else 1
            first, second = (stride, 1) if version == "v1" else (1, stride)
            weights |= {
                f"a{n}": (width, channels, 1, 1),
                f"b{n}": (width, width, 3, 3),
                f"c{n}": (4 * width, width, 1, 1),
            }
            lines += [
                f"[reduce{n}] p{n} = Conv<strides = [{first}, {first}]>({last}, a{n})  q{n} = Relu(p{n})",
                f"[middle{n}] r{n} = Conv<strides = [{second}, {second}], pads = [1, 1, 1, 1]>(q{n}, b{n})",
                f"u{n} = Relu(r{n})  [expand{n}] v{n} = Conv(u{n}, c{n})",
            ]
            skip = last
            if not block:
                weights[f"d{n}"] = (4 * width, channels, 1, 1)
                skip = f"w{n}"
                lines.append(f"[shortcut{n}] w{n} = Conv<strides = [{stride}, {stride}]>({last}, d{n})")
            last, channels = f"y{n}", 4 * width
            lines.append(f"z{n} = Add(v{n}, {skip})  y{n} = Relu(z{n})")
    body = "\n".join(lines)
    return f"g (float[1, 3, 64, 64] x) => (float[1, 128, 2, 2] y) {{ {body} y = Identity({last}) }}", weights


def test_it_fires_at_the_three_strided_stages_of_resnet50_v1() -> None:
    text, weights = resnet50("v1")
    _, new = apply(move_stride, parse(text, weights))
    picks = [n.name for n in new.graph if n.op_type == "Conv" and "strides" in n.attributes
             and 2 in n.attributes["strides"].as_ints() and n.name and "_" in n.name]  # fmt: skip
    assert picks == ["middle0_2", "middle1_3", "middle2_5"]
    assert ops(new)["MaxPool"] == 1 + 3


def test_it_refuses_all_of_resnet50_v1_5() -> None:
    text, weights = resnet50("v1.5")
    result = move_stride.run(parse(text, weights))
    assert not result.changed
    assert set(result.refused) == {"shortcut1_0", "shortcut2_0", "shortcut3_0"}
    assert set(result.refused.values()) == {"others read every pixel of its input"}


def test_resnet_v1_5_is_refused() -> None:
    text = V1.format(size="10, 10").replace("[main] z = Conv<strides = [2, 2]>(r, wb)", "[main] z = Conv(r, wb)")
    text = text.replace("float[N, 4, H, K] z", "float[N, 4, 10, 10] z")
    assert "every pixel" in refusal(move_stride, parse(text, W), "shortcut")


def test_a_stride_is_multiplied_with_the_convolutions_own() -> None:
    text = """g (float[N, 8, 17, 12] x) => (float[N, 16, H, K] y) {
        [first] a = Conv<strides = [2, 3], pads = [1, 1, 1, 1]>(x, w3)
        [last] y = Conv<strides = [2, 1]>(a, wa)
    }"""
    _, new = apply(move_stride, parse(text, W))
    assert list(new.graph.node(0).attributes["strides"].as_ints()) == [4, 3]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("a = MaxPool<kernel_shape = [3, 3]>(x) [n] y = Conv<strides = [2, 2]>(a, wa)", "no convolution before it"),
        ("[n] y = Conv<strides = [2, 2]>(x, wa)", "no convolution before it"),
        ("c = Conv(x, w1) a = Mul(c, row) [n] y = Conv<strides = [2, 2]>(a, wa)", "no convolution before it"),
    ],
)
def test_refuses(body: str, reason: str) -> None:
    model = parse(f"g (float[N, 8, 11, 11] x) => (float[N, 16, H, K] y) {{ {body} }}", W)
    assert reason in refusal(move_stride, model, "n")


def test_a_tensor_that_is_an_output_is_computed_whole() -> None:
    text = """g (float[N, 8, 9, 9] x) => (float[N, 16, 5, 5] y, float[N, 8, 9, 9] a) {
        a = Conv(x, w1)
        [n] y = Conv<strides = [2, 2]>(a, wa)
    }"""
    assert "every pixel" in refusal(move_stride, parse(text, W), "n")


def test_padded_or_larger_convolutions_are_no_candidates() -> None:
    text = """g (float[N, 8, 9, 9] x) => (float[N, 8, H, K] y) {
        a = Conv(x, w1)
        y = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(a, w3)
    }"""
    result = move_stride.run(parse(text, W))
    assert not result.changed and not result.refused
