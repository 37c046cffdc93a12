"""The shape that DESIGN fixes: stages do not know one another, and help is instant."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pyq8

ROOT = Path(pyq8.__file__).parent
STAGES = {
    "pyq8.passes": "passes",
    "pyq8.calibration.calibrate": "calibrate.py",
    "pyq8.plan.make": "plan.py",
    "pyq8.rewrite": "rewrite",
    "pyq8.verify": "verify",
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_no_other_stage(stage: str) -> None:
    place = ROOT / STAGES[stage]
    files = [place] if place.is_file() else list(place.rglob("*.py"))
    assert files
    others = [other for other in STAGES if other != stage]
    for file in files:
        for name in imports(file):
            assert not any(name == o or name.startswith(o + ".") for o in others), f"{file.name} imports {name}"


def test_only_the_command_line_prints() -> None:
    for file in ROOT.rglob("*.py"):
        if "cli" in file.parts or file.name == "stopwatch.py":
            continue
        calls = [n for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], file


def test_a_session_runs_in_one_place_where_what_fails_becomes_an_error() -> None:
    others = {"sessions.py", "runners.py", "fold_constants.py"}  # a stopwatch, and constants, which may fail
    for file in ROOT.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "run":
                owner = ast.unparse(call.func.value)
                assert "session" not in owner or file.name in others, f"{file}: {ast.unparse(call)}"


@pytest.mark.parametrize("code", ["import pyq8", "from pyq8.cli import main; main(['--help'])"])
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    check = (
        "import sys\ntry:\n    "
        + code
        + "\nexcept SystemExit:\n    pass\n"
        + "heavy = {'onnx', 'onnxruntime', 'onnx_ir', 'PIL', 'numpy', 'torch', 'tqdm'} & set(sys.modules)\n"
        + "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there() -> None:
    for name in pyq8.__all__:
        assert getattr(pyq8, name) is not None


def test_session_stays_a_function_after_the_module_was_imported() -> None:
    import pyq8.runtime.sessions

    assert callable(pyq8.session)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = pyq8.nonsense
