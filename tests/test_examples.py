"""Every example runs as its header says, on small data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyq8

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
README = EXAMPLES.parent / "README.md"
SHORTER = {
    "inception_v3.py": ["--small", "--rounds", "1"],
    "reproduce_intelcaffe.py": ["--small", "--markdown", "table.md", "--json", "table.json"],
    "resnet50.py": ["--small", "--rounds", "1"],
    "serve_onnxruntime.py": ["--self-test"],
    "ssd.py": ["--small", "--rounds", "1"],
    "train_dfp16.py": ["--epochs", "1"],
}
SAYS = {
    "custom_observer.py": "deviations",
    "reproduce_intelcaffe.py": "INT8 over optimized FP32",
    "resnet50.py": "seeded weights",
    "serve_onnxruntime.py": "64 answers over HTTP equal direct inference",
    "ssd.py": "map50",
}
TORCHVISION = ("inception_v3.py", "resnet50.py", "ssd.py")


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    same = str(Path(pyq8.__file__).parents[1])  # the package that is tested, whatever is installed
    env = {**os.environ, "PYTHONPATH": same, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python` and `pyq8` are those of the tests."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, arguments in (("python", ""), ("pyq8", "-m pyq8")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda f: f.name)
def test_the_example_runs(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"  # is made
    done = run([sys.executable, str(file), str(out), *SHORTER.get(file.name, [])], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "convolutions on INT8 kernels" in done.stdout
    assert SAYS.get(file.name, "") in done.stdout
    assert list(out.glob("*.int8.onnx"))


@pytest.mark.parametrize("name", TORCHVISION)
def test_without_a_network_the_weights_are_seeded_and_it_says_so(name: str, tmp_path: Path) -> None:
    build = f"import runpy; print(runpy.run_path({str(EXAMPLES / name)!r})['build'](False)[1])"
    nowhere = {"TORCH_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    done = run([sys.executable, "-c", build], tmp_path, **nowhere)
    assert done.returncode == 0, done.stderr
    assert "cannot be downloaded" in done.stdout and done.stdout.splitlines()[-1] == "False"


def commands(text: str, start: str) -> list[str]:
    return [line.strip().removeprefix(start) for line in text.splitlines() if line.strip().startswith(start)]


@pytest.mark.usefixtures("shell")
def test_the_gated_repository_does_what_its_workflows_say(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    shutil.copytree(EXAMPLES / "ci_gate", folder)
    github = commands((folder / ".github/workflows/int8.yml").read_text(), "- run: ")
    gitlab = (folder / ".gitlab-ci.yml").read_text().partition("script:")[2].partition("artifacts:")[0]
    assert commands(gitlab, "- ") == github
    assert github[0] == "pip install -r requirements.txt" and len(github) == 4
    for command in github[1:]:
        done = run(["sh", "-c", command], folder)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert (folder / "check.xml").exists() and (folder / "check.json").exists() and "the baseline" in done.stdout

    (hook,) = commands((folder / ".pre-commit-config.yaml").read_text(), "entry: ")
    assert hook == "sh -c 'python get_model.py && sh make_int8.sh && sh gate.sh --quick'"
    assert run(["sh", "-c", "sh gate.sh --quick"], folder).returncode == 0

    (after,) = commands((folder / ".gitlab-ci.yml").read_text().partition("after_script:")[2], "- ")
    for status, kept in (("success", True), ("failed", False)):
        assert run(["sh", "-c", after], folder, CI_JOB_STATUS=status).returncode == 0
        assert (folder / "model.int8.onnx").exists() == kept

    less = (folder / "make_int8.sh").read_text().rstrip() + " --effort fast --exclude '/inverted/*'"
    assert run(["sh", "-c", less], folder).returncode == 0
    assert run(["sh", "-c", github[3]], folder).returncode == 1


@pytest.mark.usefixtures("shell")
def test_the_readme_leads_from_a_clone_to_a_gated_model(tmp_path: Path) -> None:
    block = README.read_text().partition("## From a clone to a gated model")[2].partition("```sh\n")[2]
    steps = block.partition("```")[0].splitlines()
    assert len(steps) <= 5
    (tmp_path / "examples").symlink_to(EXAMPLES)
    install = [step for step in steps if re.search(r"\bvenv\b|\bpip install\b", step)]
    assert steps[: len(install)] == install
    for step in steps[len(install) :]:
        small = " --small" if "examples/" in step else ""
        done = run(["sh", "-c", step.partition(" #")[0] + small], tmp_path)
        assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"
    assert done.stdout.splitlines()[-1] == "passed"
