"""The doctor finds every kernel right here, and notices one that is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyq8 import cpu, kernels
from pyq8.doctor import examine, short
from pyq8.doctor.case import KERNELS, Case
from pyq8.doctor.examine import ONNXRUNTIME, examine_cases
from pyq8.doctor.products import convolution
from pyq8.ops import RULES, SameAs
from tests.cli.run import run


def some(name: str, safe: bool = True) -> list[Case]:
    return KERNELS.get(name)(np.random.default_rng(1), safe)


@pytest.mark.cpu
def test_every_kernel_is_right_here() -> None:
    found = examine()

    assert {each.runtime for each in found} == {ONNXRUNTIME, *kernels.isas()}
    assert [each for each in found if each.wrong] == []
    assert all(each.cases for each in found if each.runtime == ONNXRUNTIME or "convolution" in each.kernel)


def test_every_integer_operator_that_pyq8_writes_is_examined() -> None:
    written = {RULES.get(name).kernel[1] for name in RULES if not isinstance(RULES.get(name).output, SameAs)}
    examined = {case.op_type for name in KERNELS for case in some(name)}

    assert written <= examined


@pytest.mark.parametrize("name", [*KERNELS])
@pytest.mark.parametrize("runtime", [ONNXRUNTIME, *kernels.isas()])
def test_a_result_that_is_off_by_two_codes_is_noticed(name: str, runtime: str) -> None:
    cases = some(name)
    first = cases[0].expected
    cases[0] = replace(cases[0], expected=np.where(first < 128, first + 2, first - 2).astype(first.dtype))

    found = examine_cases(name, cases, runtime)

    assert found.wrong == (1 if found.cases else 0)
    assert found.cases == 0 or cases[0].op_type in found.example


@pytest.mark.cpu
def test_sums_that_saturate_are_noticed() -> None:
    found = examine_cases("saturating", some("convolution 3x3", safe=False), ONNXRUNTIME)

    assert (found.wrong > found.cases / 2) if cpu.cpu_class().saturates else (found.wrong == 0)


@pytest.mark.cpu
def test_a_wrong_runtime_is_refused_by_quantize_and_check(
    monkeypatch: pytest.MonkeyPatch, digits_model: str, digits_images: str, tmp_path: Path
) -> None:
    def wrong(*args: object, **options: object) -> Case:
        case = convolution(*args, **options)  # type: ignore[arg-type]
        return replace(case, expected=255 - case.expected)

    monkeypatch.setattr(short, "convolution", wrong)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.23.2")
    short._what_is_wrong.cache_clear()
    try:
        for command in ("quantize", "check"):
            models = [digits_model] * (2 if command == "check" else 1)
            option = "--data" if command == "check" else "--calib"
            out = ["-o", str(tmp_path / "out.onnx")] if command == "quantize" else []
            code, _, error = run(command, *models, option, digits_images, *out)
            assert code == 3
            assert "onnxruntime 1.23.2 computes wrong INT8 results on this CPU" in error
            assert "install 1.25 or newer" in error and error.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
    finally:
        short._what_is_wrong.cache_clear()


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("convolution in groups", "sigmoid", "softmax")
    monkeypatch.setattr(KERNELS, "_items", {name: KERNELS.get(name) for name in few})
    file = tmp_path / "doctor.json"
    code, text, error = run("doctor", "--json", str(file))

    assert (code, error) == (0, "")
    assert cpu.describe() in text and "convolution in groups" in text and "all right: " in text
    data = json.loads(file.read_text())
    assert (data["kind"], data["schema"], data["class"]) == ("pyq8 doctor", 1, cpu.cpu_class().name)
    assert {row["runtime"] for row in data["kernels"]} == {ONNXRUNTIME, *kernels.isas()}


def test_the_command_names_a_wrong_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(rng: np.random.Generator, safe: bool) -> list[Case]:
        del safe
        case = convolution(rng, True, 16, 16, (4, 4))
        return [replace(case, expected=255 - case.expected)]

    monkeypatch.setattr(KERNELS, "_items", {"convolution 1x1": wrong})
    code, text, error = run("doctor")

    assert code == 3 and "onnxruntime" in error and error.count("\n") == 1
    assert "0/1" in text and "QLinearConv of 1x16x4x4 and 16x16x1x1" in text
