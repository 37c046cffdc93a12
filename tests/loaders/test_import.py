from __future__ import annotations

import subprocess
import sys


def test_importing_the_loaders_imports_nothing_heavy() -> None:
    heavy = ("onnx", "onnxruntime", "PIL", "torch")
    code = f"import sys, pyq8.loaders; print([name for name in {heavy} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
