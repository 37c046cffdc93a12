from __future__ import annotations

import json
import re

import pytest

from pyq8.kernels import bench, library, machine
from pyq8.kernels.geometry import Conv
from tests.cli.run import run


def test_every_direction_of_a_convolution_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    if not library.names():
        pytest.skip(library.load()[1])
    monkeypatch.setattr(bench, "resnet50", lambda batch: [Conv(batch, 14, 14, 64, 32, 3, 3, padding=(1, 1, 1, 1))])
    monkeypatch.setattr(bench, "peak", lambda: 100.0)
    code, text, _ = run("kernels", "--batch", "2", "--rounds", "1", "--threads", "1")
    assert code == 0
    lines = text.splitlines()
    assert "1 threads, INT16 peak 100 G-op/s" in lines[0]
    words = lines[4].split()
    assert words[:2] == ["3x3", "64->32"] and words[2] == "14px"
    macs = 2 * 14 * 14 * 32 * 9 * 64
    for milliseconds, rate, share in zip(words[3::4], words[4::4], words[5::4], strict=True):
        assert float(rate) == pytest.approx(2e-6 * macs / float(milliseconds), rel=0.2, abs=1)
        assert float(share.rstrip("%")) == pytest.approx(float(rate), abs=1)


def test_every_int8_tile_is_timed() -> None:
    if not library.names():
        pytest.skip(library.load()[1])
    code, text, _ = run("kernels", "--int8")
    assert code == 0
    rows = [re.split(r" {2,}", line.strip()) for line in text.splitlines()[3:]]
    assert {row[0] for row in rows} == set(library.names())
    assert all(float(row[3]) > 0 for row in rows)
    assert max(float(row[4].rstrip("%")) for row in rows) == 100
    shown = {row[0] for row in rows if row[1] == "safe pairs"}
    assert shown == {"avx2", "avx512"} & set(library.names())  # the others do not add pairs in INT16


def test_the_caches_that_layers_are_blocked_for_are_told() -> None:
    if not library.names():
        pytest.skip(library.load()[1])
    code, text, _ = run("kernels", "--int8", "--json", "-")
    data = json.loads(text)
    assert code == 0 and (data["kind"], data["schema"]) == ("pyq8 kernels", 1)
    assert data["blocking"]["l2"] >= 256 * 1024
    found = [cache for cache in data["caches"].values() if cache]
    assert all(cache["bytes"] > 0 and cache["threads"] > 0 for cache in found)
    assert {tile["isa"] for tile in data["tiles"]} == set(library.names())
    told = machine.describe()
    assert ("L1d" in told) == (data["caches"]["l1d"] is not None)
    assert "of L2 and" in told


def test_what_means_nothing_for_tiles_is_refused() -> None:
    if not library.names():
        pytest.skip(library.load()[1])
    code, _, error = run("kernels", "--int8", "--batch", "2")
    assert code == 2
    assert "--batch is for the INT16 convolutions; with --int8 leave it out" in error


def test_without_compiled_kernels_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "load", lambda: (None, "no compiled kernels; install a C++17 compiler"))
    code, _, error = run("kernels")
    assert code == 2
    assert "pyq8.kernels: no compiled kernels; install a C++17 compiler" in error


def test_the_convolutions_of_resnet50_are_distinct_and_all_there() -> None:
    convs = bench.resnet50(1)
    assert len(set(convs)) == len(convs) == 22
    assert {(conv.r, conv.stride[0]) for conv in convs} == {(1, 1), (1, 2), (3, 1), (3, 2)}
    assert max(conv.k for conv in convs) == 2048 and {conv.ho for conv in convs} == {56, 28, 14, 7}
