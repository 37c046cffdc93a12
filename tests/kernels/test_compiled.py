"""The compiled kernels give the bytes of the reference, with every instruction set and number of threads."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.kernels.geometry import Conv
from tests.kernels.cases import Answer, Case, fill, random_conv, same_bytes

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")
ISAS = kernels.isas()


def reference(monkeypatch: pytest.MonkeyPatch, case: Case, chain: int | None = None) -> dict[str, Answer]:
    monkeypatch.setenv("PYQ8_ISA", "reference")
    return case.run(chain)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("seed", range(16))
def test_any_convolution(isa: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    case = fill(random_conv(rng), rng, int(rng.choice([100, 4095, 8191, 32767])))
    expected = reference(monkeypatch, case)
    monkeypatch.setenv("PYQ8_ISA", isa)
    kernels.set_threads(1 + seed % 4)
    same_bytes(case.run(), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "conv",
    [
        Conv(2, 14, 14, 64, 96, 3, 3, padding=(1, 1, 1, 1)),
        Conv(2, 7, 7, 128, 128, 3, 3, padding=(1, 1, 1, 1)),
        Conv(3, 14, 14, 64, 64, 3, 3, stride=(2, 2), padding=(1, 1, 1, 1)),
        Conv(2, 14, 14, 128, 64, 1, 1, stride=(2, 2)),
        Conv(6, 15, 15, 33, 70, 1, 1),
        Conv(1, 1, 1100, 16, 20, 1, 1),
        Conv(1, 30, 30, 3, 24, 7, 7, stride=(2, 2), padding=(3, 3, 3, 3)),
        Conv(1, 9, 9, 48, 48, 3, 3, padding=(1, 1, 1, 1), groups=48),
        Conv(2, 33, 25, 93, 93, 3, 3, stride=(2, 1), padding=(1, 1, 1, 1), groups=93),
        Conv(1, 33, 33, 6, 6, 1, 1, padding=(1, 0, 0, 0), groups=2),
        Conv(1, 4, 4, 2048, 32, 1, 1),
    ],
    ids=lambda conv: f"{conv.r}x{conv.s}-{conv.c}-{conv.k}-{conv.h}x{conv.w}-s{conv.stride[0]}-g{conv.groups}",
)
def test_convolutions_of_networks(isa: str, conv: Conv, monkeypatch: pytest.MonkeyPatch) -> None:
    case = fill(conv, np.random.default_rng(0), 8191)
    expected = reference(monkeypatch, case)
    monkeypatch.setenv("PYQ8_ISA", isa)
    same_bytes(case.run(), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("chain", [2, 6, 16, 30, 512])
@pytest.mark.parametrize("groups", [1, 40])
def test_any_chain(isa: str, chain: int, groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    conv = Conv(2, 25, 25, 40 if groups > 1 else 30, 40, 3, 3, padding=(1, 1, 1, 1), groups=groups)
    case = fill(conv, np.random.default_rng(chain), 30_000 if chain == 2 else 1000)
    expected = reference(monkeypatch, case, chain)
    monkeypatch.setenv("PYQ8_ISA", isa)
    same_bytes(case.run(chain), expected)


@pytest.mark.parametrize("isa", (*ISAS, "reference"))
@pytest.mark.parametrize("numbers", ["all maximal", "alternating", "one outlier", "uniform"])
def test_no_chain_overflows(isa: str, numbers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conv = Conv(1, 8, 8, 40, 40, 3, 3, padding=(1, 1, 1, 1))
    case = fill(conv, np.random.default_rng(0), 32767)
    for array in (case.x, case.w, case.dy):
        signs = np.resize([1, -1], array.shape)
        if numbers == "all maximal":
            array[:] = 32767
        if numbers == "alternating":
            array[:] = 32767 * signs
        if numbers == "one outlier":
            array[:] = 0
            array[(0,) * 4] = -32767
    monkeypatch.setenv("PYQ8_ISA", isa)
    before = kernels.overflows()
    got = case.run(check=True)
    assert kernels.overflows() == before
    if numbers == "all maximal":
        y = got["forward"][0][0, 4, 4] - case.bias
        assert np.allclose(y, 32767.0**2 * 360 * case.scale, rtol=1e-6)


@pytest.mark.parametrize("isa", (*ISAS, "reference"))
def test_the_counter_counts(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of 4 maximal products is twice what INT32 holds: each of the 2 x 3 results has one."""
    monkeypatch.setenv("PYQ8_ISA", isa)
    before = kernels.overflows()
    full = np.full((3, 4), 32767, np.int16)
    kernels.gemm(full[:2], full, scale=1, chain=4, check=True)
    assert kernels.overflows() - before == 6
    kernels.gemm(full[:2], full, scale=1, chain=4)
    kernels.gemm(full[:2], full, scale=1, chain=2, check=True)
    assert kernels.overflows() - before == 6


