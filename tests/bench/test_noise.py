"""Noise: what is said, when, and that the counters are read right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyq8.bench.noise import CpuWatch, Noise

QUIET = Noise(0.01, 0.0, 0.03)


def test_a_quiet_machine_is_not_called_noisy() -> None:
    assert not QUIET.noisy
    assert "NOISY" not in str(QUIET)
    assert str(QUIET).startswith("no noise found: other programs took 1% of the CPUs")


@pytest.mark.parametrize(
    ("found", "said"),
    [(Noise(0.3, 0.0, 0.03), "30% of the CPUs"), (Noise(0.01, 0.08, None), "hypervisor took 8%"),
     (Noise(None, None, 0.25), "differed by up to 25%")],
)  # fmt: skip
def test_any_of_the_three_makes_it_noisy_and_is_said_in_one_line(found: Noise, said: str) -> None:
    assert found.noisy
    assert said in str(found) and "\n" not in str(found)
    assert str(found).startswith("NOISY MACHINE") and "time again" in str(found)


def test_where_nothing_is_known_nothing_is_claimed() -> None:
    assert not Noise(None, None, None).noisy
    assert str(Noise(None, None, None)) == "no noise found: nothing is known"


@pytest.mark.parametrize("found", [QUIET, Noise(None, 0.5, None)])
def test_json(found: Noise) -> None:
    assert found.to_json()["noisy"] is found.noisy
    assert Noise.from_json(found.to_json()) == found


def pretend(monkeypatch: pytest.MonkeyPatch, stat: str, ours: float) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    monkeypatch.setattr(os, "sysconf", lambda _: 100)
    monkeypatch.setattr(os, "times", lambda: (ours, 0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: stat)


def test_what_is_neither_ours_nor_idle_nor_stolen_is_others(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(
        monkeypatch,
        "cpu 9 9 9 9 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 7 0 0 0 0 0 0 0 0 0\ncpu2 1 0 0 0 0 0 0 0 0 0",
        0,
    )
    watch = CpuWatch()
    pretend(monkeypatch, "cpu0 300 0 100 500 0 0 0 100 0 0\ncpu1 900 0 0 0 0 0 0 0\ncpu2 201 0 0 800 0 0 0 0 0 0", 5)

    others, steal = watch.taken()  # 20 CPU seconds in all: 6 busy, of which 5 ours, and 1 stolen

    assert others == pytest.approx(0.05)
    assert steal == pytest.approx(0.05)


@pytest.mark.parametrize("stat", ["", "cpu 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0", "cpu0 0 0 0 50 0 0 0 0 0 0"])
def test_counters_that_say_nothing_or_too_little(monkeypatch: pytest.MonkeyPatch, stat: str) -> None:
    pretend(monkeypatch, stat, 0)
    watch = CpuWatch()
    pretend(monkeypatch, stat.replace("50", "90"), 0)
    assert watch.taken() == (None, None)


def test_a_system_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert CpuWatch().taken() == (None, None)
