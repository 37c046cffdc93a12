"""Models of one region and of several."""

from __future__ import annotations

from ..small_models import Weights

CONV = "Conv<pads = [1, 1, 1, 1]>"
WEIGHTS: Weights = {"w1": (16, 8, 3, 3), "w2": (16, 16, 3, 3), "w3": (16, 48, 1, 1)}
WHOLE = f"""g (float[N, 8, 12, 12] x) => (float[N, 16, 12, 12] y) {{
    [one] a = {CONV}(x, w1)  [relu] b = Relu(a)  [two] c = {CONV}(b, w2)  [sum] d = Add(c, b)
    [sigmoid] s = Sigmoid(d)  [pool] p = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(b)
    [join] j = Concat<axis = 1>(d, s, p)  [last] y = Conv(j, w3)
}}"""
SEVERAL = f"""g (float[N, 8, 12, 12] x) => (float[N, 16, 12, 12] y) {{
    [one] a = {CONV}(x, w1)  [sine] b = Sin(a)  [two] c = {CONV}(b, w2)  [sum] d = Add(c, a)
    [last] y = {CONV}(d, w2)
}}"""
NODES = frozenset("one two sum sigmoid pool join sine last".split())
