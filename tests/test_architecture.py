"""The house is as `house.py` says, only the command line prints, and help is instant."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pyq8

from .house import HOUSE, ROOT, Room, imports, modules, room_of

STAGES = ("pyq8.passes", "pyq8.calibration.calibrate", "pyq8.plan.make", "pyq8.rewrite", "pyq8.verify")


def test_every_file_is_in_a_room_and_every_room_is_there() -> None:
    assert {room_of(module) for module in modules()} == {room.name for room in HOUSE}


@pytest.mark.parametrize("room", HOUSE, ids=lambda room: room.name)
def test_a_room_imports_what_the_house_says(room: Room) -> None:
    """No more, which would be a stair that nobody planned, and no less, so that the table is true."""
    found = {room_of(to): f"{module} imports {to}" for module, to in imports() if room_of(module) == room.name}

    others = {name: why for name, why in found.items() if name != room.name}
    assert not {why for name, why in others.items() if name not in room.imports}
    assert room.imports <= others.keys()


def test_no_room_imports_one_below_it_in_the_table() -> None:
    order = [room.name for room in HOUSE]
    for number, room in enumerate(HOUSE):
        assert room.imports <= set(order[:number]), room.name


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_no_other_stage(stage: str) -> None:
    others = [other for other in STAGES if other != stage]
    for module, to in imports():
        if f"{module}.".startswith(f"{stage}."):
            assert not any(f"{to}.".startswith(f"{other}.") for other in others), f"{module} imports {to}"


def test_no_files_of_a_room_import_one_another_in_a_circle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for module, to in imports():
        if room_of(module) == room_of(to):
            graph[module].add(to)

    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)  # a circle is a CycleError that names it


def test_contributing_shows_the_same_house() -> None:
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `(\w+)(?:/|\.py|)` \| (.*) \|$", text, re.MULTILINE)

    assert shown == [(room.name, room.purpose) for room in HOUSE if room.name not in ("_version", "__main__")]


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
