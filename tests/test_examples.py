"""Every example runs as its header says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHORTER = {"train_dfp16.py": ["--epochs", "1"]}


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda f: f.name)
def test_the_example_runs(file: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(file), str(tmp_path), *SHORTER.get(file.name, [])],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "convolutions on INT8 kernels" in done.stdout
    assert list(tmp_path.glob("*.int8.onnx"))
