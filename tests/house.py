"""The house: every room of src/pyq8, from the ground up, what it is for and which rooms it imports.

A room is a folder or a file of src/pyq8. It imports rooms above it in this table alone, so that there is no circle.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyq8

ROOT = Path(pyq8.__file__).parent


@dataclass(frozen=True)
class Room:
    """A folder or a file of src/pyq8.

    Args:
        name: of the folder, or of the file without ".py".
        purpose: in a line, as CONTRIBUTING says it.
        imports: names of the rooms that it imports, in any of its files.
    """

    name: str
    purpose: str
    imports: frozenset[str]


def _room(name: str, purpose: str, imports: str) -> Room:
    return Room(name, purpose, frozenset(imports.split()))


HOUSE = (
    _room("_version", "the version", ""),
    _room("errors", "the tree of errors and their exit codes", ""),
    _room("files", "text and TOML files, whole or not there", "errors"),
    _room("registry", "names that users give, and what they stand for", "errors"),
    _room("types", "what the stages hand on: plan, parameters, configuration; frozen, printable, JSON", ""),
    _room("stats", "what calibration hands on: statistics of tensors", "errors"),
    _room("affine", "all quantization arithmetic", "types"),
    _room("compiled", "the compiled library: where it is, whether it can be used", ""),
    _room("cpu", "the processor, and the table of classes of x86 CPUs", "compiled"),
    _room("graph_edit", "edit a graph", "types"),
    _room("fresh_names", "names for new nodes and values", "graph_edit"),
    _room(
        "loaders",
        "images and arrays in, preprocessing, the data sets that come along",
        "errors files registry types",
    ),
    _room(
        "kernels",
        "INT16 convolutions, regions of INT8 layers, what calibration counts and correction multiplies: the numpy "
        "references, the C++ in `csrc/` that equals them bit for bit, ctypes between them",
        "errors types stats compiled cpu",
    ),
    _room(
        "model",
        "the ONNX file: read, checked, raised to newer opsets, written; its shapes, its inputs, its parts; where "
        "it came from",
        "_version errors types stats graph_edit fresh_names loaders kernels",
    ),
    _room(
        "ops",
        "what quantization must know of an operator: a table row each; `placement.py` decides what can be INT8, "
        "`by_cost.py` what of it is faster in FP32, `tables.py` which chains are tables of codes",
        "errors registry types graph_edit",
    ),
    _room("saturation", "which pairs of products saturate on CPUs without VNNI", "types graph_edit ops"),
    _room(
        "runtime",
        "ONNX Runtime sessions, the weights they run as uint8, what was executed, the versions and digests",
        "_version errors types cpu graph_edit loaders kernels model saturation",
    ),
    _room(
        "passes",
        "prepare: exact FP32 -> FP32 graph passes, one a file, and the ordered list",
        "types graph_edit fresh_names model ops runtime",
    ),
    _room(
        "workers",
        "images spread over any executor, in order and bounded; processes that are replaced, a Dask cluster",
        "errors types cpu loaders model runtime",
    ),
    _room(
        "calibration",
        "calibrate: the images on disk, one run over them, and in `observers/` how a range is chosen",
        "errors files registry types stats affine loaders kernels model ops runtime workers",
    ),
    _room(
        "correction",
        "bring a plan closer to FP32: channels equalized, weights rounded, biases shifted; one technique a file",
        "files registry types stats affine cpu graph_edit kernels model ops saturation runtime workers",
    ),
    _room(
        "plan",
        "plan: which nodes are INT8, with which parameters; the file that says so, checked and fitted to a model",
        "errors files types stats affine cpu graph_edit model ops saturation passes calibration correction",
    ),
    _room(
        "rewrite",
        "rewrite: carry the plan out, as QDQ, QOperator or regions",
        "errors registry types affine graph_edit fresh_names kernels ops",
    ),
    _room(
        "bench",
        "models timed against each other, and all that times or profiles",
        "_version errors types cpu kernels model runtime plan",
    ),
    _room("detection", "boxes: read from a model's outputs, from annotations, and matched", "errors files types"),
    _room("metrics", "scores of a model's outputs", "errors registry types loaders detection"),
    _room(
        "verify",
        "verify: kernels, the proof of the file, layers, accuracy, whether the images were enough",
        "errors types stats affine cpu graph_edit loaders model ops runtime workers calibration plan bench "
        "detection metrics",
    ),
    _room(
        "doctor",
        "whether the INT8 kernels of this machine are right: cases, their run, the short form before work",
        "errors registry types cpu kernels saturation runtime rewrite",
    ),
    _room(
        "groundwork",
        "load to plan in one call, for every command that quantizes",
        "errors types stats loaders model ops passes calibration correction plan rewrite verify doctor",
    ),
    _room("result", "what `quantize` returns", "_version errors types stats model passes plan rewrite verify"),
    _room(
        "plan_replay",
        "a plan file carried out again",
        "_version errors types stats cpu loaders model passes plan rewrite verify groundwork result",
    ),
    _room("trial", "the model of a changed plan", "types stats ops correction plan rewrite"),
    _room(
        "gate",
        "what is demanded of a quantized model, how sure the figures are, the verdict",
        "errors types bench metrics verify",
    ),
    _room(
        "api",
        "`quantize`, `check`, `inspect`: joins the stages, top to bottom",
        "errors types cpu loaders model runtime rewrite bench detection metrics verify doctor groundwork result gate",
    ),
    _room(
        "ranking",
        "which layers lose most, why, and what they cost",
        "errors types affine graph_edit fresh_names loaders model ops runtime plan bench metrics verify "
        "groundwork trial api",
    ),
    _room(
        "tuning",
        "which nodes go back to FP32: the search asks (`search.py`), the notebook tries and keeps "
        "(`notebook.py`), the exam judges (`exam.py`)",
        "_version errors files types loaders model ops runtime workers plan rewrite bench detection metrics "
        "verify groundwork trial gate api ranking",
    ),
    _room(
        "report",
        "the HTML page, a file a section, and its templates; two JSON files side by side",
        "errors types stats graph_edit loaders model ops runtime passes calibration plan rewrite bench detection "
        "metrics verify groundwork result gate api ranking",
    ),
    _room(
        "dfp",
        "INT16 dynamic fixed point: the numbers in numpy, torch layers over the kernels, the networks of the example",
        "errors registry types kernels",
    ),
    _room(
        "pyq8",
        "`__init__.py`: the public names, imported when they are asked for",
        "_version errors types stats loaders runtime workers bench result plan_replay api ranking tuning",
    ),
    _room(
        "cli",
        "one file a command; the only place that prints",
        "errors files registry cpu loaders kernels model runtime workers rewrite bench detection verify doctor "
        "groundwork result gate api ranking tuning report pyq8",
    ),
    _room("__main__", "`python -m pyq8`", "cli"),
)


@cache
def modules() -> dict[str, Path]:
    """Every module of the package, and its file."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = ("pyq8", *file.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def room_of(module: str) -> str:
    """The room of a module; `pyq8/__init__.py` is the room pyq8."""
    _, *inside = module.split(".")
    return inside[0] if inside else "pyq8"


@cache
def imports() -> tuple[tuple[str, str], ...]:
    """(module, module that it imports) of the package; imports inside functions and for types alone count too."""
    known = modules()
    found = []
    for module, file in known.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in known else node.module for name in inside]
            else:
                continue
            found += [(module, name) for name in names if name in known and name != module]
    return tuple(found)