@pytest.mark.parametrize("isa", ISAS)
def test_a_depthwise_sum_may_take_several_chains(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conv = Conv(1, 9, 9, 24, 24, 5, 5, padding=(2, 2, 2, 2), groups=24)
    case = fill(conv, np.random.default_rng(0), 32767)
    expected = reference(monkeypatch, case)
    monkeypatch.setenv("PYQ8_ISA", isa)
    same_bytes(case.run(), expected)


@pytest.mark.parametrize("isa", ISAS)
def test_an_odd_number_of_pixels_is_proven_without_the_pixels_of_an_earlier_call(
    isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 * 32767^2 + 63 is one chain of INT32; one more large number would make it two, of which the 63 is lost."""
    x, dy = np.full((1, 1, 4, 2), 32767, np.int16), np.full((1, 1, 4, 2), 32767, np.int16)
    short = dy[:, :, :3].copy()
    short[0, 0, 2] = 1
    last = x[:, :, :3].copy()
    last[0, 0, 2] = 63
    answers = []
    for name in (isa, "reference"):
        monkeypatch.setenv("PYQ8_ISA", name)
        kernels.set_threads(1)
        kernels.conv_backward_weight(x, dy, scale=1, kernel_hw=(1, 1))
        answers.append(kernels.conv_backward_weight(last, short, scale=1, kernel_hw=(1, 1))[0])
    assert answers[0].tobytes() == answers[1].tobytes()


def test_threads_change_no_byte() -> None:
    case = fill(Conv(4, 20, 20, 40, 72, 3, 3, padding=(1, 1, 1, 1)), np.random.default_rng(0), 8191)
    kernels.set_threads(1)
    expected = case.run()
    for threads in (2, 3, 4):
        kernels.set_threads(threads)
        same_bytes(case.run(), expected)


@pytest.mark.parametrize(("c", "k"), [(6, 6), (5, 7), (3, 1), (40, 2)])
def test_threads_that_pack_neighbouring_pixels_leave_each_others_alone(c: int, k: int) -> None:
    case = fill(Conv(2, 33, 33, c, k, 1, 1), np.random.default_rng(0), 8191)
    kernels.set_threads(1)
    expected = case.run()
    kernels.set_threads(4)
    for _ in range(50):
        same_bytes(case.run(), expected)


@pytest.mark.parametrize("join", ["", "import torch; torch.mm(x := torch.ones(999, 999), x); kernels.join_openmp('')"])
def test_a_forked_child_computes(join: str) -> None:
    code = f"""
import os, signal, numpy as np
from pyq8 import kernels
{join}
kernels.set_threads(3)
a = np.ones((4000, 64), np.int16)
first, _ = kernels.gemm(a, a[:64], scale=1)
child = os.fork()
if not child:
    signal.alarm(30)  # a child that waits for ever must not outlive the test
    again, _ = kernels.gemm(a, a[:64], scale=1)
    os._exit(0 if np.array_equal(first, again) else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_torchs_threads_compute_and_give_the_same_bytes() -> None:
    """Two pools would wait for each other: those of torch spin for milliseconds behind each of its loops."""
    code = """
import os, numpy as np
from pyq8 import kernels
kernels.set_threads(3)
a = np.random.default_rng(0).integers(-8191, 8191, (4000, 64)).astype(np.int16)
threads = len(os.listdir("/proc/self/task"))
alone, _ = kernels.gemm(a, a[:64], scale=1)
assert len(os.listdir("/proc/self/task")) == threads + 2
kernels.set_threads(1)  # ends them
kernels.set_threads(3)
import torch
torch.set_num_threads(3)
torch.mm(x := torch.ones(999, 999), x)
threads = len(os.listdir("/proc/self/task"))
assert kernels.join_openmp(torch.__path__[0])
joined, _ = kernels.gemm(a, a[:64], scale=1)
assert len(os.listdir("/proc/self/task")) == threads
assert joined.tobytes() == alone.tobytes()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_an_openmp_runtime_threads_are_our_own() -> None:
    code = """
import numpy as np
from pyq8 import kernels
assert not kernels.join_openmp("")
a = np.ones((4000, 64), np.int16)
assert kernels.gemm(a, a[:64], scale=1)[1] == 64
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_out_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.arange(12, dtype=np.int16).reshape(3, 4)
    for isa in (*ISAS, "reference"):
        monkeypatch.setenv("PYQ8_ISA", isa)
        out = np.full((3, 3), np.nan, np.float32)
        result, peak = kernels.gemm(a, a, scale=1, out=out)
        assert np.shares_memory(result, out) and np.array_equal(out, a.astype(int) @ a.T.astype(int))
        assert peak == out.max()
